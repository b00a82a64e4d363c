/* Voided and discarded issuances (ca.issued_v1 states 3 and 4) become ordinary logged revocations:
 * a signature may exist, though nobody was given the certificate. Reason: cessationOfOperation, the
 * one that accuses nobody and that every rule book allows for a certificate that is no longer
 * wanted. */
#include "log/log.h"
#include "os/os.h"
#include "revocation.h"

#define VOIDED_BATCH 200
#define REASON_CESSATION 5

static enum chancery_err read_voided(struct db_pool *db, struct db_result **out, struct diag *diag)
{
    static const char sql[] =
        "SELECT v.issuer_id, v.serial, v.changed_seq, c.position FROM revocation.cursor c, "
        "LATERAL (SELECT issuer_id, serial, changed_seq FROM ca.issued_v1 WHERE state IN (3, 4) "
        "AND changed_seq > c.position ORDER BY changed_seq LIMIT 200) v WHERE c.name = 'issued' "
        "ORDER BY v.changed_seq";
    struct db_conn *conn = NULL;
    TRY(db_acquire(db, &conn, diag));
    enum chancery_err err = db_exec(conn, sql, NULL, 0, out, diag);
    db_release(conn);
    return err;
}

/* Another instance may have moved the cursor on: it only grows. */
static enum chancery_err move_cursor(struct db_pool *db, int64_t to, struct diag *diag)
{
    static const char sql[] = "UPDATE revocation.cursor SET position = $1 WHERE name = 'issued' "
                              "AND position < $1";
    const struct db_param params[] = {DB_P_INT8(to)};
    struct db_conn *conn = NULL;
    TRY(db_acquire(db, &conn, diag));
    enum chancery_err err = db_exec(conn, sql, params, 1, NULL, diag);
    db_release(conn);
    return err;
}

static enum chancery_err revoke_rows(struct revocation *rv, const struct db_result *r,
                                     struct arena *arena, struct diag *diag)
{
    struct revocation_order orders[VOIDED_BATCH];
    size_t n = db_rows(r) < VOIDED_BATCH ? db_rows(r) : VOIDED_BATCH;
    struct revocation_outcome *outcomes = arena_alloc(arena, n * sizeof(*outcomes));
    if (outcomes == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        orders[i] =
            (struct revocation_order){db_bytes(r, i, 0), db_bytes(r, i, 1), REASON_CESSATION};
    }
    const char *self = daemon_identity(rv->d);
    TRY(revocation_revoke(rv, orders, n, self, self, os_now_s(), arena, outcomes, diag));
    for (size_t i = 0; i < n; i++) {
        if (outcomes[i].err != CH_OK && outcomes[i].err != CH_NOT_FOUND) {
            *diag = outcomes[i].diag;
            return outcomes[i].err; /* the cursor stays: it will be tried again */
        }
        if (outcomes[i].err == CH_NOT_FOUND) { /* an issuer that trust.json no longer names */
            log_event(LOG_LEVEL_ERROR, "revocation.voided_of_unknown_issuer",
                      LOG_NUM("changed_seq", db_int(r, i, 2)));
        }
    }
    return move_cursor(rv->db, db_int(r, n - 1, 2), diag);
}

void revocation_voided_run(void *ctx)
{
    struct revocation *rv = ctx;
    size_t n = 0;
    do {
        struct arena arena CLEANUP(arena_clear) = {0};
        struct db_result *r = NULL;
        struct diag diag = {0};
        enum chancery_err err = read_voided(rv->db, &r, &diag);
        n = err == CH_OK ? db_rows(r) : 0;
        if (n > 0) {
            err = revoke_rows(rv, r, &arena, &diag);
        }
        db_result_free(r);
        if (err != CH_OK) {
            log_diag(LOG_LEVEL_WARN, "revocation.voided", err, &diag);
            return;
        }
    } while (n == VOIDED_BATCH && !daemon_stopping(rv->d));
}
