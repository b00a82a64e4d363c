-- Schema policy: bundles, approvals, promotions. Rows only ever appear.
--
-- Nothing here is believed for being here: chancery-policy and chancery-ca each check contents against their
-- hash and every promotion against the officers of the bundle before it (docs/POLICY.md, Life of a bundle).

CREATE TABLE policy.bundle (
    sha256         bytea PRIMARY KEY CHECK (octet_length(sha256) = 32),
    author         text NOT NULL CHECK (octet_length(author) BETWEEN 1 AND 512),
    submitted_at_s bigint NOT NULL,
    paths          text[] NOT NULL CHECK (cardinality(paths) > 0),
    contents       bytea[] NOT NULL CHECK (cardinality(contents) = cardinality(paths))
);
CREATE INDEX bundle_author ON policy.bundle (author, submitted_at_s);
COMMENT ON TABLE policy.bundle IS
    'Every bundle that was ever submitted, with all its files; sha256 is chancery/bundle/v1. Kept for good: '
    'permits and certificates name them. The author is the identity that submitted it first; "ceremony" for '
    'the first bundle of an installation.';

CREATE TABLE policy.bundle_test (
    sha256   bytea NOT NULL REFERENCES policy.bundle,
    run_at_s bigint NOT NULL,
    instance text NOT NULL,
    cases    integer NOT NULL CHECK (cases >= 0),
    failed   integer NOT NULL CHECK (failed BETWEEN 0 AND cases),
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY
);
CREATE INDEX bundle_test_bundle ON policy.bundle_test (sha256, id);
COMMENT ON TABLE policy.bundle_test IS 'Runs of the table tests that a bundle brings; the last one counts.';

CREATE TABLE policy.approval (
    approval_sha256 bytea PRIMARY KEY CHECK (octet_length(approval_sha256) = 32),
    subject         bytea NOT NULL CHECK (octet_length(subject) = 32),
    bundle_sha256   bytea NOT NULL REFERENCES policy.bundle,
    approval        bytea NOT NULL,
    signature       bytea NOT NULL,
    received_at_s   bigint NOT NULL,
    received_from   text NOT NULL
);
CREATE INDEX approval_subject ON policy.approval (subject);
CREATE INDEX approval_bundle ON policy.approval (bundle_sha256);
COMMENT ON TABLE policy.approval IS
    'chancery/approval/v1 as signed by officers. subject: SHA-256 of the chancery/promotion/v1 that it is about.';

-- kind: 1 promote, 2 rollback (to a bundle that was in force before).
CREATE TABLE policy.promotion (
    first_sha256  bytea NOT NULL CHECK (octet_length(first_sha256) = 32),
    sequence      bigint NOT NULL CHECK (sequence > 0),
    bundle_sha256 bytea NOT NULL REFERENCES policy.bundle,
    predecessor   bytea NOT NULL CHECK (octet_length(predecessor) = 32),
    kind          smallint NOT NULL CHECK (kind BETWEEN 1 AND 2),
    promoted_at_s bigint NOT NULL,
    not_before_s  bigint NOT NULL,
    promoted_by   text NOT NULL,
    approvals     bytea[] NOT NULL,
    signatures    bytea[] NOT NULL CHECK (cardinality(signatures) = cardinality(approvals)),
    CONSTRAINT promotion_pkey PRIMARY KEY (first_sha256, sequence)
);
COMMENT ON TABLE policy.promotion IS
    'The chain of bundles in force after the first one, which trust.json pins. In force: the promotion of highest '
    'sequence whose not_before_s has come. The key is the compare-and-swap: of two promotions of one sequence one '
    'is refused. approvals, signatures: what was counted then.';

-- A promotion continues its chain: no gaps, and the times of deciding never fall.
CREATE FUNCTION policy.promotion_admit() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    last_sequence bigint;
    last_promoted bigint;
BEGIN
    SELECT p.sequence, p.promoted_at_s INTO last_sequence, last_promoted FROM policy.promotion p
        WHERE p.first_sha256 = NEW.first_sha256 ORDER BY p.sequence DESC LIMIT 1;
    IF NEW.sequence > coalesce(last_sequence, 0) + 1 OR NEW.promoted_at_s < coalesce(last_promoted, 0) THEN
        RAISE EXCEPTION 'promotion % does not follow %', NEW.sequence, coalesce(last_sequence, 0)
            USING ERRCODE = 'raise_exception';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER promotion_admit BEFORE INSERT ON policy.promotion
    FOR EACH ROW EXECUTE FUNCTION policy.promotion_admit();

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON policy.bundle
    FOR EACH STATEMENT EXECUTE FUNCTION chancery_guard.append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON policy.bundle_test
    FOR EACH STATEMENT EXECUTE FUNCTION chancery_guard.append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON policy.approval
    FOR EACH STATEMENT EXECUTE FUNCTION chancery_guard.append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON policy.promotion
    FOR EACH STATEMENT EXECUTE FUNCTION chancery_guard.append_only();

GRANT SELECT, INSERT ON policy.bundle, policy.bundle_test, policy.approval, policy.promotion TO chancery_policy;
