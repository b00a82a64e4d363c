/* SQLSTATE to chancery_err, and diagnostics without row values: the server's DETAIL quotes data, so
 * only its primary message and the names of constraint and column are kept. */
#include "db/db_int.h"

#include <stdio.h>

struct rule {
    const char *prefix; /* whole SQLSTATE or its class */
    enum chancery_err err;
};

/* First match wins: single states before their class. */
static const struct rule rules[] = {
    {"23505", CH_EXISTS},       /* unique_violation */
    {"23P01", CH_EXISTS},       /* exclusion_violation */
    {"23", CH_PRECONDITION},    /* integrity constraint: check, not null, foreign key */
    {"P0001", CH_PRECONDITION}, /* raise_exception: a trigger of ours refused */
    {"40001", CH_CONFLICT},     /* serialization_failure */
    {"40P01", CH_CONFLICT},     /* deadlock_detected */
    {"55P03", CH_CONFLICT},     /* lock_not_available */
    {"40", CH_CONFLICT},        {"57014", CH_DEADLINE}, /* query_canceled: statement_timeout */
    {"25P03", CH_UNAVAILABLE},                          /* idle_in_transaction_session_timeout */
    {"25006", CH_UNAVAILABLE},                          /* read-only: a standby after a fail-over */
    {"57", CH_UNAVAILABLE},                             /* shutdown, crash recovery, starting up */
    {"53", CH_UNAVAILABLE},  /* disk full, out of memory, too many connections */
    {"58", CH_UNAVAILABLE},  /* system error outside PostgreSQL */
    {"08", CH_UNAVAILABLE},  /* connection exception */
    {"42501", CH_DENIED},    /* insufficient_privilege */
    {"28", CH_DENIED},       /* invalid authorization */
    {"22", CH_INVALID},      /* data exception */
    {"54", CH_LIMIT},        /* program limit exceeded */
    {"XX001", CH_INTEGRITY}, /* data_corrupted */
    {"XX002", CH_INTEGRITY}, /* index_corrupted */
};

enum chancery_err db_error_sqlstate(const char *sqlstate)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (strncmp(sqlstate, rules[i].prefix, strlen(rules[i].prefix)) == 0) {
            return rules[i].err;
        }
    }
    return CH_DB;
}

/* Only a new connection heals these: 25006 (libpq chooses another host), 26000 and 0A000 (prepared
 * statements vanished or their result type changed). */
static bool needs_new_connection(const char *sqlstate)
{
    return strcmp(sqlstate, "25006") == 0 || strcmp(sqlstate, "26000") == 0 ||
           strcmp(sqlstate, "0A000") == 0;
}

enum chancery_err db_error_result(struct db_conn *conn, const PGresult *r, struct diag *diag)
{
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    const char *name = PQresultErrorField(r, PG_DIAG_CONSTRAINT_NAME);
    if (name == NULL) {
        name = PQresultErrorField(r, PG_DIAG_COLUMN_NAME);
    }
    if (state == NULL) { /* libpq's own error: protocol out of step or connection gone */
        conn->broken = true;
        return diag_set(diag, CH_UNAVAILABLE, "", "db.connection", "%s", PQerrorMessage(conn->pg));
    }
    if (needs_new_connection(state)) {
        conn->broken = true;
    }
    char rule[16];
    (void)snprintf(rule, sizeof rule, "db.%.5s", state);
    return diag_set(diag, db_error_sqlstate(state), name, rule, "%s",
                    text == NULL ? "the database refused" : text);
}

enum chancery_err db_error_lost(struct db_conn *conn, bool in_tx, struct diag *diag)
{
    conn->broken = true;
    if (in_tx) {
        return diag_set(diag, CH_UNAVAILABLE, "", "db.lost",
                        "connection to the database lost; the transaction did not commit");
    }
    return diag_set(diag, CH_UNKNOWN, "", "db.unknown",
                    "connection to the database lost before the outcome was known");
}

enum chancery_err db_error_connect(const PGconn *pg, struct diag *diag)
{
    const char *text = pg == NULL ? "out of memory" : PQerrorMessage(pg);
    return diag_set(diag, CH_UNAVAILABLE, "", "db.connect", "cannot reach the database: %s", text);
}
