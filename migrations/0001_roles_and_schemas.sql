-- Roles and schemas. Run by chancery_owner, which owns the database and may create roles.
--
-- One login role and one schema per process. A role sees its own schema and nothing else; the single
-- cross-schema read is the view ca.issued_v1 for revocation (0004). Roles have no password: access is
-- by peer or certificate authentication. Roles belong to the whole cluster, so an administrator may
-- have made them before, or another database of the same cluster; schemas belong to this database.

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['chancery_ca', 'chancery_policy', 'chancery_audit',
                                'chancery_registration', 'chancery_revocation']
    LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = name) THEN
                EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE '
                               'NOREPLICATION NOBYPASSRLS NOINHERIT', name);
            END IF;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN
                NULL; -- made at the same moment for another database of this cluster
        END;
    END LOOP;
END
$$;

DO $$
BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO chancery_ca, chancery_policy, chancery_audit, '
                   'chancery_registration, chancery_revocation', current_database());
END
$$;

REVOKE ALL ON SCHEMA public FROM PUBLIC;

-- Functions are executable by everyone unless this is said before they are made.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

CREATE SCHEMA ca;
CREATE SCHEMA policy;
CREATE SCHEMA audit;
CREATE SCHEMA registration;
CREATE SCHEMA revocation;

GRANT USAGE ON SCHEMA ca TO chancery_ca;
GRANT USAGE ON SCHEMA policy TO chancery_policy;
GRANT USAGE ON SCHEMA audit TO chancery_audit;
GRANT USAGE ON SCHEMA registration TO chancery_registration;
GRANT USAGE ON SCHEMA revocation TO chancery_revocation;

COMMENT ON SCHEMA ca IS 'Issuers, reservations, certificates, signed CRLs. Role chancery_ca.';
COMMENT ON SCHEMA policy IS 'State of the policy service. Role chancery_policy.';
COMMENT ON SCHEMA audit IS 'The log of record. Role chancery_audit.';
COMMENT ON SCHEMA registration IS 'Requesters, requests, idempotency. Role chancery_registration.';
COMMENT ON SCHEMA revocation IS 'Revocation status and CRL schedule. Role chancery_revocation.';

-- Trigger function for tables in which rows only ever appear. It stops every role, the owner
-- included: taking it away is a migration that a reviewer sees.
CREATE SCHEMA chancery_guard;
COMMENT ON SCHEMA chancery_guard IS 'Trigger functions shared by the schemas; nobody calls them.';
CREATE FUNCTION chancery_guard.append_only() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    RAISE EXCEPTION '%.% is append-only: % refused', TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'raise_exception';
END
$$;
