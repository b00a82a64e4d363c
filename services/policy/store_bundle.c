/* SQL of bundles, approvals and promotions. */
#include "store_bundle.h"

#include "crypto/alg.h"

static enum chancery_err digest_of(const struct db_result *r, size_t row, size_t col,
                                   uint8_t out[32])
{
    struct slice s = db_bytes(r, row, col);
    if (s.len != 32) {
        return CH_INTEGRITY;
    }
    memcpy(out, s.ptr, 32);
    return CH_OK;
}

/* One statement on a connection of the pool. */
static enum chancery_err query(struct db_pool *db, const char *sql, const struct db_param *p,
                               size_t n, struct db_result **out, struct diag *diag)
{
    struct db_conn *conn = NULL;
    TRY(db_acquire(db, &conn, diag));
    enum chancery_err err = db_exec(conn, sql, p, n, out, diag);
    db_release(conn);
    return err;
}

/* ---- bundles ---- */

enum chancery_err policy_store_put(struct db_conn *conn, const struct policy_stored *b,
                                   bool *out_new, struct diag *diag)
{
    CLEANUP(arena_clear) struct arena arena;
    struct db_result *r = NULL;
    arena_init(&arena, 0);
    struct slice *paths = arena_alloc(&arena, b->n_files * sizeof *paths);
    struct slice *contents = arena_alloc(&arena, b->n_files * sizeof *contents);
    if (paths == NULL || contents == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < b->n_files; i++) {
        paths[i] = slice_str(b->files[i].path);
        contents[i] = b->files[i].content;
        if (contents[i].ptr == NULL) {
            contents[i] = slice_of("", 0); /* an empty file is no NULL */
        }
    }
    const struct db_param p[] = {DB_P_BYTES(slice_of(b->sha256, 32)), DB_P_STR(b->author),
                                 DB_P_INT8(b->submitted_at_s), DB_P_TEXT_ARRAY(paths, b->n_files),
                                 DB_P_BYTES_ARRAY(contents, b->n_files)};
    TRY(db_exec(conn,
                "INSERT INTO policy.bundle (sha256, author, submitted_at_s, paths, contents) "
                "VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING 1",
                p, 5, &r, diag));
    *out_new = db_rows(r) == 1;
    db_result_free(r);
    return CH_OK;
}

/* Columns 0 to 5 of a bundle; $1 is the chain, $2 the time. Former: some promotion of it came into
 * force before the one that is in force now. */
#define COLUMNS                                                                                    \
    "SELECT b.sha256, b.author, b.submitted_at_s, coalesce(t.cases, -1), coalesce(t.failed, 0), "  \
    "b.sha256 = $1 OR EXISTS (SELECT FROM policy.promotion p WHERE p.first_sha256 = $1 "           \
    "AND p.bundle_sha256 = b.sha256 AND p.not_before_s <= $2 AND NOT EXISTS (SELECT FROM "         \
    "policy.promotion q WHERE q.first_sha256 = $1 AND q.sequence > p.sequence "                    \
    "AND q.not_before_s <= p.not_before_s)) "
#define FROM                                                                                       \
    "FROM policy.bundle b LEFT JOIN LATERAL (SELECT x.cases, x.failed FROM policy.bundle_test x "  \
    "WHERE x.sha256 = b.sha256 ORDER BY x.id DESC LIMIT 1) t ON true "

static enum chancery_err read_row(const struct db_result *r, size_t row, struct arena *arena,
                                  struct policy_stored *out)
{
    TRY(digest_of(r, row, 0, out->sha256));
    out->author = arena_str(arena, db_bytes(r, row, 1));
    out->submitted_at_s = db_int(r, row, 2);
    out->cases = db_int(r, row, 3);
    out->failed = db_int(r, row, 4);
    out->former = db_int(r, row, 5) != 0;
    return out->author == NULL ? CH_NOMEM : CH_OK;
}

