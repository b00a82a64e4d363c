/* The product's migrations: what each role may not do, and what the database itself refuses. */
#include "cm.h"

#include <stdio.h>
#include <stdlib.h>

#include "db/db.h"
#include "test_postgres.h"

static struct test_postgres pg;

enum { CA, POLICY, AUDIT, REGISTRATION, REVOCATION, ROLES };
static const char *const schemas[ROLES] = {"ca", "policy", "audit", "registration", "revocation"};
static struct db_conn *conns[ROLES], *owner;

static int set_up(void **state)
{
    (void)state;
    char conninfo[256], role[64];
    test_postgres_start(&pg);
    test_postgres_migrate(&pg);
    test_postgres_migrate(&pg); /* nothing to do */
    for (int i = 0; i < ROLES; i++) {
        (void)snprintf(role, sizeof role, "chancery_%s", schemas[i]);
        test_postgres_conninfo(&pg, role, conninfo, sizeof conninfo);
        if (db_connect(conninfo, &conns[i], NULL) != CH_OK) {
            return -1;
        }
    }
    test_postgres_conninfo(&pg, "chancery_owner", conninfo, sizeof conninfo);
    return db_connect(conninfo, &owner, NULL) == CH_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < ROLES; i++) {
        db_disconnect(conns[i]);
    }
    db_disconnect(owner);
    test_postgres_end(&pg);
    return 0;
}

static enum chancery_err sql(struct db_conn *conn, const char *text)
{
    return db_script(conn, text, NULL);
}

static int64_t number(struct db_conn *conn, const char *text)
{
    struct db_result *r = NULL;
    struct diag diag = {0};
    if (db_exec(conn, text, NULL, 0, &r, &diag) != CH_OK) {
        fail_msg("%s: %s", text, diag.text);
    }
    int64_t n = db_int(r, 0, 0);
    db_result_free(r);
    return n;
}

static void no_role_reads_another_schema(void **state)
{
    (void)state;
    struct db_result *r = NULL;
    const char *list =
        "SELECT format('SELECT 1 FROM %I.%I LIMIT 1', n.nspname, c.relname), n.nspname,"
        " c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind IN ('r', 'v', 'S', 'm') AND n.nspname = ANY($1)";
    const struct slice names[] = {slice_str("ca"),         slice_str("policy"),
                                  slice_str("audit"),      slice_str("registration"),
                                  slice_str("revocation"), slice_str("chancery_meta")};
    const struct db_param p[] = {DB_P_TEXT_ARRAY(names, 6)};
    assert_int_equal(db_exec(owner, list, p, 1, &r, NULL), CH_OK);
    assert_true(db_rows(r) > 10);
    size_t foreign = 0;
    for (size_t i = 0; i < db_rows(r); i++) {
        for (int role = 0; role < ROLES; role++) {
            char text[256];
            struct slice s = db_bytes(r, i, 0);
            (void)snprintf(text, sizeof text, "%.*s", (int)s.len, (const char *)s.ptr);
            if (slice_eq(db_bytes(r, i, 1), slice_str(schemas[role]))) {
                continue;
            }
            bool view = role == REVOCATION && slice_eq(db_bytes(r, i, 2), slice_str("issued_v1"));
            assert_int_equal(sql(conns[role], text), view ? CH_OK : CH_DENIED);
            foreign++;
        }
    }
    assert_true(foreign > 40);
    db_result_free(r);
}

static void no_role_creates_anything(void **state)
{
    (void)state;
    for (int i = 0; i < ROLES; i++) {
        char text[128];
        assert_int_equal(sql(conns[i], "CREATE TABLE public.x ()"), CH_DENIED);
        assert_int_equal(sql(conns[i], "CREATE TEMP TABLE x ()"), CH_DENIED);
        assert_int_equal(sql(conns[i], "CREATE SCHEMA x"), CH_DENIED);
        assert_int_equal(sql(conns[i], "CREATE ROLE x"), CH_DENIED);
        assert_int_equal(sql(conns[i], "SET ROLE chancery_owner"), CH_DENIED);
        (void)snprintf(text, sizeof text, "CREATE TABLE %s.x ()", schemas[i]);
        assert_int_equal(sql(conns[i], text), CH_DENIED);
    }
}

