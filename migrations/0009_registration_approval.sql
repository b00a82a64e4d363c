-- Schema registration: requests that wait for officers' approvals, and what officers signed.
--
-- registration.request.state: 4 pending. A pending request keeps the message it was first stated as, so that its
-- digest, which officers sign, stays the same however often its caller asks again. Approvals are octets to this
-- schema: the judge verifies them. Rows go with their request.

ALTER TABLE registration.request DROP CONSTRAINT request_state_check;
ALTER TABLE registration.request ADD CONSTRAINT request_state_check CHECK (state BETWEEN 1 AND 4);

CREATE TABLE registration.pending (
    request_id     bytea PRIMARY KEY REFERENCES registration.request ON DELETE CASCADE,
    request_sha256 bytea NOT NULL CHECK (octet_length(request_sha256) = 32),
    request        bytea NOT NULL,
    profile        text NOT NULL,
    requester      text NOT NULL,
    since_s        bigint NOT NULL,
    asked_at_s     bigint NOT NULL,
    seen           integer NOT NULL CHECK (seen >= 0),
    waits_for      text NOT NULL,
    steps          text NOT NULL
);
CREATE INDEX pending_since ON registration.pending (since_s, request_id);
COMMENT ON COLUMN registration.pending.request IS 'chancery.common.v1.Request as it was first stated, evidence included.';
COMMENT ON COLUMN registration.pending.seen IS 'Approvals that went along when the judge was last asked, at asked_at_s.';
COMMENT ON COLUMN registration.pending.steps IS 'Steps that then lacked approvals, separated by commas.';

CREATE TABLE registration.approval (
    request_id      bytea NOT NULL REFERENCES registration.pending ON DELETE CASCADE,
    approval_sha256 bytea NOT NULL CHECK (octet_length(approval_sha256) = 32),
    approval        bytea NOT NULL CHECK (octet_length(approval) <= 171),
    signature       bytea NOT NULL CHECK (octet_length(signature) <= 512),
    submitter       text NOT NULL,
    submitted_at_s  bigint NOT NULL,
    PRIMARY KEY (request_id, approval_sha256)
);
COMMENT ON TABLE registration.approval IS 'What officers signed (chancery/approval/v1), as it came.';

GRANT SELECT, INSERT, UPDATE ON registration.pending TO chancery_registration;
GRANT SELECT, INSERT ON registration.approval TO chancery_registration;
