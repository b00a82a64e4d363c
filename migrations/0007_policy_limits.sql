-- Schema policy: what has been used of the limits that bundles set (docs/POLICY.md, Limits).
--
-- A rate is a bucket: it holds `burst` tokens, one comes back every `interval` nanoseconds. A scope's row keeps
-- one number for it, the time at which the bucket will be full again: taking a token moves it on by one
-- interval, and it is never more than burst * interval ahead of now. Tokens that an instance has leased count as
-- taken until their lease ends, so that bucket and leases together never hold more than burst.
--
-- Functions that look up what a batch names do so by index, whatever statistics say: plans are kept by a session,
-- and one that was made while a table was empty would read all of it for ever.
--
-- Order of locks, in every function: advisory locks (requests, names, keys), scopes by key, requests, attempts.

CREATE TABLE policy.limit_scope (
    key        text COLLATE "C" PRIMARY KEY CHECK (octet_length(key) BETWEEN 1 AND 1024),
    full_at_ns bigint NOT NULL DEFAULT 0,
    active     bigint NOT NULL DEFAULT 0 CHECK (active >= 0)
) WITH (fillfactor = 50);
COMMENT ON TABLE policy.limit_scope IS
    'Whom a limit counts for: a requester under a profile, a profile, a tenant ... active: certificates that count now, '
    'one per row of policy.permitted in state 1 that names the scope.';

CREATE TABLE policy.limit_lease (
    key        text COLLATE "C" NOT NULL,
    holder     bytea NOT NULL CHECK (octet_length(holder) = 16),
    tokens     bigint NOT NULL CHECK (tokens >= 0),
    expires_ns bigint NOT NULL,
    PRIMARY KEY (key, holder)
) WITH (fillfactor = 50);
COMMENT ON TABLE policy.limit_lease IS
    'Tokens that one start of an instance may spend from memory until expires_ns. They have left the bucket.';

-- state: 1 counts, 2 over (its key is remembered), 3 over or never counted: known for an hour, so that a retry is
-- not charged again.
CREATE TABLE policy.permitted (
    request_sha256 bytea PRIMARY KEY CHECK (octet_length(request_sha256) = 32),
    state          smallint NOT NULL CHECK (state BETWEEN 1 AND 3),
    keeps_key      boolean NOT NULL,
    not_after_s    bigint NOT NULL,
    permitted_at_s bigint NOT NULL,
    spki_sha256    bytea NOT NULL CHECK (octet_length(spki_sha256) = 32),
    names_sha256   bytea NOT NULL CHECK (octet_length(names_sha256) = 32),
    tenant         text NOT NULL,
    profile        text NOT NULL,
    requester      text NOT NULL,
    scopes         text[] NOT NULL
);
CREATE INDEX permitted_names ON policy.permitted (names_sha256, not_after_s) WHERE state = 1;
CREATE INDEX permitted_key ON policy.permitted (spki_sha256) WHERE state < 3;
CREATE INDEX permitted_end ON policy.permitted (not_after_s) WHERE state = 1;
CREATE INDEX permitted_old ON policy.permitted (permitted_at_s) WHERE state = 3;
COMMENT ON TABLE policy.permitted IS
    'Requests permitted under profiles whose limits count certificates. The certificate may not be there yet; a request '
    'counts until its certificate ends or is revoked, or no attempt of it can become one.';

-- state: 1 permitted, 2 an INTENT is in the log, 3 void, 4 revoked.
CREATE TABLE policy.attempt (
    tbs_sha256       bytea PRIMARY KEY CHECK (octet_length(tbs_sha256) = 32),
    request_sha256   bytea NOT NULL REFERENCES policy.permitted ON DELETE CASCADE,
    state            smallint NOT NULL CHECK (state BETWEEN 1 AND 4),
    permit_expires_s bigint NOT NULL,
    issuer_id        text NOT NULL,
    serial           bytea NOT NULL
);
CREATE INDEX attempt_request ON policy.attempt (request_sha256);
CREATE INDEX attempt_serial ON policy.attempt (serial);
CREATE INDEX attempt_expires ON policy.attempt (permit_expires_s) WHERE state = 1;
COMMENT ON TABLE policy.attempt IS 'TBS certificates permitted for the requests in policy.permitted that count.';

