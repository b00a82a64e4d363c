/* Holding a request that lacks approvals, and asking about it again. */
#include "pending.h"

#include <stdio.h>
#include <stdlib.h>

#include "log/log.h"
#include "os/os.h"
#include "rpc/codec.h"

/* What the caller is told. Field: "pending.<request id>". */
static enum chancery_err pending_error(const struct registration_item *item, const char *waits_for,
                                       struct diag *diag)
{
    char id[33], digest[65], field[64];
    hex_encode(slice_of(item->request_id, sizeof item->request_id), id);
    hex_encode(slice_of(item->digest, sizeof item->digest), digest);
    (void)snprintf(field, sizeof field, "pending.%s", id);
    return diag_set(diag, CH_PRECONDITION, field, "approval.pending",
                    "request %s, digest %s, %s; ask again with the same idempotency key", id,
                    digest, waits_for);
}

/* ---- holding ---- */

/* The steps that lack approvals: rules "approval.quorum" name theirs as "approvals.<step>". */
static void list_steps(const Chancery__Ca__V1__IssueResult *result,
                       char out[REGISTRATION_STEPS_TEXT])
{
    static const char head[] = "approvals.";
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < result->n_rules; i++) {
        const Chancery__Common__V1__RuleResult *rule = result->rules[i];
        if (strcmp(rule->rule, "approval.quorum") != 0 ||
            strncmp(rule->field, head, sizeof head - 1) != 0) {
            continue;
        }
        const char *step = rule->field + sizeof head - 1;
        size_t n = strlen(step);
        if (len + n + 2 <= REGISTRATION_STEPS_TEXT && strchr(step, ',') == NULL) {
            (void)snprintf(out + len, REGISTRATION_STEPS_TEXT - len, "%s%s", len == 0 ? "" : ",",
                           step);
            len = strlen(out);
        }
    }
}

static enum chancery_err hold(struct registration *r, const struct registration_item *item,
                              const Chancery__Ca__V1__IssueResult *result, const char *waits_for,
                              bool *recorded, struct diag *diag)
{
    char steps[REGISTRATION_STEPS_TEXT];
    size_t size = protobuf_c_message_get_packed_size(&item->request.base);
    uint8_t *packed = malloc(size + 1);
    if (packed == NULL) {
        return CH_NOMEM;
    }
    (void)protobuf_c_message_pack(&item->request.base, packed);
    list_steps(result, steps);
    enum chancery_err err =
        registration_store_hold(r, item, slice_of(packed, size), waits_for, steps, recorded, diag);
    free(packed);
    return err;
}

void registration_pending_hold(struct registration *r, struct registration_item *item,
                               const Chancery__Ca__V1__IssueResult *result,
                               const struct diag *judge)
{
    struct diag diag = {.text = ""};
    bool recorded = false;
    enum chancery_err err = hold(r, item, result, judge->text, &recorded, &diag);
    if (err != CH_OK) {
        err = registration_retry_err(err);
    } else if (!recorded) {
        err = diag_set(&diag, CH_UNAVAILABLE, "", "idempotency.driven",
                       "another instance has taken this request over; ask again in a moment");
    } else {
        err = pending_error(item, judge->text, &diag);
    }
    registration_finish(r, item, err, &diag, NULL, false);
}

/* ---- asking again ---- */

/* The stored message becomes the item's request. Memory: the call's arena, which the items of one
 * call share: with the group's lock held. */
static enum chancery_err restore_request(struct registration_item *item,
                                         const struct registration_held *h, struct diag *diag)
{
    struct arena *arena = rpc_arena(item->group->call);
    ProtobufCMessage *m = NULL;
    TRY(rpc_unpack_bytes(h->request, &chancery__common__v1__request__descriptor, arena, &m, diag));
    item->request = *(const Chancery__Common__V1__Request *)m;
    TRY(registration_item_digest(item, diag));
    bool same = slice_eq(slice_of(item->digest, 32), h->digest) &&
                slice_eq(rpc_slice(item->request.request_id), h->request_id) &&
                strcmp(item->request.evidence->caller, item->caller) == 0;
    return same ? CH_OK
                : diag_set(diag, CH_INTEGRITY, "request", "approval.request",
                           "the stored request is not the one that was stated");
}

static enum chancery_err restore_approvals(struct registration_item *item,
                                           const struct registration_paper *papers, size_t n)
{
    struct arena *arena = rpc_arena(item->group->call);
    Chancery__Common__V1__Approval *rows = arena_alloc(arena, n * sizeof *rows);
    item->approvals = arena_alloc(arena, n * sizeof *item->approvals);
    if (rows == NULL || item->approvals == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        chancery__common__v1__approval__init(&rows[i]);
        rows[i].approval = rpc_bytes(arena, papers[i].approval);
        rows[i].signature = rpc_bytes(arena, papers[i].signature);
        if (rows[i].approval.len != papers[i].approval.len ||
            rows[i].signature.len != papers[i].signature.len) {
            return CH_NOMEM;
        }
        item->approvals[i] = &rows[i];
    }
    item->n_approvals = n;
    return CH_OK;
}

static enum chancery_err restore(struct registration *r, struct registration_item *item,
                                 const struct registration_held *h, struct arena *scratch,
                                 struct diag *diag)
{
    struct registration_paper *papers = NULL;
    size_t n = 0;
    TRY(registration_store_papers(r, h->request_id, scratch, &papers, &n, diag));
    (void)pthread_mutex_lock(&item->group->lock);
    enum chancery_err err = restore_request(item, h, diag);
    if (err == CH_OK) {
        err = restore_approvals(item, papers, n);
    }
    (void)pthread_mutex_unlock(&item->group->lock);
    return err;
}

enum registration_next registration_pending_restore(struct registration *r,
                                                    struct registration_item *item,
                                                    const struct registration_row *row)
{
    struct arena scratch CLEANUP(arena_clear);
    struct diag diag = {.text = ""};
    struct registration_held h;
    arena_init(&scratch, 0);
    enum chancery_err err =
        registration_store_held(r, slice_of(row->request_id, 16), &scratch, &h, &diag);
    if (err == CH_NOT_FOUND && row->state != REGISTRATION_PENDING) {
        return REGISTRATION_DRIVE; /* it never waited for approvals */
    }
    if (err == CH_NOT_FOUND) {
        err = diag_set(&diag, CH_INTEGRITY, "request", "approval.request",
                       "the request is recorded as pending, but is not there");
    }
    if (err == CH_OK) {
        err = restore(r, item, &h, &scratch, &diag);
    }
    if (err == CH_INTEGRITY) {
        log_diag(LOG_LEVEL_ERROR, "registration.pending", err, &diag);
    }
    if (err != CH_OK) {
        registration_finish(r, item, registration_retry_err(err), &diag, NULL, false);
        return REGISTRATION_FINISHED;
    }
    bool news = (int64_t)item->n_approvals != h.seen;
    if (row->state == REGISTRATION_PENDING && !news &&
        os_now_s() < h.asked_at_s + REGISTRATION_ASK_AGAIN_S) {
        err = pending_error(item, h.waits_for, &diag);
        registration_finish(r, item, err, &diag, NULL, true);
        return REGISTRATION_FINISHED;
    }
    return REGISTRATION_DRIVE;
}
