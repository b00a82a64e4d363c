-- Schema revocation: status of revoked certificates, and the schedule of CRLs.

CREATE TABLE revocation.status (
    issuer_id    text NOT NULL,
    serial       bytea NOT NULL CHECK (octet_length(serial) BETWEEN 1 AND 20),
    reason       smallint NOT NULL CHECK (reason IN (0, 1, 2, 3, 4, 5, 9, 10)),
    revoked_at_s bigint NOT NULL,
    shard        integer NOT NULL,
    not_after_s  bigint NOT NULL,
    log_index    bigint NOT NULL CHECK (log_index >= 0),
    actor        text NOT NULL,
    CONSTRAINT status_pkey PRIMARY KEY (issuer_id, serial)
);
CREATE INDEX status_shard ON revocation.status (issuer_id, shard, serial);
COMMENT ON TABLE revocation.status IS
    'One row per revoked certificate, written after the revocation is in the audit log (log_index). Append-only: '
    'a revocation never un-happens and its first date and reason stand.';
COMMENT ON COLUMN revocation.status.reason IS
    'CRLReason of RFC 5280 5.3.1; certificateHold (6) and removeFromCRL (8) do not exist here.';
COMMENT ON COLUMN revocation.status.not_after_s IS
    'From ca.issued_v1: the entry may leave the CRL after this time.';
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON revocation.status
    FOR EACH STATEMENT EXECUTE FUNCTION chancery_guard.append_only();

CREATE TABLE revocation.dirty (
    issuer_id      text NOT NULL,
    shard          integer NOT NULL,
    changed        bigint NOT NULL DEFAULT 0,
    covered        bigint NOT NULL DEFAULT 0,
    changed_at_s   bigint NOT NULL DEFAULT 0,
    claimed_by     text NOT NULL DEFAULT '',
    claim_until_s  bigint NOT NULL DEFAULT 0,
    CONSTRAINT dirty_pkey PRIMARY KEY (issuer_id, shard),
    CONSTRAINT dirty_order CHECK (covered <= changed)
);
COMMENT ON TABLE revocation.dirty IS
    'One row per CRL series. A revocation increments changed in the transaction that inserts its status row; the '
    'row lock puts increments in commit order, so a snapshot that sees changed = n sees every status row up to n. '
    'A CRL built from that snapshot sets covered = n. Due: covered < changed, or nextUpdate is near. claimed_by '
    'keeps two instances from building the same CRL.';

CREATE TABLE revocation.crl (
    issuer_id      text NOT NULL,
    shard          integer NOT NULL,
    number         bigint NOT NULL CHECK (number > 0),
    this_update_s  bigint NOT NULL,
    next_update_s  bigint NOT NULL CHECK (next_update_s > this_update_s),
    entries        bigint NOT NULL CHECK (entries >= 0),
    sha256         bytea NOT NULL CHECK (octet_length(sha256) = 32),
    length         bigint NOT NULL,
    path           text NOT NULL,
    log_index      bigint NOT NULL,
    published_at_s bigint NOT NULL,
    CONSTRAINT crl_pkey PRIMARY KEY (issuer_id, shard, number)
);
COMMENT ON TABLE revocation.crl IS
    'CRLs that were published: number, times, digest, and the file name under the publication folder. Append-only.';
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON revocation.crl
    FOR EACH STATEMENT EXECUTE FUNCTION chancery_guard.append_only();

CREATE TABLE revocation.cursor (
    name     text PRIMARY KEY CHECK (name = 'issued'),
    position bigint NOT NULL
);
INSERT INTO revocation.cursor (name, position) VALUES ('issued', 0);
COMMENT ON TABLE revocation.cursor IS
    'The changed_seq of ca.issued_v1 up to which voided and discarded rows have become revocations. How far the '
    'audit log was compared is kept outside the database: what it is compared with lies here.';

GRANT SELECT, INSERT ON revocation.status, revocation.crl TO chancery_revocation;
GRANT SELECT, INSERT, UPDATE (changed, covered, changed_at_s, claimed_by, claim_until_s)
    ON revocation.dirty TO chancery_revocation;
GRANT SELECT, UPDATE (position) ON revocation.cursor TO chancery_revocation;
