-- Schema registration: one row per enrolment request, which is also the idempotency record.
--
-- state: 1 open (being driven, or left by a crash), 2 issued, 3 refused. Rows go 7 days after their last
-- change; certificates and their facts live in schema ca.

CREATE TABLE registration.request (
    request_id      bytea PRIMARY KEY CHECK (octet_length(request_id) = 16),
    caller          text NOT NULL,
    idempotency_key text,
    content_sha256  bytea NOT NULL CHECK (octet_length(content_sha256) = 32),
    request_sha256  bytea NOT NULL CHECK (octet_length(request_sha256) = 32),
    instance        text NOT NULL,
    attempt         integer NOT NULL DEFAULT 1 CHECK (attempt > 0),
    state           smallint NOT NULL DEFAULT 1 CHECK (state BETWEEN 1 AND 3),
    driven_until_s  bigint NOT NULL,
    issuer_id       text,
    serial          bytea,
    error_code      text,
    error_field     text,
    error_rule      text,
    error_message   text,
    error_reference text,
    created_at_s    bigint NOT NULL,
    changed_at_s    bigint NOT NULL,
    CONSTRAINT request_idempotency UNIQUE (caller, idempotency_key),
    CONSTRAINT request_outcome CHECK ((state = 2) = (serial IS NOT NULL) AND (state = 3) = (error_code IS NOT NULL))
) WITH (fillfactor = 50);
-- A row changes once or twice, soon after it was made: half a page stays free, and no index names a column
-- that changes, so that the change stays on its page and touches no index.
CREATE INDEX request_created ON registration.request USING brin (created_at_s);
COMMENT ON TABLE registration.request IS
    'Enrolment requests. (caller, idempotency_key) maps to content and outcome; instance and driven_until_s say who drives an open one.';
COMMENT ON COLUMN registration.request.content_sha256 IS
    'Digest of what the caller sent, without request id: the same key with another content is refused.';

GRANT SELECT, INSERT, UPDATE, DELETE ON registration.request TO chancery_registration;