static void append_only_tables_refuse_everyone(void **state)
{
    (void)state;
    static const struct {
        int role;
        const char *table, *column;
    } tables[] = {
        {CA, "ca.certificate", "subject"},
        {CA, "ca.certificate_name", "name"},
        {CA, "ca.issuer", "shards"},
        {CA, "ca.statement", "statement"},
        {CA, "ca.permit", "permit"},
        {CA, "ca.crl", "number"},
        {AUDIT, "audit.batch", "entries"},
        {AUDIT, "audit.checkpoint", "note"},
        {REVOCATION, "revocation.status", "reason"},
        {POLICY, "policy.bundle", "contents"},
        {POLICY, "policy.bundle_test", "failed"},
        {POLICY, "policy.approval", "signature"},
        {POLICY, "policy.promotion", "not_before_s"},
    };
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        char update[128], delete[128], truncate[128];
        (void)snprintf(update, sizeof update, "UPDATE %s SET %s = %s", tables[i].table,
                       tables[i].column, tables[i].column);
        (void)snprintf(delete, sizeof delete, "DELETE FROM %s", tables[i].table);
        (void)snprintf(truncate, sizeof truncate, "TRUNCATE %s CASCADE", tables[i].table);
        struct db_conn *role = conns[tables[i].role];
        assert_int_equal(sql(role, update), CH_DENIED);
        assert_int_equal(sql(role, delete), CH_DENIED);
        assert_int_equal(sql(role, truncate), CH_DENIED);
        assert_int_equal(sql(owner, update), CH_PRECONDITION);
        assert_int_equal(sql(owner, delete), CH_PRECONDITION);
        assert_int_equal(sql(owner, truncate), CH_PRECONDITION);
    }
    assert_int_equal(sql(conns[CA], "DELETE FROM ca.issuance"), CH_DENIED);
    assert_int_equal(sql(owner, "DELETE FROM ca.issuance"), CH_PRECONDITION);
}

static enum chancery_err settle(int serial, int state)
{
    const struct db_param p[] = {DB_P_INT4(serial), DB_P_INT4(state)};
    return db_exec(conns[CA],
                   "UPDATE ca.issuance SET state = $2 WHERE serial = set_byte('\\x00', 0, $1)", p,
                   2, NULL, NULL);
}

static void issuance_leaves_reserved_once(void **state)
{
    (void)state;
    assert_int_equal(sql(conns[CA],
                         "INSERT INTO ca.issuance SELECT 'i', set_byte('\\x00', 0, g),"
                         " sha256(''), 9, 1, decode(md5(g::text), 'hex'), 1, 'ca-1', 1, 1, 5"
                         " FROM generate_series(1, 6) AS g"),
                     CH_OK);
    assert_int_equal(settle(1, 2), CH_OK);
    assert_int_equal(settle(1, 3), CH_PRECONDITION); /* stored stays stored */
    assert_int_equal(settle(2, 3), CH_OK);
    assert_int_equal(settle(2, 2), CH_PRECONDITION); /* too late to store */
    assert_int_equal(settle(3, 5), CH_OK);
    assert_int_equal(settle(3, 3), CH_PRECONDITION);
    assert_int_equal(settle(4, 4), CH_OK);
    assert_int_equal(settle(5, 1), CH_PRECONDITION);
    assert_int_equal(settle(2, 4), CH_OK); /* the late signature came */
    assert_int_equal(sql(conns[CA], "UPDATE ca.issuance SET tbs_sha256 = sha256('x')"), CH_DENIED);
    assert_int_equal(sql(conns[CA], "UPDATE ca.issuance SET changed_seq = 0"), CH_DENIED);
    assert_int_equal(sql(conns[CA],
                         "INSERT INTO ca.issuance SELECT issuer_id, '\\x77', tbs_sha256, 9, 1,"
                         " request_id, attempt, 'ca-1', 1, 1, 5 FROM ca.issuance LIMIT 1"),
                     CH_EXISTS);
    assert_int_equal(
        number(conns[REVOCATION],
               "SELECT count(*) FROM ca.issued_v1 WHERE state IN (3, 4) AND changed_seq > 0"),
        2);
    assert_int_equal(number(conns[REVOCATION],
                            "SELECT count(*) FROM ca.issued_v1"
                            " WHERE state NOT IN (3, 4) AND changed_seq IS NOT NULL"),
                     0);
}