CREATE TABLE policy.log_cursor (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    position   bigint NOT NULL DEFAULT 0 CHECK (position >= 0),
    holder     bytea,
    held_ns    bigint NOT NULL DEFAULT 0
);
INSERT INTO policy.log_cursor DEFAULT VALUES;
COMMENT ON TABLE policy.log_cursor IS
    'How far the audit log has been taken into policy.attempt, and which instance is reading it until held_ns.';

CREATE FUNCTION policy.now_ns() RETURNS bigint
    LANGUAGE sql VOLATILE SET search_path = pg_catalog AS $$
    SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint * 1000
$$;

-- Judges and takes, for one batch, in one transaction. Arrays of scopes (s_) are sorted by key; p_item and
-- p_scope pair items with scopes, by item. s_interval 0: no rate; s_active 0: any number; s_have: tokens that the
-- holder has; s_block: how many it likes to lease, 0: none beyond this batch. i_window: -1 duplicates are allowed;
-- i_reuse: 0 refuse, 1 same requester, 2 allow; i_record: 0 nothing, 1 charge only, 2 counts; i_like_*: the first
-- item of the batch with the same names, key, requester. With p_dry nothing is changed or locked.
-- Rows: 1 item, taken, end of the last duplicate, key used by: 1 the same + 2 another requester, open attempts;
-- 2 pair, item, scope, granted, active; 3 scope, tokens left to the holder, nanoseconds until the next token.
CREATE FUNCTION policy.limits_admit(
    p_dry boolean, p_holder bytea, p_lease_ns bigint, p_now_s bigint, p_expires_s bigint, p_attempts bigint,
    p_locks integer[], s_key text[], s_interval bigint[], s_burst bigint[], s_active bigint[], s_have bigint[],
    s_block bigint[], i_request bytea[], i_tenant text[], i_profile text[], i_requester text[], i_spki bytea[],
    i_names bytea[], i_not_after bigint[], i_tbs bytea[], i_issuer text[], i_serial bytea[], i_window bigint[],
    i_reuse integer[], i_record integer[], i_like_names integer[], i_like_key integer[], i_like_who integer[],
    p_item integer[], p_scope integer[])
    RETURNS TABLE (kind integer, x bigint, a bigint, b bigint, c bigint, d bigint)
    LANGUAGE plpgsql SET search_path = pg_catalog SET enable_seqscan = off SET enable_hashjoin = off
    SET enable_mergejoin = off AS $$
DECLARE
    n_scopes integer := cardinality(s_key);
    n_items integer := cardinality(i_request);
    n_pairs integer := cardinality(p_item);
    present boolean := true;
    now_ns bigint;
    full_at bigint[];
    counted bigint[];
    leased bigint[];
    have bigint[] := s_have;
    need bigint[] := array_fill(0::bigint, ARRAY[n_scopes]);
    wait bigint[] := array_fill(0::bigint, ARRAY[n_scopes]);
    known integer[];
    attempts bigint[];
    duplicate bigint[];
    used integer[];
    taken boolean[] := array_fill(false, ARRAY[n_items]);
    granted boolean[] := array_fill(false, ARRAY[n_pairs]);
    seen bigint[] := array_fill(0::bigint, ARRAY[n_pairs]);
    batch_end bigint[] := array_fill(0::bigint, ARRAY[n_items]); -- of certificates taken in this batch, by names
    batch_who integer[] := array_fill(0, ARRAY[n_items]); -- who took a key in this batch; -1: several
    s integer;
    p integer := 1;
    q integer;
    l integer;
    cap bigint;
    ready bigint;
    ok boolean;
