-- Schema ca: issuers, instance leases, reservations, certificates, statements and permits, signed CRLs.
--
-- Times are seconds since 1970 (bigint). A serial is the content of the INTEGER without sign octet:
-- 16 random octets, the first one 01..7f. SHA-256 values are bytea of 32 octets.

CREATE TABLE ca.issuer (
    issuer_id       text PRIMARY KEY CHECK (issuer_id ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    certificate_der bytea NOT NULL,
    spki_sha256     bytea NOT NULL UNIQUE CHECK (octet_length(spki_sha256) = 32),
    shards          integer NOT NULL CHECK (shards BETWEEN 0 AND 65536),
    added_at_s      bigint NOT NULL
);
COMMENT ON TABLE ca.issuer IS
    'Issuers this installation has ever used. A row never changes: shards are fixed before the first certificate; 0: complete CRLs (a root).';

CREATE TABLE ca.instance (
    epoch         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    instance      text NOT NULL CHECK (octet_length(instance) BETWEEN 1 AND 128),
    started_at_s  bigint NOT NULL,
    lease_until_s bigint NOT NULL,
    fenced_at_s   bigint,
    settled_at_s  bigint CHECK (settled_at_s IS NULL OR fenced_at_s IS NOT NULL)
);
CREATE INDEX instance_open ON ca.instance (lease_until_s) WHERE settled_at_s IS NULL;
COMMENT ON TABLE ca.instance IS
    'One lease per start of a ca process; its epoch is never reused. Settlement: lock the row of an expired '
    'lease FOR UPDATE, set fenced_at_s, settle its reservations, set settled_at_s. An instance reserves and '
    'stores only while it holds its row FOR KEY SHARE with fenced_at_s NULL; one that was fenced takes a new lease. '
    'Times are the database''s own.';

-- state: 1 reserved, 2 stored, 3 voided (outcome unknown, treated as issued: revocation revokes it),
-- 4 discarded (a signature came too late and was thrown away: revoked too), 5 unsigned (the signer's
-- own answer or the log proves that no INTENT exists: nothing to revoke).
-- A batch takes 64 numbers with one call: its rows have first_id, first_id + 1, ...
CREATE SEQUENCE ca.issuance_ids INCREMENT BY 64;
CREATE TABLE ca.issuance (
    issuer_id     text NOT NULL,
    serial        bytea NOT NULL CHECK (octet_length(serial) BETWEEN 1 AND 20),
    tbs_sha256    bytea NOT NULL CHECK (octet_length(tbs_sha256) = 32),
    not_after_s   bigint NOT NULL,
    shard         integer NOT NULL CHECK (shard >= 0),
    request_id    bytea NOT NULL CHECK (octet_length(request_id) = 16),
    attempt       integer NOT NULL CHECK (attempt > 0),
    instance      text NOT NULL,
    epoch         bigint NOT NULL,
    state         smallint NOT NULL DEFAULT 1 CHECK (state BETWEEN 1 AND 5),
    reserved_at_s bigint NOT NULL,
    changed_seq   bigint,
    id            bigint NOT NULL DEFAULT nextval('ca.issuance_ids'),
    CONSTRAINT issuance_pkey PRIMARY KEY (issuer_id, serial),
    CONSTRAINT issuance_request_attempt UNIQUE (request_id, attempt),
    CONSTRAINT issuance_id UNIQUE (id)
) WITH (fillfactor = 50);
-- A row changes once, soon after it was made, and nearly always to stored: half a page stays free and no index
-- names the state, so that the change stays on its page and touches no index.
CREATE INDEX issuance_settled ON ca.issuance (changed_seq) WHERE changed_seq IS NOT NULL;
COMMENT ON TABLE ca.issuance IS
    'One row per attempt to issue, committed before the signature is asked for. issuer_id and epoch have no '
    'foreign keys: the hot path checks them by locking its lease row.';
COMMENT ON COLUMN ca.issuance.id IS 'Also the id of the certificate that this attempt became.';
COMMENT ON COLUMN ca.issuance.changed_seq IS
    'Set by the database when a row becomes voided or discarded, in commit order: a reader may keep the '
    'highest value it has handled as its cursor. NULL in other states.';

CREATE SEQUENCE ca.issuance_changed_seq;

-- Only reserved rows change state; a voided row may still become discarded. Settlements take one lock
-- so that changed_seq grows in commit order.
CREATE FUNCTION ca.issuance_transition() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF NOT (OLD.state = 1 OR (OLD.state = 3 AND NEW.state = 4)) OR NEW.state = 1 THEN
        RAISE EXCEPTION 'issuance state % does not become %', OLD.state, NEW.state
            USING ERRCODE = 'raise_exception';
    END IF;
    IF NEW.state IN (3, 4) THEN
        PERFORM pg_advisory_xact_lock(hashtext('ca.issuance_changed_seq'));
        NEW.changed_seq := nextval('ca.issuance_changed_seq');
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER issuance_transition BEFORE UPDATE ON ca.issuance FOR EACH ROW
    WHEN (OLD.state <> 1 OR NEW.state <> 2) EXECUTE FUNCTION ca.issuance_transition();

CREATE TABLE ca.open_batch (
    first_id bigint PRIMARY KEY,
    n        integer NOT NULL CHECK (n BETWEEN 1 AND 64),
    epoch    bigint NOT NULL
);
COMMENT ON TABLE ca.open_batch IS
    'Where reserved rows are: issuance ids first_id .. first_id + n - 1. Written with the reservations, deleted '
    'with or after the last change from reserved to another state. Settlement finds open reservations through it.';

CREATE TABLE ca.statement (
    statement_sha256 bytea PRIMARY KEY CHECK (octet_length(statement_sha256) = 32),
    statement        bytea NOT NULL,
    signature        bytea NOT NULL,
    received_at_s    bigint NOT NULL
);
COMMENT ON TABLE ca.statement IS
    'Every statement of registration that led to a reservation, one per batch: what its key signed.';

CREATE TABLE ca.permit (
    permit_sha256    bytea PRIMARY KEY CHECK (octet_length(permit_sha256) = 32),
    permit           bytea NOT NULL,
    signature        bytea NOT NULL,
    received_at_s    bigint NOT NULL
);
COMMENT ON TABLE ca.permit IS 'Every permit received from policy, one per batch or CRL: what its key signed.';

CREATE TABLE ca.certificate (
    id               bigint NOT NULL,
    issuer_id        text NOT NULL,
    serial           bytea NOT NULL CHECK (octet_length(serial) BETWEEN 1 AND 20),
    der              bytea NOT NULL,
    tbs_sha256       bytea NOT NULL CHECK (octet_length(tbs_sha256) = 32),
    tenant           text NOT NULL,
    requester        text NOT NULL,
    profile          text NOT NULL,
    request_id       bytea NOT NULL CHECK (octet_length(request_id) = 16),
    attempt          integer NOT NULL,
    spki_sha256      bytea NOT NULL CHECK (octet_length(spki_sha256) = 32),
    subject          text NOT NULL,
    names            text[] NOT NULL,
    not_before_s     bigint NOT NULL,
    not_after_s      bigint NOT NULL,
    shard            integer NOT NULL,
    evidence_sha256  bytea NOT NULL CHECK (octet_length(evidence_sha256) = 32),
    request_sha256   bytea NOT NULL CHECK (octet_length(request_sha256) = 32),
    statement_sha256 bytea NOT NULL CHECK (octet_length(statement_sha256) = 32),
    permit_sha256    bytea NOT NULL CHECK (octet_length(permit_sha256) = 32),
    permit_index     integer NOT NULL CHECK (permit_index >= 0),
    bundle_sha256    bytea NOT NULL CHECK (octet_length(bundle_sha256) = 32),
    issuer_key       bytea NOT NULL CHECK (octet_length(issuer_key) = 32),
    build_id         text NOT NULL,
    intent_index     bigint NOT NULL,
    result_index     bigint NOT NULL,
    issued_at_s      bigint NOT NULL,
    CONSTRAINT certificate_pkey PRIMARY KEY (id),
    CONSTRAINT certificate_request UNIQUE (request_id)
);
CREATE INDEX certificate_spki ON ca.certificate (spki_sha256);
CREATE INDEX certificate_requester ON ca.certificate (requester, id);
COMMENT ON TABLE ca.certificate IS
    'Issued certificates with the facts of their issuance. Append-only; status lives in revocation. One per '
    'request, whichever attempt came first. id is that of its row in ca.issuance, through which a serial is found '
    'and by which a serial has one certificate. Paging: by id, newest first.';
COMMENT ON COLUMN ca.certificate.issuer_key IS 'SHA-256 of the SubjectPublicKeyInfo of the key that signed.';
COMMENT ON COLUMN ca.certificate.names IS 'As shown to people, "DNS:host.example"; lookup: ca.certificate_name.';

CREATE TABLE ca.certificate_name (
    name           text NOT NULL,
    certificate_id bigint NOT NULL,
    CONSTRAINT certificate_name_pkey PRIMARY KEY (name, certificate_id)
);
COMMENT ON TABLE ca.certificate_name IS
    'Exact lookup by SAN value or subject CN, lower case, without type. Written with its certificate.';

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ca.issuer
    FOR EACH STATEMENT EXECUTE FUNCTION chancery_guard.append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ca.statement
    FOR EACH STATEMENT EXECUTE FUNCTION chancery_guard.append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ca.permit
    FOR EACH STATEMENT EXECUTE FUNCTION chancery_guard.append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ca.certificate
    FOR EACH STATEMENT EXECUTE FUNCTION chancery_guard.append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ca.certificate_name
    FOR EACH STATEMENT EXECUTE FUNCTION chancery_guard.append_only();
CREATE TRIGGER no_delete BEFORE DELETE OR TRUNCATE ON ca.issuance
    FOR EACH STATEMENT EXECUTE FUNCTION chancery_guard.append_only();

-- ---- CRLs ----

CREATE TABLE ca.crl_head (
    issuer_id        text NOT NULL REFERENCES ca.issuer,
    shard            integer NOT NULL CHECK (shard >= 0),
    signed_number    bigint NOT NULL DEFAULT 0,
    reserved_number  bigint NOT NULL DEFAULT 0,
    this_update_s    bigint NOT NULL DEFAULT 0,
    CONSTRAINT crl_head_pkey PRIMARY KEY (issuer_id, shard),
    CONSTRAINT crl_head_order CHECK (reserved_number >= signed_number)
);
COMMENT ON TABLE ca.crl_head IS
    'Compare-and-swap point of one CRL series: the row is locked, signed_number compared with the caller''s '
    'previous_number, reserved_number set, and after the signature signed_number and this_update_s. Numbers and '
    'thisUpdate never fall. An issuer with 0 shards has one complete CRL under shard 0.';

CREATE FUNCTION ca.crl_head_forward() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF NEW.signed_number < OLD.signed_number OR NEW.reserved_number < OLD.reserved_number
       OR NEW.this_update_s < OLD.this_update_s THEN
        RAISE EXCEPTION 'CRL number and thisUpdate never fall (% shard %)', OLD.issuer_id, OLD.shard
            USING ERRCODE = 'raise_exception';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER crl_head_forward BEFORE UPDATE ON ca.crl_head
    FOR EACH ROW EXECUTE FUNCTION ca.crl_head_forward();

CREATE TABLE ca.crl (
    issuer_id     text NOT NULL,
    shard         integer NOT NULL,
    number        bigint NOT NULL CHECK (number > 0),
    this_update_s bigint NOT NULL,
    next_update_s bigint NOT NULL CHECK (next_update_s > this_update_s),
    tbs_sha256    bytea NOT NULL CHECK (octet_length(tbs_sha256) = 32),
    tbs_length    bigint NOT NULL,
    entries       bigint NOT NULL,
    signature     bytea NOT NULL,
    permit_sha256 bytea NOT NULL CHECK (octet_length(permit_sha256) = 32),
    result_index  bigint NOT NULL,
    signed_at_s   bigint NOT NULL,
    CONSTRAINT crl_pkey PRIMARY KEY (issuer_id, shard, number)
);
COMMENT ON TABLE ca.crl IS 'CRLs that were signed. Append-only.';
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ca.crl
    FOR EACH STATEMENT EXECUTE FUNCTION chancery_guard.append_only();

CREATE TABLE ca.crl_chunk (
    issuer_id text NOT NULL,
    shard     integer NOT NULL,
    number    bigint NOT NULL,
    seq       integer NOT NULL CHECK (seq >= 0),
    bytes     bytea NOT NULL,
    CONSTRAINT crl_chunk_pkey PRIMARY KEY (issuer_id, shard, number, seq)
);
ALTER TABLE ca.crl_chunk ALTER COLUMN bytes SET STORAGE EXTERNAL;
COMMENT ON TABLE ca.crl_chunk IS
    'TBSCertList bytes of the last signed CRL of a series, in pieces: the next one is merged against them. '
    'Chunks of superseded numbers are deleted.';

-- ---- grants ----

GRANT SELECT, INSERT ON ca.issuer, ca.statement, ca.permit, ca.certificate, ca.certificate_name, ca.crl
    TO chancery_ca;
GRANT SELECT, INSERT, UPDATE (lease_until_s, fenced_at_s, settled_at_s) ON ca.instance TO chancery_ca;
GRANT SELECT, INSERT, UPDATE (state) ON ca.issuance TO chancery_ca;
GRANT SELECT, INSERT, UPDATE (signed_number, reserved_number, this_update_s) ON ca.crl_head TO chancery_ca;
GRANT SELECT, INSERT, DELETE ON ca.crl_chunk, ca.open_batch TO chancery_ca;
GRANT USAGE ON SEQUENCE ca.issuance_changed_seq, ca.issuance_ids TO chancery_ca;

-- The one cross-schema read. Versioned: a change of meaning is a new view beside it.
CREATE VIEW ca.issued_v1 AS
    SELECT issuer_id, serial, not_after_s, shard, state, tbs_sha256, changed_seq FROM ca.issuance;
COMMENT ON VIEW ca.issued_v1 IS
    'What revocation may know: which serials exist and their state (2 stored; 3 voided and 4 discarded are to be '
    'revoked, in changed_seq order; 1 reserved and 5 unsigned are unknown to OCSP).';
GRANT USAGE ON SCHEMA ca TO chancery_revocation;
GRANT SELECT ON ca.issued_v1 TO chancery_revocation;