static enum chancery_err read_files(const struct db_result *r, struct arena *arena,
                                    struct policy_stored *out)
{
    size_t n = 0, m = 0;
    struct slice *paths = arena_alloc(arena, POLICY_STORE_FILES_MAX * sizeof *paths);
    struct slice *contents = arena_alloc(arena, POLICY_STORE_FILES_MAX * sizeof *contents);
    if (paths == NULL || contents == NULL) {
        return CH_NOMEM;
    }
    TRY(db_array(r, 0, 6, paths, POLICY_STORE_FILES_MAX, &n));
    TRY(db_array(r, 0, 7, contents, POLICY_STORE_FILES_MAX, &m));
    struct policy_file *files = arena_alloc(arena, (n + 1) * sizeof *files);
    if (files == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n && n == m; i++) {
        uint8_t *copy = arena_copy(arena, contents[i]);
        files[i].path = slice_has_nul(paths[i]) ? "" : arena_str(arena, paths[i]);
        files[i].content = slice_of(copy, contents[i].len);
        if (copy == NULL || files[i].path == NULL) {
            return CH_NOMEM;
        }
    }
    out->files = files;
    out->n_files = n;
    return n == m ? CH_OK : CH_INTEGRITY;
}

enum chancery_err policy_store_get(struct db_pool *db, const uint8_t first[32],
                                   const uint8_t sha256[32], int64_t now_s, bool with_files,
                                   struct arena *arena, struct policy_stored *out,
                                   struct diag *diag)
{
    struct db_result *r = NULL;
    const struct db_param p[] = {DB_P_BYTES(slice_of(first, 32)), DB_P_INT8(now_s),
                                 DB_P_BYTES(slice_of(sha256, 32))};
    *out = (struct policy_stored){.author = ""};
    TRY(query(db,
              with_files ? COLUMNS ", b.paths, b.contents " FROM "WHERE b.sha256 = $3"
                         : COLUMNS FROM "WHERE b.sha256 = $3",
              p, 3, &r, diag));
    if (db_rows(r) == 0) {
        db_result_free(r);
        return diag_set(diag, CH_NOT_FOUND, "bundle_sha256", "bundle.unknown",
                        "there is no such bundle");
    }
    enum chancery_err err = read_row(r, 0, arena, out);
    if (err == CH_OK && with_files) {
        err = read_files(r, arena, out);
    }
    db_result_free(r);
    return err == CH_INTEGRITY || err == CH_LIMIT || err == CH_INVALID
               ? diag_set(diag, CH_INTEGRITY, "bundle", "bundle.altered",
                          "the stored bundle contradicts itself")
               : err;
}

enum chancery_err policy_store_list(struct db_pool *db, const uint8_t first[32],
                                    const uint8_t *after, int64_t now_s, size_t max,
                                    struct arena *arena, struct policy_stored **out, size_t *out_n,
                                    struct diag *diag)
{
    struct db_result *r = NULL;
    const struct db_param p[] = {DB_P_BYTES(slice_of(first, 32)), DB_P_INT8(now_s),
                                 after == NULL ? DB_P_NULL() : DB_P_BYTES(slice_of(after, 32)),
                                 DB_P_INT8((int64_t)max)};
    TRY(query(db,
              COLUMNS FROM
              "WHERE $3::bytea IS NULL OR (b.submitted_at_s, b.sha256) < (SELECT c.submitted_at_s, "
              "c.sha256 FROM policy.bundle c WHERE c.sha256 = $3) "
              "ORDER BY b.submitted_at_s DESC, b.sha256 DESC LIMIT $4",
              p, 4, &r, diag));
    size_t n = db_rows(r);
    enum chancery_err err = CH_OK;
    *out = arena_alloc(arena, (n + 1) * sizeof **out);
    for (size_t i = 0; i < n && err == CH_OK; i++) {
        err = *out == NULL ? CH_NOMEM : read_row(r, i, arena, &(*out)[i]);
    }
    db_result_free(r);
    *out_n = n;
    return *out == NULL ? CH_NOMEM : err;
}

enum chancery_err policy_store_drafts(struct db_conn *conn, const char *author, int64_t since_s,
                                      int64_t *out, struct diag *diag)
{
    struct db_result *r = NULL;
    const struct db_param p[] = {DB_P_STR(author), DB_P_INT8(since_s)};
    TRY(db_exec(conn,
                "SELECT count(*) FROM policy.bundle WHERE author = $1 AND submitted_at_s >= $2", p,
                2, &r, diag));
    *out = db_int(r, 0, 0);
    db_result_free(r);
    return CH_OK;
}

