/* Forward migrations: numbered files, each in a transaction, once, in order.
 *
 * State: chancery_meta.migration (number, name, sha256). A session advisory lock makes concurrent
 * runs wait for each other; the second then finds nothing to do. Files are read whole before
 * anything runs. */
#include "db/db_int.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "crypto/alg.h"
#include "os/os.h"

enum {
    MAX_FILES = 1000,            /* far more than a schema needs */
    MAX_FILE_BYTES = 4 << 20,    /* migrations are written by hand */
    MIGRATE_MS = 60 * 60 * 1000, /* an index on a large table takes its time */
};
#define LOCK_KEY INT64_C(0x6368616e63657279) /* "chancery" */

struct file {
    int number;
    char *name;
    struct buf sql;
    uint8_t sha256[32];
};

struct files {
    struct file *list;
    size_t n;
};

static void files_clear(struct files *f)
{
    for (size_t i = 0; i < f->n; i++) {
        free(f->list[i].name);
        buf_clear(&f->list[i].sql);
    }
    free(f->list);
    f->list = NULL;
    f->n = 0;
}

/* NNNN_name.sql: four digits, then [a-z0-9_]. Returns the number, -1 for another shape. */
static int number_of(const char *name)
{
    size_t len = strlen(name);
    int number = 0;
    if (len < 10 || strcmp(name + len - 4, ".sql") != 0 || name[4] != '_') {
        return -1;
    }
    for (size_t i = 0; i < 4; i++) {
        if (name[i] < '0' || name[i] > '9') {
            return -1;
        }
        number = number * 10 + (name[i] - '0');
    }
    for (size_t i = 5; i < len - 4; i++) {
        char c = name[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '_') {
            return -1;
        }
    }
    return number;
}

static int is_sql(const struct dirent *e)
{
    size_t len = strlen(e->d_name);
    return len > 4 && e->d_name[0] != '.' && strcmp(e->d_name + len - 4, ".sql") == 0;
}

static enum chancery_err read_one(const char *dir, const char *name, struct file *f,
                                  struct diag *diag)
{
    char path[4096];
    f->number = number_of(name);
    if (f->number < 0) {
        return diag_set(diag, CH_INVALID, name, "migrate.name", "%s is not named NNNN_name.sql",
                        name);
    }
    f->name = strdup(name);
    if (f->name == NULL || snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path) {
        return diag_set(diag, CH_NOMEM, name, "migrate.read", "path too long or out of memory");
    }
    buf_init(&f->sql, MAX_FILE_BYTES);
    TRY(os_file_read(path, &f->sql, diag));
    if (slice_has_nul(buf_slice(&f->sql))) {
        return diag_set(diag, CH_MALFORMED, name, "migrate.nul", "%s holds a NUL character", name);
    }
    crypto_digest(CRYPTO_HASH_SHA256, buf_slice(&f->sql), f->sha256);
    return buf_add_u8(&f->sql, 0); /* libpq wants a NUL-terminated text */
}

static enum chancery_err read_entries(const char *dir, struct dirent **entries, size_t n,
                                      struct files *out, struct diag *diag)
{
    if (n > MAX_FILES) {
        return diag_set(diag, CH_LIMIT, dir, "migrate.files", "more than %d files", MAX_FILES);
    }
    out->list = calloc(n == 0 ? 1 : n, sizeof *out->list);
    if (out->list == NULL) {
        return diag_set(diag, CH_NOMEM, dir, "migrate.read", "out of memory");
    }
    for (size_t i = 0; i < n; i++) {
        out->n = i + 1;
        TRY(read_one(dir, entries[i]->d_name, &out->list[i], diag));
        if (i > 0 && out->list[i].number == out->list[i - 1].number) {
            return diag_set(diag, CH_INVALID, out->list[i].name, "migrate.number",
                            "two files have the number %04d", out->list[i].number);
        }
    }
    return CH_OK;
}

static enum chancery_err read_dir(const char *dir, struct files *out, struct diag *diag)
{
    struct dirent **entries = NULL;
    int n = scandir(dir, &entries, is_sql, alphasort);
    if (n < 0) {
        return diag_set(diag, CH_NOT_FOUND, dir, "migrate.dir", "cannot read the folder %s", dir);
    }
    enum chancery_err err = read_entries(dir, entries, (size_t)n, out, diag);
    for (int i = 0; i < n; i++) {
        free(entries[i]);
    }
    free(entries);
    return err;
}

/* *out_done: already applied, with the same content. A number below the highest applied one that is
 * new would run in another order here than elsewhere: refused. */