BEGIN
    IF NOT p_dry THEN
        FOREACH l IN ARRAY p_locks LOOP
            PERFORM pg_advisory_xact_lock(1818848621, l);
        END LOOP;
        INSERT INTO policy.limit_scope (key) SELECT u.k FROM unnest(s_key) WITH ORDINALITY AS u(k, ord)
            ORDER BY u.ord ON CONFLICT DO NOTHING;
        PERFORM 1 FROM policy.limit_scope t WHERE t.key = ANY (s_key) ORDER BY t.key FOR UPDATE;
    END IF;
    now_ns := policy.now_ns();
    IF n_scopes > 0 THEN
        SELECT array_agg(coalesce(t.full_at_ns, 0) ORDER BY u.ord), array_agg(coalesce(t.active, 0) ORDER BY u.ord),
            array_agg((SELECT coalesce(sum(e.tokens), 0)::bigint FROM policy.limit_lease e WHERE e.key = u.k
                AND e.holder <> p_holder AND e.expires_ns > now_ns) ORDER BY u.ord), bool_and(t.key IS NOT NULL)
            INTO full_at, counted, leased, present
            FROM unnest(s_key) WITH ORDINALITY AS u(k, ord) LEFT JOIN policy.limit_scope t ON t.key = u.k;
        IF NOT present AND NOT p_dry THEN -- removed as unused just before it was locked
            RAISE EXCEPTION 'a scope was removed' USING ERRCODE = 'serialization_failure';
        END IF;
    END IF;
    SELECT array_agg(coalesce(r.state, 0)::integer ORDER BY u.ord),
        array_agg((SELECT count(*) FROM policy.attempt e WHERE e.request_sha256 = u.request AND e.state < 3)
            ORDER BY u.ord),
        array_agg(CASE WHEN u.win < 0 THEN 0 ELSE (SELECT coalesce(max(o.not_after_s), 0) FROM policy.permitted o
            WHERE o.names_sha256 = u.names AND o.state = 1 AND o.request_sha256 <> u.request
            AND o.not_after_s > p_now_s) END ORDER BY u.ord),
        array_agg(CASE WHEN u.reuse > 1 THEN 0 ELSE (SELECT coalesce(bit_or(CASE WHEN o.requester = u.requester
            THEN 1 ELSE 2 END), 0) FROM policy.permitted o WHERE o.spki_sha256 = u.spki AND o.state < 3
            AND o.request_sha256 <> u.request) END ORDER BY u.ord)
        INTO known, attempts, duplicate, used
        FROM unnest(i_request, i_names, i_spki, i_requester, i_window, i_reuse) WITH ORDINALITY
            AS u(request, names, spki, requester, win, reuse, ord)
        LEFT JOIN policy.permitted r ON r.request_sha256 = u.request;

    -- Buckets: what is free now, and what is taken out of them for this batch.
    FOR q IN 1..n_pairs LOOP
        IF s_interval[p_scope[q]] > 0 AND known[p_item[q]] = 0 THEN
            need[p_scope[q]] := need[p_scope[q]] + 1;
        END IF;
    END LOOP;
    FOR s IN 1..n_scopes LOOP
        IF s_interval[s] > 0 THEN
            cap := now_ns + s_burst[s] * s_interval[s];
            ready := greatest(full_at[s], now_ns + least(leased[s], s_burst[s]) * s_interval[s]);
            ready := least(ready, cap); -- ahead of that: the clock was set back, or the limit has changed
            IF have[s] < need[s] THEN
                cap := least((cap - ready) / s_interval[s], greatest(need[s] - have[s], s_block[s]));
                have[s] := have[s] + cap;
                ready := ready + cap * s_interval[s];
            END IF;
            full_at[s] := ready;
        END IF;
    END LOOP;

    FOR i IN 1..n_items LOOP
        q := p;
        ok := attempts[i] < p_attempts OR i_record[i] < 2;
        WHILE p <= n_pairs AND p_item[p] = i LOOP
            s := p_scope[p];
            granted[p] := s_interval[s] = 0 OR known[i] <> 0 OR have[s] > 0;
            seen[p] := counted[s] - CASE WHEN known[i] = 1 AND counted[s] > 0 THEN 1 ELSE 0 END;
            ok := ok AND granted[p] AND (s_active[s] = 0 OR seen[p] < s_active[s]);
            p := p + 1;
        END LOOP;
        IF i_window[i] >= 0 OR i_reuse[i] < 2 THEN -- and what this batch has taken before
            IF i_window[i] >= 0 THEN
                duplicate[i] := greatest(duplicate[i], batch_end[i_like_names[i]]);
            END IF;
            IF i_reuse[i] < 2 THEN
                l := batch_who[i_like_key[i]];
                used[i] := used[i] | CASE WHEN l = 0 THEN 0 WHEN l = -1 THEN 3 WHEN l = i_like_who[i] THEN 1 ELSE 2 END;
            END IF;
            ok := ok AND (i_window[i] < 0 OR duplicate[i] <= p_now_s + i_window[i])
                AND (i_reuse[i] > 1 OR used[i] = 0 OR (i_reuse[i] = 1 AND used[i] = 1));
        END IF;
        taken[i] := ok;
        IF ok AND i_record[i] = 2 THEN
            s := i_like_names[i];
            batch_end[s] := greatest(batch_end[s], i_not_after[i]);
            s := i_like_key[i];
            batch_who[s] := CASE WHEN batch_who[s] IN (0, i_like_who[i]) THEN i_like_who[i] ELSE -1 END;
        END IF;
        WHILE ok AND q < p LOOP
            s := p_scope[q];
            IF s_interval[s] > 0 AND known[i] = 0 THEN
                have[s] := have[s] - 1;
            END IF;
            IF s_active[s] > 0 AND i_record[i] = 2 AND known[i] <> 1 THEN
                counted[s] := counted[s] + 1;
            END IF;
            q := q + 1;
        END LOOP;
    END LOOP;

    FOR s IN 1..n_scopes LOOP
        IF s_interval[s] > 0 AND s_block[s] = 0 THEN -- nothing is left out of the bucket
            full_at[s] := full_at[s] - have[s] * s_interval[s];
            have[s] := 0;
        END IF;
        wait[s] := full_at[s] - (s_burst[s] - 1) * s_interval[s] - now_ns;
    END LOOP;
    IF NOT p_dry THEN
        UPDATE policy.limit_scope t SET full_at_ns = u.f, active = u.n
            FROM unnest(s_key, full_at, counted) AS u(k, f, n)
            WHERE t.key = u.k AND (t.full_at_ns <> u.f OR t.active <> u.n);
        INSERT INTO policy.limit_lease (key, holder, tokens, expires_ns)
            SELECT u.k, p_holder, u.h, now_ns + p_lease_ns FROM unnest(s_key, have, s_interval, s_block)
                AS u(k, h, interval_ns, block) WHERE u.interval_ns > 0 AND u.block > 0
            ON CONFLICT (key, holder) DO UPDATE SET tokens = EXCLUDED.tokens, expires_ns = EXCLUDED.expires_ns;
        INSERT INTO policy.permitted AS r (request_sha256, state, keeps_key, not_after_s, permitted_at_s,
            spki_sha256, names_sha256, tenant, profile, requester, scopes)
            SELECT u.request, CASE WHEN u.record = 2 THEN 1 ELSE 3 END, u.reuse < 2, u.not_after, p_now_s, u.spki,
                u.names, u.tenant, u.profile, u.requester, ARRAY(SELECT s_key[v.s] FROM unnest(p_item, p_scope)
                    AS v(i, s) WHERE v.i = u.ord AND s_active[v.s] > 0 AND u.record = 2)
            FROM unnest(i_request, i_record, i_reuse, i_not_after, i_spki, i_names, i_tenant, i_profile,
                i_requester) WITH ORDINALITY AS u(request, record, reuse, not_after, spki, names, tenant, profile,
                requester, ord)
            WHERE u.record > 0 AND taken[u.ord::integer]
            ON CONFLICT (request_sha256) DO UPDATE SET state = least(r.state, EXCLUDED.state),
                keeps_key = r.keeps_key OR EXCLUDED.keeps_key,
                not_after_s = greatest(r.not_after_s, EXCLUDED.not_after_s),
                scopes = CASE WHEN r.state = 1 THEN r.scopes ELSE EXCLUDED.scopes END;
        INSERT INTO policy.attempt AS t (tbs_sha256, request_sha256, state, permit_expires_s, issuer_id, serial)
            SELECT u.tbs, u.request, 1, p_expires_s, u.issuer, u.serial
            FROM unnest(i_tbs, i_request, i_record, i_issuer, i_serial) WITH ORDINALITY
                AS u(tbs, request, record, issuer, serial, ord)
            WHERE u.record = 2 AND taken[u.ord::integer]
            ON CONFLICT (tbs_sha256) DO UPDATE SET permit_expires_s = EXCLUDED.permit_expires_s,
                state = CASE WHEN t.state = 3 THEN 1 ELSE t.state END;
    END IF;
    RETURN QUERY SELECT 1, u.ord, u.t::integer::bigint, u.dup, u.k::bigint, u.att
            FROM unnest(taken, duplicate, used, attempts) WITH ORDINALITY AS u(t, dup, k, att, ord)
        UNION ALL SELECT 2, u.i::bigint, u.s::bigint, u.g::integer::bigint, u.n, 0::bigint
            FROM unnest(p_item, p_scope, granted, seen) AS u(i, s, g, n)
        UNION ALL SELECT 3, u.ord, u.h, u.w, 0::bigint, 0::bigint
            FROM unnest(have, wait) WITH ORDINALITY AS u(h, w, ord);
