/* registration.pending and registration.approval. */
#include "pending.h"

#include "os/os.h"

/* One statement, its result for the caller. */
static enum chancery_err query(struct registration *r, const char *sql, struct db_param *params,
                               size_t n, struct db_result **out, struct diag *diag)
{
    struct db_conn *conn = NULL;
    TRY(db_acquire(r->db, &conn, diag));
    enum chancery_err err = db_exec(conn, sql, params, n, out, diag);
    db_release(conn);
    return err;
}

enum chancery_err registration_store_hold(struct registration *r,
                                          const struct registration_item *item,
                                          struct slice request, const char *waits_for,
                                          const char *steps, bool *recorded, struct diag *diag)
{
    static const char sql[] =
        "WITH held AS (UPDATE registration.request SET state = 4, changed_at_s = $7"
        " WHERE request_id = $1 AND state = 1 AND attempt = $10 RETURNING request_id)"
        " INSERT INTO registration.pending (request_id, request_sha256, request, profile,"
        " requester, since_s, asked_at_s, seen, waits_for, steps)"
        " SELECT request_id, $2, $3, $4, $5, $7, $7, $6, $8, $9 FROM held"
        " ON CONFLICT (request_id) DO UPDATE SET asked_at_s = EXCLUDED.asked_at_s,"
        " seen = EXCLUDED.seen, waits_for = EXCLUDED.waits_for, steps = EXCLUDED.steps"
        " RETURNING request_id";
    struct db_param params[] = {
        DB_P_BYTES(slice_of(item->request_id, 16)),
        DB_P_BYTES(slice_of(item->digest, 32)),
        DB_P_BYTES(request),
        DB_P_STR(item->request.profile),
        DB_P_STR(item->request.requester),
        DB_P_INT4((int64_t)item->n_approvals),
        DB_P_INT8(os_now_s()),
        DB_P_STR(waits_for),
        DB_P_STR(steps),
        DB_P_INT4(item->attempt),
    };
    struct db_result *result = NULL;
    TRY(query(r, sql, params, sizeof params / sizeof params[0], &result, diag));
    *recorded = db_rows(result) == 1;
    db_result_free(result);
    return CH_OK;
}

#define HELD_COLUMNS                                                                               \
    "SELECT p.request_id, p.request_sha256, p.request, p.since_s, p.asked_at_s, p.seen,"           \
    " (SELECT count(*) FROM registration.approval a WHERE a.request_id = p.request_id),"           \
    " p.waits_for, p.steps, p.requester, p.profile, q.state"                                       \
    " FROM registration.pending p JOIN registration.request q USING (request_id)"

static bool copy_bytes(struct arena *arena, struct slice in, struct slice *out)
{
    *out = slice_of(arena_copy(arena, in), in.len);
    return out->ptr != NULL;
}

static enum chancery_err read_held(const struct db_result *result, size_t row, struct arena *arena,
                                   struct registration_held *out)
{
    struct registration_held h = {.since_s = db_int(result, row, 3),
                                  .asked_at_s = db_int(result, row, 4),
                                  .seen = db_int(result, row, 5),
                                  .approvals = db_int(result, row, 6),
                                  .state = (int)db_int(result, row, 11)};
    const char **const texts[] = {&h.waits_for, &h.steps, &h.requester, &h.profile};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        *texts[i] = arena_str(arena, db_bytes(result, row, 7 + i));
        if (*texts[i] == NULL) {
            return CH_NOMEM;
        }
    }
    if (!copy_bytes(arena, db_bytes(result, row, 0), &h.request_id) ||
        !copy_bytes(arena, db_bytes(result, row, 1), &h.digest) ||
        !copy_bytes(arena, db_bytes(result, row, 2), &h.request)) {
        return CH_NOMEM;
    }
    if (h.request_id.len != 16 || h.digest.len != 32) {
        return CH_INTEGRITY;
    }
    *out = h;
    return CH_OK;
}

enum chancery_err registration_store_held(struct registration *r, struct slice request_id,
                                          struct arena *arena, struct registration_held *out,
                                          struct diag *diag)
{
    struct db_param params[] = {DB_P_BYTES(request_id)};
    struct db_result *result = NULL;
    TRY(query(r, HELD_COLUMNS " WHERE p.request_id = $1", params, 1, &result, diag));
    enum chancery_err err = db_rows(result) == 0 ? CH_NOT_FOUND : read_held(result, 0, arena, out);
    db_result_free(result);
    return err;
}

