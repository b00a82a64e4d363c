/* Enroll and EnrollBatch: requests in, deferred answers out. */
#include "registration.h"

#define ENROLL_BATCH_MAX 64

/* What intake refused of one call, to be logged together. */
struct refused {
    struct registration_refusal list[ENROLL_BATCH_MAX];
    struct diag diags[ENROLL_BATCH_MAX];
    size_t places[ENROLL_BATCH_MAX]; /* in the call */
    size_t n;
};

static bool is_refusal(enum chancery_err err)
{
    return err != CH_NOMEM && err != CH_INTERNAL;
}

/* Refusals of what cannot be read are logged before they are answered (the caller is known). */
static enum chancery_err refuse(struct registration *r, struct rpc_call *call, const char *profile,
                                enum chancery_err err, struct diag *diag)
{
    if (!is_refusal(err)) {
        return err;
    }
    struct registration_refusal refusal = {rpc_caller(call), profile, NULL, err, diag};
    struct diag failure = {.text = ""};
    if (registration_audit_refusals(r, &refusal, 1, &failure) != CH_OK) {
        *diag = failure;
        return CH_UNAVAILABLE;
    }
    return registration_answer_err(err);
}

static struct registration_group *new_group(struct rpc_call *call, size_t n)
{
    struct registration_group *g = arena_alloc(rpc_arena(call), sizeof *g);
    if (g != NULL) {
        g->call = call;
        g->open = n;
        if (pthread_mutex_init(&g->lock, NULL) != 0) {
            return NULL;
        }
    }
    return g;
}

enum chancery_err registration_rpc_enroll(struct rpc_call *call, const ProtobufCMessage *in,
                                          ProtobufCMessage *out, void *ctx)
{
    struct registration *r = ctx;
    const Chancery__Registration__V1__EnrollRequest *req =
        (const Chancery__Registration__V1__EnrollRequest *)in;
    struct registration_item *item = NULL;
    enum chancery_err err = registration_intake(r, call, req, &item, rpc_diag(call));
    if (err != CH_OK) {
        return refuse(r, call, req->profile, err, rpc_diag(call));
    }
    struct registration_group *g = new_group(call, 1);
    if (g == NULL) {
        return CH_NOMEM;
    }
    g->single = (Chancery__Registration__V1__EnrollResponse *)out;
    item->group = g;
    rpc_defer(call);
    registration_submit(r, item);
    return CH_OK;
}

static enum chancery_err prepare_results(struct rpc_call *call, size_t n,
                                         Chancery__Registration__V1__EnrollBatchResponse *out)
{
    struct arena *arena = rpc_arena(call);
    Chancery__Registration__V1__EnrollResult *rows = arena_alloc(arena, n * sizeof *rows);
    out->items = arena_alloc(arena, n * sizeof *out->items);
    if (rows == NULL || out->items == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        chancery__registration__v1__enroll_result__init(&rows[i]);
        out->items[i] = &rows[i];
    }
    out->n_items = n;
    return CH_OK;
}

/* Logs the refusals with one call and writes them into the answer. */
static void answer_refused(struct registration *r, struct rpc_call *call, const struct refused *f,
                           Chancery__Registration__V1__EnrollBatchResponse *answer)
{
    struct diag failure = {.text = ""};
    enum chancery_err logged =
        f->n == 0 ? CH_OK : registration_audit_refusals(r, f->list, f->n, &failure);
    for (size_t i = 0; i < f->n; i++) {
        enum chancery_err err =
            logged == CH_OK ? registration_answer_err(f->list[i].err) : CH_UNAVAILABLE;
        answer->items[f->places[i]]->error =
            rpc_error_detail(rpc_arena(call), err, logged == CH_OK ? f->list[i].diag : &failure);
    }
}

/* Reads all items; returns how many are good. */
static size_t intake_all(struct registration *r, struct rpc_call *call,
                         const Chancery__Registration__V1__EnrollBatchRequest *req,
                         struct refused *f, struct registration_item **items,
                         Chancery__Registration__V1__EnrollBatchResponse *answer)
{
    size_t good = 0;
    for (size_t i = 0; i < req->n_items; i++) {
        struct diag *diag = &f->diags[f->n];
        struct registration_item *item = NULL;
        enum chancery_err err = registration_intake(r, call, req->items[i], &item, diag);
        if (err == CH_OK) {
            item->index = i;
            items[good++] = item;
        } else if (is_refusal(err)) {
            f->list[f->n] = (struct registration_refusal){rpc_caller(call), req->items[i]->profile,
                                                          NULL, err, diag};
            f->places[f->n++] = i;
        } else {
            answer->items[i]->error = rpc_error_detail(rpc_arena(call), err, diag);
        }
    }
    return good;
}

enum chancery_err registration_rpc_enroll_batch(struct rpc_call *call, const ProtobufCMessage *in,
                                                ProtobufCMessage *out, void *ctx)
{
    struct registration *r = ctx;
    const Chancery__Registration__V1__EnrollBatchRequest *req =
        (const Chancery__Registration__V1__EnrollBatchRequest *)in;
    size_t n = req->n_items;
    if (n == 0 || n > ENROLL_BATCH_MAX) {
        enum chancery_err err = diag_set(rpc_diag(call), CH_INVALID, "items", "request.batch",
                                         "send 1 to %d items", ENROLL_BATCH_MAX);
        return refuse(r, call, "", err, rpc_diag(call));
    }
    Chancery__Registration__V1__EnrollBatchResponse *answer =
        (Chancery__Registration__V1__EnrollBatchResponse *)out;
    TRY(prepare_results(call, n, answer));
    struct registration_item *items[ENROLL_BATCH_MAX];
    struct refused *refused = arena_alloc(rpc_arena(call), sizeof *refused);
    if (refused == NULL) {
        return CH_NOMEM;
    }
    size_t good = intake_all(r, call, req, refused, items, answer);
    answer_refused(r, call, refused, answer);
    if (good == 0) {
        return CH_OK;
    }
    struct registration_group *g = new_group(call, good);
    if (g == NULL) {
        return CH_NOMEM;
    }
    g->batch = answer;
    for (size_t i = 0; i < good; i++) {
        items[i]->group = g;
    }
    /* The last submit may finish the call at once: `items` is a local copy, the arena is not
     * touched. */
    rpc_defer(call);
    for (size_t i = 0; i < good; i++) {
        registration_submit(r, items[i]);
    }
    return CH_OK;
}
