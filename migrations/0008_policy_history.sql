-- Schema policy: the history of real requests, permitted and refused, for replay against another bundle.
--
-- This is not accounting: rows are written without waiting for the disk, may be missing after a crash, and go when
-- they are old. They hold names and identities of requesters, which is why they go (docs/POLICY.md, History).

CREATE TABLE policy.history (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    from_s     bigint NOT NULL,
    until_s    bigint NOT NULL CHECK (until_s >= from_s),
    items      integer NOT NULL CHECK (items > 0),
    permitted  integer NOT NULL CHECK (permitted BETWEEN 0 AND items),
    records    bytea NOT NULL
);
CREATE INDEX history_until ON policy.history (until_s, id);
COMMENT ON TABLE policy.history IS
    'What was judged: each row a run of records (chancery/history/v1) judged from from_s to until_s. Rows older than '
    'the configured number of days are deleted by chancery-policy.';
COMMENT ON COLUMN policy.history.records IS
    'items times: length as 4 octets big-endian, then the record. Holds personal data.';

-- Records of one run repeat much of each other: lz4 halves them in little time. A server built without it keeps
-- the usual method.
DO $$
BEGIN
    ALTER TABLE policy.history ALTER COLUMN records SET COMPRESSION lz4;
EXCEPTION
    WHEN feature_not_supported THEN
        NULL;
END
$$;

GRANT SELECT, INSERT, DELETE ON policy.history TO chancery_policy;
