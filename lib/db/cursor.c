/* Large results in constant memory: a server-side cursor read in pieces. The statement timeout
 * holds per piece, so a long listing is not cut off by it. */
#include "db/db_int.h"

#include <stdio.h>
#include <stdlib.h>

/* 256 rows: a round trip per 256, and at most 16 MiB when each row is a 64 KiB chunk. */
static const char *const fetch_sql[DB_MAX_CURSORS] = {
    "FETCH FORWARD 256 FROM db_each_0", "FETCH FORWARD 256 FROM db_each_1",
    "FETCH FORWARD 256 FROM db_each_2", "FETCH FORWARD 256 FROM db_each_3"};
static const char *const close_sql[DB_MAX_CURSORS] = {"CLOSE db_each_0", "CLOSE db_each_1",
                                                      "CLOSE db_each_2", "CLOSE db_each_3"};

static enum chancery_err declare(struct db_conn *conn, unsigned n, const char *sql,
                                 const struct db_param *params, size_t n_params, struct diag *diag)
{
    size_t size = strlen(sql) + 64;
    char *text = malloc(size);
    if (text == NULL) {
        return diag_set(diag, CH_NOMEM, "", "db.cursor", "out of memory");
    }
    (void)snprintf(text, size, "DECLARE db_each_%u NO SCROLL CURSOR FOR %s", n, sql);
    enum chancery_err err = db_encode(conn, params, n_params, diag);
    if (err == CH_OK && PQsendQueryParams(conn->pg, text, (int)n_params, conn->types, conn->values,
                                          conn->lengths, conn->formats, 1) == 0) {
        err = db_error_lost(conn, true, diag);
    }
    PGresult *r = NULL;
    if (err == CH_OK) {
        err = db_run(conn, true, &r, diag);
    }
    PQclear(r);
    free(text);
    return err;
}

static enum chancery_err fetch_all(struct db_conn *conn, unsigned n, db_row_fn *row, void *ctx,
                                   struct diag *diag)
{
    for (;;) {
        struct db_result *r = NULL;
        TRY(db_exec(conn, fetch_sql[n], NULL, 0, &r, diag));
        size_t rows = db_rows(r);
        enum chancery_err err = CH_OK;
        for (size_t i = 0; i < rows && err == CH_OK; i++) {
            err = row(ctx, r, i);
        }
        db_result_free(r);
        if (err != CH_OK || rows == 0) {
            return err;
        }
    }
}

enum chancery_err db_each(struct db_conn *conn, const char *sql, const struct db_param *params,
                          size_t n_params, db_row_fn *row, void *ctx, struct diag *diag)
{
    if (conn->pg == NULL || conn->broken) {
        return diag_set(diag, CH_UNAVAILABLE, "", "db.lost", "connection to the database is lost");
    }
    if (!db_in_tx(conn) || conn->cursors >= DB_MAX_CURSORS) {
        return diag_set(diag, CH_PRECONDITION, "", "db.cursor",
                        "db_each needs an open transaction and at most %d levels", DB_MAX_CURSORS);
    }
    unsigned n = conn->cursors;
    TRY(declare(conn, n, sql, params, n_params, diag));
    conn->cursors++;
    enum chancery_err err = fetch_all(conn, n, row, ctx, diag);
    conn->cursors = n;
    if (err != CH_OK || conn->broken) {
        /* The transaction may go on after an error of `row`: the name must be free again. */
        if (!conn->broken && PQtransactionStatus(conn->pg) == PQTRANS_INTRANS &&
            db_command(conn, close_sql[n], true, NULL) != CH_OK) {
            conn->broken = true;
        }
        return err;
    }
    return db_command(conn, close_sql[n], true, diag);
}