static enum chancery_err check_applied(struct db_conn *conn, const struct file *f, bool *out_done,
                                       struct diag *diag)
{
    struct db_result *r = NULL;
    const struct db_param params[] = {DB_P_INT4(f->number)};
    TRY(db_exec(conn,
                "SELECT sha256, (SELECT coalesce(max(number), -1) FROM chancery_meta.migration)"
                " FROM (SELECT $1::int4 AS number) AS want"
                " LEFT JOIN chancery_meta.migration USING (number)",
                params, 1, &r, diag));
    bool known = !db_is_null(r, 0, 0);
    bool equal = known && slice_eq(db_bytes(r, 0, 0), slice_of(f->sha256, sizeof f->sha256));
    int64_t newest = db_int(r, 0, 1);
    db_result_free(r);
    if (known && !equal) {
        return diag_set(diag, CH_INTEGRITY, f->name, "migrate.changed",
                        "%s differs from what was applied; an applied file is never edited",
                        f->name);
    }
    if (!known && f->number < newest) {
        return diag_set(diag, CH_PRECONDITION, f->name, "migrate.order",
                        "%s is new, but %04lld is already applied; give it a higher number",
                        f->name, (long long)newest);
    }
    *out_done = known;
    return CH_OK;
}

static enum chancery_err apply_steps(struct db_conn *conn, const struct file *f, struct diag *diag)
{
    TRY(db_script(conn, (const char *)f->sql.ptr, diag));
    if (PQtransactionStatus(conn->pg) != PQTRANS_INTRANS) {
        return diag_set(diag, CH_INVALID, f->name, "migrate.transaction",
                        "%s ends the transaction it runs in", f->name);
    }
    const struct db_param params[] = {DB_P_INT4(f->number), DB_P_STR(f->name),
                                      DB_P_BYTES(slice_of(f->sha256, sizeof f->sha256))};
    return db_exec(conn,
                   "INSERT INTO chancery_meta.migration (number, name, sha256) VALUES ($1, $2, $3)",
                   params, 3, NULL, diag);
}

static enum chancery_err apply(struct db_conn *conn, const struct file *f, struct diag *diag)
{
    TRY(db_command(conn, "BEGIN", true, diag));
    enum chancery_err err = apply_steps(conn, f, diag);
    if (err != CH_OK) {
        db_rollback(conn);
        if (diag != NULL && diag->field[0] == 0) {
            (void)snprintf(diag->field, sizeof diag->field, "%s", f->name);
        }
        return err;
    }
    return db_commit(conn, diag);
}

static enum chancery_err apply_all(struct db_conn *conn, const struct files *files,
                                   unsigned *applied, struct diag *diag)
{
    TRY(db_script(conn,
                  "CREATE SCHEMA IF NOT EXISTS chancery_meta;"
                  "CREATE TABLE IF NOT EXISTS chancery_meta.migration ("
                  " number integer PRIMARY KEY, name text NOT NULL, sha256 bytea NOT NULL,"
                  " applied_at timestamptz NOT NULL DEFAULT now())",
                  diag));
    for (size_t i = 0; i < files->n; i++) {
        bool done = false;
        TRY(check_applied(conn, &files->list[i], &done, diag));
        if (!done) {
            TRY(apply(conn, &files->list[i], diag));
            (*applied)++;
        }
    }
    return CH_OK;
}

static enum chancery_err lock_and_apply(struct db_conn *conn, const struct files *files,
                                        unsigned *applied, struct diag *diag)
{
    const struct db_param key[] = {DB_P_INT8(LOCK_KEY)};
    TRY(db_exec(conn, "SELECT pg_advisory_lock($1)", key, 1, NULL, diag));
    enum chancery_err err = apply_all(conn, files, applied, diag);
    if (!conn->broken &&
        db_exec(conn, "SELECT pg_advisory_unlock($1)", key, 1, NULL, NULL) != CH_OK) {
        conn->broken = true; /* the lock goes with the session */
    }
    return err;
}

enum chancery_err db_migrate(struct db_conn *conn, const char *dir, unsigned *out_applied,
                             struct diag *diag)
{
    struct files files = {0};
    unsigned applied = 0, saved_ms = conn->statement_ms;
    enum chancery_err err = read_dir(dir, &files, diag);
    if (err == CH_OK) {
        err = db_command(conn, "SET statement_timeout = 0", true, diag);
    }
    if (err == CH_OK) {
        conn->statement_ms = MIGRATE_MS;
        err = lock_and_apply(conn, &files, &applied, diag);
        conn->statement_ms = saved_ms;
        const struct db_param ms[] = {DB_P_INT8(saved_ms)};
        if (!conn->broken &&
            db_exec(conn, "SELECT set_config('statement_timeout', $1::text, false)", ms, 1, NULL,
                    NULL) != CH_OK) {
            conn->broken = true;
        }
    }
    files_clear(&files);
    if (err == CH_OK) {
        *out_applied = applied;
    }
    return err;
}