enum chancery_err policy_store_tested(struct db_pool *db, const uint8_t sha256[32],
                                      const char *instance, int64_t now_s, size_t cases,
                                      size_t failed, struct diag *diag)
{
    const struct db_param p[] = {DB_P_BYTES(slice_of(sha256, 32)), DB_P_INT8(now_s),
                                 DB_P_STR(instance), DB_P_INT4((int64_t)cases),
                                 DB_P_INT4((int64_t)failed)};
    return query(db,
                 "INSERT INTO policy.bundle_test (sha256, run_at_s, instance, cases, failed) "
                 "VALUES ($1, $2, $3, $4, $5)",
                 p, 5, NULL, diag);
}

/* ---- approvals ---- */

enum chancery_err policy_store_approve(struct db_conn *conn, const struct policy_stored_approval *a,
                                       bool *out_new, struct diag *diag)
{
    uint8_t digest[32];
    struct db_result *r = NULL;
    crypto_sha256(a->approval.bytes, digest);
    const struct db_param p[] = {DB_P_BYTES(slice_of(digest, 32)),
                                 DB_P_BYTES(slice_of(a->subject, 32)),
                                 DB_P_BYTES(slice_of(a->bundle, 32)),
                                 DB_P_BYTES(a->approval.bytes),
                                 DB_P_BYTES(a->approval.signature),
                                 DB_P_INT8(a->received_at_s),
                                 DB_P_STR(a->from)};
    TRY(db_exec(conn,
                "INSERT INTO policy.approval (approval_sha256, subject, bundle_sha256, approval, "
                "signature, received_at_s, received_from) VALUES ($1, $2, $3, $4, $5, $6, $7) "
                "ON CONFLICT DO NOTHING RETURNING 1",
                p, 7, &r, diag));
    *out_new = db_rows(r) == 1;
    db_result_free(r);
    return CH_OK;
}

static enum chancery_err copy(struct arena *arena, struct slice in, struct slice *out)
{
    uint8_t *at = arena_copy(arena, in);
    *out = slice_of(at, in.len);
    return at == NULL ? CH_NOMEM : CH_OK;
}

enum chancery_err policy_store_approvals(struct db_pool *db, const uint8_t subject[32],
                                         struct arena *arena, struct policy_approval **out,
                                         size_t *out_n, struct diag *diag)
{
    struct db_result *r = NULL;
    const struct db_param p[] = {DB_P_BYTES(slice_of(subject, 32)),
                                 DB_P_INT8(POLICY_APPROVALS_MAX + 1)};
    TRY(query(db,
              "SELECT approval, signature FROM policy.approval WHERE subject = $1 "
              "ORDER BY received_at_s, approval_sha256 LIMIT $2",
              p, 2, &r, diag));
    size_t n = db_rows(r);
    struct policy_approval *list = arena_alloc(arena, (n + 1) * sizeof *list);
    enum chancery_err err = list == NULL ? CH_NOMEM : CH_OK;
    for (size_t i = 0; i < n && err == CH_OK; i++) {
        err = copy(arena, db_bytes(r, i, 0), &list[i].bytes);
        if (err == CH_OK) {
            err = copy(arena, db_bytes(r, i, 1), &list[i].signature);
        }
    }
    db_result_free(r);
    *out = list;
    *out_n = n;
    return err;
}

/* ---- promotions ---- */

