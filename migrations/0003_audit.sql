-- Schema audit: the log of record. Tiles and checkpoints on disk are derived from these rows.

CREATE TABLE audit.writer (
    id          smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    epoch       bigint NOT NULL CHECK (epoch >= 0),
    instance    text NOT NULL,
    taken_at_ns bigint NOT NULL
);
INSERT INTO audit.writer (epoch, instance, taken_at_ns) VALUES (0, '', 0);
COMMENT ON TABLE audit.writer IS
    'The single writer''s fencing epoch. A new writer takes the advisory lock, then sets epoch = epoch + 1; '
    'batches of older epochs are refused from then on.';

CREATE FUNCTION audit.writer_forward() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF NEW.epoch <= OLD.epoch THEN
        RAISE EXCEPTION 'writer epoch only grows' USING ERRCODE = 'raise_exception';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER writer_forward BEFORE UPDATE ON audit.writer
    FOR EACH ROW EXECUTE FUNCTION audit.writer_forward();

CREATE TABLE audit.batch (
    first_index bigint PRIMARY KEY CHECK (first_index >= 0),
    n           integer NOT NULL CHECK (n > 0),
    epoch       bigint NOT NULL,
    created_ns  bigint NOT NULL,
    entries     bytea NOT NULL
);
COMMENT ON TABLE audit.batch IS
    'Entries first_index .. first_index + n - 1 of the log, in order. An entry is acknowledged when its row is '
    'committed. Append-only, without gaps, and only by the writer whose epoch is current.';
COMMENT ON COLUMN audit.batch.entries IS
    'n times: length as 4 octets big-endian, then the leaf (one canonical JSON line without newline).';

-- Entries are half hexadecimal digests: lz4 takes a tenth of the time of the usual method. A server built
-- without it keeps the usual one.
DO $$
BEGIN
    ALTER TABLE audit.batch ALTER COLUMN entries SET COMPRESSION lz4;
EXCEPTION
    WHEN feature_not_supported THEN
        NULL;
END
$$;

-- Epoch and contiguity are checked in the same transaction as the insert: FOR SHARE keeps the epoch
-- still until that transaction ends.
CREATE FUNCTION audit.batch_admit() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    current_epoch bigint;
    next_index bigint;
BEGIN
    SELECT w.epoch, (SELECT b.first_index + b.n FROM audit.batch b ORDER BY b.first_index DESC LIMIT 1)
        INTO current_epoch, next_index FROM audit.writer w WHERE w.id = 1 FOR SHARE OF w;
    IF NEW.epoch IS DISTINCT FROM current_epoch THEN
        RAISE EXCEPTION 'writer epoch % is fenced: the current one is %', NEW.epoch, current_epoch
            USING ERRCODE = 'raise_exception';
    END IF;
    IF NEW.first_index <> coalesce(next_index, 0) THEN
        RAISE EXCEPTION 'batch starts at % where % is next', NEW.first_index, coalesce(next_index, 0)
            USING ERRCODE = 'raise_exception';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER batch_admit BEFORE INSERT ON audit.batch
    FOR EACH ROW EXECUTE FUNCTION audit.batch_admit();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.batch
    FOR EACH STATEMENT EXECUTE FUNCTION chancery_guard.append_only();

CREATE TABLE audit.checkpoint (
    size      bigint PRIMARY KEY CHECK (size >= 0),
    root      bytea NOT NULL CHECK (octet_length(root) = 32),
    note      bytea NOT NULL,
    epoch     bigint NOT NULL,
    signed_ns bigint NOT NULL
);
COMMENT ON TABLE audit.checkpoint IS
    'Checkpoints that were published, as signed notes. One root per size; append-only.';
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.checkpoint
    FOR EACH STATEMENT EXECUTE FUNCTION chancery_guard.append_only();

GRANT SELECT, UPDATE (epoch, instance, taken_at_ns) ON audit.writer TO chancery_audit;
GRANT SELECT, INSERT ON audit.batch, audit.checkpoint TO chancery_audit;