END
$$;

-- Gives back what an instance holds when it stops.
CREATE FUNCTION policy.limits_return(p_holder bytea, s_key text[], s_interval bigint[], s_have bigint[])
    RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    PERFORM 1 FROM policy.limit_scope t WHERE t.key = ANY (s_key) ORDER BY t.key FOR UPDATE;
    UPDATE policy.limit_scope t SET full_at_ns = t.full_at_ns - least(u.have, e.tokens) * u.interval_ns
        FROM unnest(s_key, s_interval, s_have) AS u(k, interval_ns, have), policy.limit_lease e
        WHERE t.key = u.k AND e.key = u.k AND e.holder = p_holder AND e.expires_ns > policy.now_ns();
    DELETE FROM policy.limit_lease e WHERE e.holder = p_holder;
END
$$;

-- Ends requests that no longer count: p_expired, or those without an open attempt.
CREATE FUNCTION policy.limits_end(p_requests bytea[], p_expired boolean) RETURNS bigint
    LANGUAGE plpgsql SET search_path = pg_catalog SET enable_seqscan = off SET enable_hashjoin = off
    SET enable_mergejoin = off AS $$
DECLARE
    n bigint;
BEGIN
    PERFORM 1 FROM policy.limit_scope t WHERE t.key IN (SELECT unnest(r.scopes) FROM policy.permitted r
        WHERE r.request_sha256 = ANY (p_requests) AND r.state = 1) ORDER BY t.key FOR UPDATE;
    PERFORM 1 FROM policy.permitted r WHERE r.request_sha256 = ANY (p_requests) ORDER BY r.request_sha256 FOR UPDATE;
    -- A statement of its own: it sees what was committed while those locks were waited for.
    WITH chosen AS (SELECT r.request_sha256, r.scopes, r.keeps_key AND (p_expired OR EXISTS (SELECT
            FROM policy.attempt e WHERE e.request_sha256 = r.request_sha256 AND e.state = 4)) AS remembered
            FROM policy.permitted r WHERE r.request_sha256 = ANY (p_requests) AND r.state = 1
            AND (p_expired OR NOT EXISTS (SELECT FROM policy.attempt e
                WHERE e.request_sha256 = r.request_sha256 AND e.state < 3))),
        fewer AS (UPDATE policy.limit_scope t SET active = t.active - least(f.n, t.active)
            FROM (SELECT k.key, count(*) AS n FROM chosen, unnest(chosen.scopes) AS k(key) GROUP BY k.key) f
            WHERE t.key = f.key),
        gone AS (DELETE FROM policy.attempt e USING chosen WHERE e.request_sha256 = chosen.request_sha256),
        over AS (UPDATE policy.permitted r SET state = CASE WHEN chosen.remembered THEN 2 ELSE 3 END, scopes = '{}'
            FROM chosen WHERE r.request_sha256 = chosen.request_sha256 RETURNING 1)
    SELECT count(*) INTO n FROM over;
    RETURN n;