enum chancery_err policy_store_promote(struct db_conn *conn, const struct policy_stored_link *l,
                                       struct diag *diag)
{
    struct slice bytes[POLICY_APPROVALS_MAX], signatures[POLICY_APPROVALS_MAX];
    const struct policy_link *k = &l->link;
    if (k->n_approvals > POLICY_APPROVALS_MAX) {
        return CH_LIMIT;
    }
    for (size_t i = 0; i < k->n_approvals; i++) {
        bytes[i] = k->approvals[i].bytes;
        signatures[i] = k->approvals[i].signature;
    }
    const struct db_param p[] = {DB_P_BYTES(slice_of(k->plan.first, 32)),
                                 DB_P_INT8((int64_t)k->plan.sequence),
                                 DB_P_BYTES(slice_of(k->plan.bundle, 32)),
                                 DB_P_BYTES(slice_of(k->plan.predecessor, 32)),
                                 DB_P_INT4(l->rollback ? 2 : 1),
                                 DB_P_INT8(k->promoted_at_s),
                                 DB_P_INT8(k->not_before_s),
                                 DB_P_STR(l->by),
                                 DB_P_BYTES_ARRAY(bytes, k->n_approvals),
                                 DB_P_BYTES_ARRAY(signatures, k->n_approvals)};
    return db_exec(conn,
                   "INSERT INTO policy.promotion (first_sha256, sequence, bundle_sha256, "
                   "predecessor, kind, promoted_at_s, not_before_s, promoted_by, approvals, "
                   "signatures) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                   p, 10, NULL, diag);
}

static enum chancery_err read_papers(const struct db_result *r, size_t row, struct arena *arena,
                                     struct policy_link *out)
{
    struct slice bytes[POLICY_APPROVALS_MAX], signatures[POLICY_APPROVALS_MAX];
    size_t n = 0, m = 0;
    TRY(db_array(r, row, 8, bytes, POLICY_APPROVALS_MAX, &n));
    TRY(db_array(r, row, 9, signatures, POLICY_APPROVALS_MAX, &m));
    struct policy_approval *list = arena_alloc(arena, (n + 1) * sizeof *list);
    if (list == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n && n == m; i++) {
        TRY(copy(arena, bytes[i], &list[i].bytes));
        TRY(copy(arena, signatures[i], &list[i].signature));
    }
    out->approvals = list;
    out->n_approvals = n;
    return n == m ? CH_OK : CH_INTEGRITY;
}

static enum chancery_err read_link(const struct db_result *r, size_t row, const uint8_t first[32],
                                   struct arena *arena, struct policy_stored_link *out)
{
    struct policy_plan *plan = &out->link.plan;
    const char *author = arena_str(arena, db_bytes(r, row, 7));
    out->by = arena_str(arena, db_bytes(r, row, 6));
    if (author == NULL || out->by == NULL) {
        return CH_NOMEM;
    }
    memcpy(plan->first, first, sizeof plan->first);
    plan->sequence = (uint64_t)db_int(r, row, 0);
    plan->author = slice_str(author);
    TRY(digest_of(r, row, 1, plan->bundle));
    TRY(digest_of(r, row, 2, plan->predecessor));
    out->rollback = db_int(r, row, 3) == 2;
    out->link.promoted_at_s = db_int(r, row, 4);
    out->link.not_before_s = db_int(r, row, 5);
    return read_papers(r, row, arena, &out->link);
}

enum chancery_err policy_store_links(struct db_pool *db, const uint8_t first[32], uint64_t after,
                                     struct arena *arena, struct policy_stored_link **out,
                                     size_t *out_n, struct diag *diag)
{
    struct db_result *r = NULL;
    const struct db_param p[] = {DB_P_BYTES(slice_of(first, 32)), DB_P_INT8((int64_t)after),
                                 DB_P_INT8(POLICY_STORE_LINKS)};
    TRY(query(db,
              "SELECT p.sequence, p.bundle_sha256, p.predecessor, p.kind, p.promoted_at_s, "
              "p.not_before_s, p.promoted_by, coalesce(b.author, ''), p.approvals, p.signatures "
              "FROM policy.promotion p LEFT JOIN policy.bundle b ON b.sha256 = p.bundle_sha256 "
              "WHERE p.first_sha256 = $1 AND p.sequence > $2 ORDER BY p.sequence LIMIT $3",
              p, 3, &r, diag));
    size_t n = db_rows(r);
    struct policy_stored_link *list = arena_alloc(arena, (n + 1) * sizeof *list);
    enum chancery_err err = list == NULL ? CH_NOMEM : CH_OK;
    for (size_t i = 0; i < n && err == CH_OK; i++) {
        err = read_link(r, i, first, arena, &list[i]);
    }
    db_result_free(r);
    *out = list;
    *out_n = n;
    return err == CH_INTEGRITY || err == CH_LIMIT || err == CH_INVALID
               ? diag_set(diag, CH_INTEGRITY, "promotion", "bundle.chain",
                          "a stored promotion contradicts itself")
               : err;
}
