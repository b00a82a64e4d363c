/* SQL of the audit log. */
#include "store.h"

/* Advisory lock of the writer: "chncaudt" as a number, so that no other use of the database meets
 * it. */
#define LOCK_KEY INT64_C(0x63686e6361756474)
#define ROWS_PER_READ 64

enum chancery_err audit_store_lock(struct db_conn *conn, bool *out_locked, struct diag *diag)
{
    struct db_result *r = NULL;
    const struct db_param params[] = {DB_P_INT8(LOCK_KEY)};
    TRY(db_exec(conn, "SELECT pg_try_advisory_lock($1)", params, 1, &r, diag));
    *out_locked = db_rows(r) == 1 && db_int(r, 0, 0) != 0;
    db_result_free(r);
    return CH_OK;
}

enum chancery_err audit_store_epoch(struct db_conn *conn, const char *instance, int64_t now_ns,
                                    int64_t *out_epoch, struct diag *diag)
{
    struct db_result *r = NULL;
    const struct db_param params[] = {DB_P_STR(instance), DB_P_INT8(now_ns)};
    TRY(db_exec(conn,
                "UPDATE audit.writer SET epoch = epoch + 1, instance = $1, taken_at_ns = $2 "
                "WHERE id = 1 RETURNING epoch",
                params, 2, &r, diag));
    enum chancery_err err = db_rows(r) == 1
                                ? CH_OK
                                : diag_set(diag, CH_INTEGRITY, "audit.writer", "audit.writer.row",
                                           "audit.writer has no row: the migrations did not run");
    if (err == CH_OK) {
        *out_epoch = db_int(r, 0, 0);
    }
    db_result_free(r);
    return err;
}

enum chancery_err audit_store_insert(struct db_conn *conn, uint64_t first_index, uint32_t n,
                                     int64_t epoch, int64_t created_ns, struct slice entries,
                                     struct diag *diag)
{
    const struct db_param params[] = {DB_P_INT8((int64_t)first_index), DB_P_INT4(n),
                                      DB_P_INT8(epoch), DB_P_INT8(created_ns), DB_P_BYTES(entries)};
    return db_exec(conn,
                   "INSERT INTO audit.batch (first_index, n, epoch, created_ns, entries) "
                   "VALUES ($1, $2, $3, $4, $5)",
                   params, 5, NULL, diag);
}

enum chancery_err audit_store_size(struct db_conn *conn, uint64_t *out_size, struct diag *diag)
{
    struct db_result *r = NULL;
    TRY(db_exec(conn, "SELECT first_index + n FROM audit.batch ORDER BY first_index DESC LIMIT 1",
                NULL, 0, &r, diag));
    *out_size = db_rows(r) == 0 ? 0 : (uint64_t)db_int(r, 0, 0);
    db_result_free(r);
    return CH_OK;
}

enum chancery_err audit_store_tail(struct db_conn *conn, int64_t back_ns, uint64_t *out_from,
                                   uint64_t *out_size, struct diag *diag)
{
    uint64_t size = 0;
    TRY(audit_store_size(conn, &size, diag));
    struct db_result *r = NULL;
    const struct db_param params[] = {DB_P_INT8(back_ns)};
    /* The newest row that is old enough; the index walk ends there. */
    TRY(db_exec(conn,
                "SELECT first_index FROM audit.batch WHERE created_ns < "
                "(SELECT created_ns - $1 FROM audit.batch ORDER BY first_index DESC LIMIT 1) "
                "ORDER BY first_index DESC LIMIT 1",
                params, 1, &r, diag));
    *out_from = db_rows(r) == 0 ? 0 : (uint64_t)db_int(r, 0, 0);
    *out_size = size;
    db_result_free(r);
    return CH_OK;
}

static enum chancery_err broken_row(uint64_t first, struct diag *diag)
{
    return diag_set(diag, CH_INTEGRITY, "audit.batch", "audit.log.row",
                    "the row at %llu does not hold the entries it claims",
                    (unsigned long long)first);
}

struct reading {
    uint64_t next, end;
    audit_entry_fn *fn;
    void *ctx;
    struct diag *diag;
};