END
$$;

-- Takes over what the log says between two positions. p_read_s: when reading reached the end of the log (0: it
-- did not): attempts whose permit was over two minutes before that and that have no INTENT will never have one.
-- False when another instance was faster.
CREATE FUNCTION policy.limits_follow(p_from bigint, p_to bigint, p_intended bytea[], p_void bytea[],
    r_issuer text[], r_serial bytea[], p_read_s bigint) RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog SET enable_seqscan = off SET enable_hashjoin = off
    SET enable_mergejoin = off AS $$
DECLARE
    ended bytea[];
    more bytea[];
BEGIN
    UPDATE policy.log_cursor SET position = p_to WHERE position = p_from;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE policy.attempt e SET state = 2 WHERE e.tbs_sha256 = ANY (p_intended) AND e.state = 1;
    WITH void AS (UPDATE policy.attempt e SET state = 3 WHERE e.state < 3 AND (e.tbs_sha256 = ANY (p_void)
            OR e.tbs_sha256 IN (SELECT o.tbs_sha256 FROM policy.attempt o WHERE o.state = 1
                AND o.permit_expires_s < p_read_s - 120 LIMIT 1000)) RETURNING e.request_sha256)
        SELECT array_agg(void.request_sha256) INTO ended FROM void;
    WITH revoked AS (UPDATE policy.attempt e SET state = 4 FROM unnest(r_issuer, r_serial) AS u(issuer, serial)
            WHERE e.serial = u.serial AND e.issuer_id = u.issuer AND e.state < 3 RETURNING e.request_sha256)
        SELECT array_agg(revoked.request_sha256) INTO more FROM revoked;
    ended := ended || more;
    IF ended IS NOT NULL THEN
        PERFORM policy.limits_end(ended, false);
    END IF;
    RETURN true;