static enum chancery_err append(int64_t first, int64_t n, int64_t epoch)
{
    const struct db_param p[] = {DB_P_INT8(first), DB_P_INT4(n), DB_P_INT8(epoch)};
    return db_exec(conns[AUDIT], "INSERT INTO audit.batch VALUES ($1, $2, $3, 1, '\\x00')", p, 3,
                   NULL, NULL);
}

static void audit_log_has_no_gaps_and_one_writer(void **state)
{
    (void)state;
    assert_int_equal(append(1, 1, 0), CH_PRECONDITION); /* starts at 0 */
    assert_int_equal(append(0, 2, 0), CH_OK);
    assert_int_equal(append(0, 2, 0), CH_PRECONDITION); /* no second start */
    assert_int_equal(append(3, 1, 0), CH_PRECONDITION); /* gap */
    assert_int_equal(append(1, 1, 0), CH_PRECONDITION); /* overlap */
    assert_int_equal(append(2, 1, 1), CH_PRECONDITION); /* an epoch nobody took */
    assert_int_equal(sql(conns[AUDIT], "UPDATE audit.writer SET epoch = epoch + 1"), CH_OK);
    assert_int_equal(append(2, 1, 0), CH_PRECONDITION); /* fenced */
    assert_int_equal(append(2, 1, 1), CH_OK);
    assert_int_equal(sql(conns[AUDIT], "UPDATE audit.writer SET epoch = 0"), CH_PRECONDITION);
    assert_int_equal(
        sql(conns[AUDIT], "INSERT INTO audit.checkpoint VALUES (3, sha256(''), '', 1, 1)"), CH_OK);
    assert_int_equal(
        sql(conns[AUDIT], "INSERT INTO audit.checkpoint VALUES (3, sha256('x'), '', 1, 1)"),
        CH_EXISTS); /* two roots at one size */
}

static void crl_numbers_and_times_never_fall(void **state)
{
    (void)state;
    struct db_conn *ca = conns[CA];
    assert_int_equal(sql(ca, "INSERT INTO ca.issuer VALUES ('i', '\\x00', sha256(''), 4, 1);"
                             "INSERT INTO ca.crl_head (issuer_id, shard) VALUES ('i', 1)"),
                     CH_OK);
    assert_int_equal(sql(ca, "UPDATE ca.crl_head SET reserved_number = 2, signed_number = 2,"
                             " this_update_s = 100"),
                     CH_OK);
    assert_int_equal(sql(ca, "UPDATE ca.crl_head SET signed_number = 1"), CH_PRECONDITION);
    assert_int_equal(sql(ca, "UPDATE ca.crl_head SET this_update_s = 99"), CH_PRECONDITION);
    assert_int_equal(sql(ca, "UPDATE ca.crl_head SET signed_number = 3"), CH_PRECONDITION);
}

static enum chancery_err promote(int64_t sequence, int64_t promoted_at_s)
{
    const struct db_param p[] = {DB_P_INT8(sequence), DB_P_INT8(promoted_at_s)};
    return db_exec(conns[POLICY],
                   "INSERT INTO policy.promotion VALUES (sha256('a'), $1, sha256('b'),"
                   " sha256('a'), 1, $2, $2, 'x', '{}', '{}')",
                   p, 2, NULL, NULL);
}

static void promotions_have_one_successor_and_no_gaps(void **state)
{
    (void)state;
    assert_int_equal(promote(1, 100), CH_PRECONDITION); /* no such bundle */
    assert_int_equal(sql(conns[POLICY],
                         "INSERT INTO policy.bundle VALUES (sha256('b'), '/user/x', 1,"
                         " ARRAY['bundle.yaml'], ARRAY['x'::bytea])"),
                     CH_OK);
    assert_int_equal(promote(2, 100), CH_PRECONDITION); /* gap */
    assert_int_equal(promote(1, 100), CH_OK);
    assert_int_equal(promote(1, 100), CH_EXISTS);      /* the race has one winner */
    assert_int_equal(promote(2, 99), CH_PRECONDITION); /* decided before the last one */
    assert_int_equal(promote(2, 100), CH_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_role_reads_another_schema),
        cmocka_unit_test(no_role_creates_anything),
        cmocka_unit_test(append_only_tables_refuse_everyone),
        cmocka_unit_test(issuance_leaves_reserved_once),
        cmocka_unit_test(audit_log_has_no_gaps_and_one_writer),
        cmocka_unit_test(crl_numbers_and_times_never_fall),
        cmocka_unit_test(promotions_have_one_successor_and_no_gaps),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