enum chancery_err registration_store_list(struct registration *r, const struct registration_list *q,
                                          struct arena *arena, struct registration_held *out,
                                          size_t *out_n, struct diag *diag)
{
    /* A request that is being asked about at this moment is open: it is listed as well. */
    static const char sql[] =
        HELD_COLUMNS " WHERE q.state IN (1, 4) AND (p.since_s, p.request_id) > ($1, $2)"
                     " AND ($3 = '' OR p.profile = $3) AND ($4 = '' OR p.requester = $4)"
                     " ORDER BY p.since_s, p.request_id LIMIT $5";
    struct db_param params[] = {DB_P_INT8(q->after_s), DB_P_BYTES(q->after_id),
                                DB_P_STR(q->profile), DB_P_STR(q->requester),
                                DB_P_INT8((int64_t)q->max)};
    struct db_result *result = NULL;
    TRY(query(r, sql, params, sizeof params / sizeof params[0], &result, diag));
    enum chancery_err err = CH_OK;
    size_t n = db_rows(result);
    for (size_t i = 0; i < n && err == CH_OK; i++) {
        err = read_held(result, i, arena, &out[i]);
    }
    db_result_free(result);
    *out_n = n;
    return err;
}

enum chancery_err registration_store_papers(struct registration *r, struct slice request_id,
                                            struct arena *arena, struct registration_paper **out,
                                            size_t *out_n, struct diag *diag)
{
    static const char sql[] =
        "SELECT approval, signature, submitter, submitted_at_s FROM registration.approval"
        " WHERE request_id = $1 ORDER BY submitted_at_s, approval_sha256 LIMIT $2";
    struct db_param params[] = {DB_P_BYTES(request_id), DB_P_INT8(REGISTRATION_APPROVALS_MAX)};
    struct db_result *result = NULL;
    TRY(query(r, sql, params, 2, &result, diag));
    size_t n = db_rows(result);
    struct registration_paper *list = arena_alloc(arena, n * sizeof *list);
    bool ok = list != NULL;
    for (size_t i = 0; i < n && ok; i++) {
        list[i].submitter = arena_str(arena, db_bytes(result, i, 2));
        list[i].submitted_at_s = db_int(result, i, 3);
        ok = list[i].submitter != NULL &&
             copy_bytes(arena, db_bytes(result, i, 0), &list[i].approval) &&
             copy_bytes(arena, db_bytes(result, i, 1), &list[i].signature);
    }
    db_result_free(result);
    if (!ok) {
        return CH_NOMEM;
    }
    *out = list;
    *out_n = n;
    return CH_OK;
}

enum chancery_err registration_store_paper_known(struct registration *r, struct slice request_id,
                                                 const uint8_t sha256[32], const char *submitter,
                                                 bool *known, int64_t *all, int64_t *own,
                                                 struct diag *diag)
{
    static const char sql[] = "SELECT count(*) FILTER (WHERE approval_sha256 = $2), count(*),"
                              " count(*) FILTER (WHERE submitter = $3)"
                              " FROM registration.approval WHERE request_id = $1";
    struct db_param params[] = {DB_P_BYTES(request_id), DB_P_BYTES(slice_of(sha256, 32)),
                                DB_P_STR(submitter)};
    struct db_result *result = NULL;
    TRY(query(r, sql, params, 3, &result, diag));
    *known = db_int(result, 0, 0) > 0;
    *all = db_int(result, 0, 1);
    *own = db_int(result, 0, 2);
    db_result_free(result);
    return CH_OK;
}

enum chancery_err registration_store_paper_add(struct registration *r, struct slice request_id,
                                               const uint8_t sha256[32],
                                               const struct registration_paper *p,
                                               struct diag *diag)
{
    static const char sql[] =
        "INSERT INTO registration.approval (request_id, approval_sha256, approval, signature,"
        " submitter, submitted_at_s) VALUES ($1, $2, $3, $4, $5, $6)"
        " ON CONFLICT (request_id, approval_sha256) DO NOTHING RETURNING 1";
    struct db_param params[] = {DB_P_BYTES(request_id),  DB_P_BYTES(slice_of(sha256, 32)),
                                DB_P_BYTES(p->approval), DB_P_BYTES(p->signature),
                                DB_P_STR(p->submitter),  DB_P_INT8(p->submitted_at_s)};
    struct db_result *result = NULL;
    TRY(query(r, sql, params, sizeof params / sizeof params[0], &result, diag));
    db_result_free(result);
    return CH_OK;
}