END
$$;

-- Ends at most p_max requests whose certificate is past its end; removes what is of no use any more. Returns how
-- many requests ended.
CREATE FUNCTION policy.limits_sweep(p_now_s bigint, p_max integer) RETURNS bigint
    LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    n bigint;
BEGIN
    SELECT policy.limits_end(array_agg(r.request_sha256), true) INTO n FROM (SELECT o.request_sha256
        FROM policy.permitted o WHERE o.state = 1 AND o.not_after_s < p_now_s LIMIT p_max) r;
    DELETE FROM policy.permitted r WHERE r.request_sha256 IN (SELECT o.request_sha256 FROM policy.permitted o
        WHERE o.state = 3 AND o.permitted_at_s < p_now_s - 3600 LIMIT p_max FOR UPDATE SKIP LOCKED);
    DELETE FROM policy.limit_lease e WHERE e.expires_ns < policy.now_ns() - 60000000000;
    RETURN coalesce(n, 0);
END
$$;

-- Removes scopes that nothing is known of any more: no certificate, a full bucket for an hour.
CREATE FUNCTION policy.limits_tidy(p_max integer) RETURNS void
    LANGUAGE sql SET search_path = pg_catalog AS $$
    DELETE FROM policy.limit_scope t WHERE t.key IN (SELECT o.key FROM policy.limit_scope o WHERE o.active = 0
        AND o.full_at_ns < policy.now_ns() - 3600000000000 LIMIT p_max FOR UPDATE SKIP LOCKED)
$$;

GRANT SELECT, INSERT, UPDATE, DELETE ON policy.limit_scope, policy.limit_lease, policy.permitted, policy.attempt
    TO chancery_policy;
GRANT SELECT, UPDATE ON policy.log_cursor TO chancery_policy;
GRANT EXECUTE ON FUNCTION policy.now_ns(), policy.limits_admit(boolean, bytea, bigint, bigint, bigint, bigint,
    integer[], text[], bigint[], bigint[], bigint[], bigint[], bigint[], bytea[], text[], text[], text[], bytea[],
    bytea[], bigint[], bytea[], text[], bytea[], bigint[], integer[], integer[], integer[], integer[], integer[],
    integer[], integer[]),
    policy.limits_return(bytea, text[], bigint[], bigint[]), policy.limits_end(bytea[], boolean),
    policy.limits_follow(bigint, bigint, bytea[], bytea[], text[], bytea[], bigint),
    policy.limits_sweep(bigint, integer), policy.limits_tidy(integer) TO chancery_policy;