static enum chancery_err read_row(struct reading *rd, uint64_t first, uint64_t n,
                                  struct slice bytes)
{
    size_t at = 0;
    for (uint64_t i = 0; i < n; i++) {
        if (bytes.len - at < 4) {
            return broken_row(first, rd->diag);
        }
        const uint8_t *p = bytes.ptr + at;
        size_t len = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
        at += 4;
        if (bytes.len - at < len || len > TLOG_ENTRY_MAX) {
            return broken_row(first, rd->diag);
        }
        if (first + i == rd->next && rd->next < rd->end) {
            TRY(rd->fn(rd->ctx, rd->next, slice_sub(bytes, at, len)));
            rd->next++;
        }
        at += len;
    }
    return at == bytes.len ? CH_OK : broken_row(first, rd->diag);
}

enum chancery_err audit_store_read(struct db_conn *conn, uint64_t from, uint64_t end,
                                   audit_entry_fn *fn, void *ctx, struct diag *diag)
{
    struct db_result *r = NULL;
    const struct db_param params[] = {DB_P_INT8((int64_t)from), DB_P_INT8((int64_t)end),
                                      DB_P_INT4(ROWS_PER_READ)};
    TRY(db_exec(
        conn,
        "SELECT first_index, n, entries FROM audit.batch WHERE first_index < $2 AND first_index "
        ">= coalesce((SELECT max(first_index) FROM audit.batch WHERE first_index <= $1), 0) "
        "ORDER BY first_index LIMIT $3",
        params, 3, &r, diag));
    struct reading rd = {.next = from, .end = end, .fn = fn, .ctx = ctx, .diag = diag};
    enum chancery_err err = CH_OK;
    uint64_t expected = 0;
    for (size_t i = 0; i < db_rows(r) && err == CH_OK; i++) {
        uint64_t first = (uint64_t)db_int(r, i, 0);
        uint64_t n = (uint64_t)db_int(r, i, 1);
        if (i > 0 && first != expected) {
            err = diag_set(diag, CH_INTEGRITY, "audit.batch", "audit.log.gap",
                           "a row starts at %llu where %llu is next", (unsigned long long)first,
                           (unsigned long long)expected);
        } else {
            err = read_row(&rd, first, n, db_bytes(r, i, 2));
        }
        expected = first + n;
    }
    db_result_free(r);
    return err == CH_END ? CH_OK : err;
}

enum chancery_err audit_store_row_start(struct db_conn *conn, uint64_t index, uint64_t *out_first,
                                        struct diag *diag)
{
    struct db_result *r = NULL;
    const struct db_param params[] = {DB_P_INT8((int64_t)index)};
    TRY(db_exec(conn, "SELECT max(first_index) FROM audit.batch WHERE first_index <= $1", params, 1,
                &r, diag));
    enum chancery_err err = db_rows(r) == 1 && !db_is_null(r, 0, 0) ? CH_OK : CH_NOT_FOUND;
    if (err == CH_OK) {
        *out_first = (uint64_t)db_int(r, 0, 0);
    }
    db_result_free(r);
    return err;
}

enum chancery_err audit_store_checkpoint_add(struct db_conn *conn, uint64_t size,
                                             const struct tlog_hash *root, struct slice note,
                                             int64_t epoch, int64_t now_ns, struct diag *diag)
{
    struct db_result *r = NULL;
    const struct db_param params[] = {DB_P_INT8((int64_t)size),
                                      DB_P_BYTES(slice_of(root->b, TLOG_HASH)), DB_P_BYTES(note),
                                      DB_P_INT8(epoch), DB_P_INT8(now_ns)};
    TRY(db_exec(
        conn,
        "INSERT INTO audit.checkpoint (size, root, note, epoch, signed_ns) "
        "SELECT $1, $2, $3, epoch, $5 FROM audit.writer WHERE id = 1 AND epoch = $4 FOR SHARE",
        params, 5, &r, diag));
    uint64_t added = db_affected(r);
    db_result_free(r);
    return added == 1 ? CH_OK
                      : diag_set(diag, CH_PRECONDITION, "audit.writer", "audit.writer.fenced",
                                 "another writer has taken over");
}

enum chancery_err audit_store_checkpoint_last(struct db_conn *conn, struct buf *out,
                                              struct diag *diag)
{
    struct db_result *r = NULL;
    TRY(db_exec(conn, "SELECT note FROM audit.checkpoint ORDER BY size DESC LIMIT 1", NULL, 0, &r,
                diag));
    enum chancery_err err = db_rows(r) == 0 ? CH_NOT_FOUND : buf_add(out, db_bytes(r, 0, 0));
    db_result_free(r);
    return err;
}
