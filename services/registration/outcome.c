/* Answers: filling an RPC's response item by item, and finishing the RPC after the last. */
#include "registration.h"

enum chancery_err registration_answer_err(enum chancery_err err)
{
    switch (err) {
    case CH_MALFORMED:
    case CH_LIMIT:
    case CH_UNSUPPORTED:
    case CH_CRYPTO:
        return CH_INVALID;
    default:
        return err;
    }
}

enum chancery_err registration_retry_err(enum chancery_err err)
{
    return err == CH_BUSY || err == CH_INTEGRITY ? err : CH_UNAVAILABLE;
}

enum chancery_err registration_peer_err(enum chancery_err err)
{
    switch (err) {
    case CH_DEADLINE:
    case CH_CANCELLED:
    case CH_UNKNOWN:
    case CH_UNSUPPORTED:
    case CH_DENIED:
    case CH_UNAUTHENTICATED:
    case CH_CRYPTO:
    case CH_HSM:
    case CH_DB:
    case CH_IO:
    case CH_NOMEM:
        return CH_UNAVAILABLE;
    default:
        return err;
    }
}

static bool copy_lists(struct arena *arena, const Chancery__Common__V1__Certificate *c,
                       Chancery__Common__V1__Certificate *out)
{
    out->chain_der = arena_alloc(arena, (c->n_chain_der + 1) * sizeof *out->chain_der);
    out->names = arena_alloc(arena, (c->n_names + 1) * sizeof *out->names);
    if (out->chain_der == NULL || out->names == NULL) {
        return false;
    }
    for (size_t i = 0; i < c->n_chain_der; i++) {
        out->chain_der[i] = rpc_bytes(arena, rpc_slice(c->chain_der[i]));
    }
    for (size_t i = 0; i < c->n_names; i++) {
        out->names[i] = arena_str(arena, slice_str(c->names[i]));
        if (out->names[i] == NULL) {
            return false;
        }
    }
    return true;
}

Chancery__Common__V1__Certificate *
registration_copy_certificate(struct arena *arena, const Chancery__Common__V1__Certificate *c)
{
    Chancery__Common__V1__Certificate *out = arena_alloc(arena, sizeof *out);
    if (out == NULL) {
        return NULL;
    }
    *out = *c;
    char **const texts[] = {&out->issuer_id, &out->profile, &out->requester,        &out->tenant,
                            &out->subject,   &out->status,  &out->revocation_reason};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        *texts[i] = arena_str(arena, slice_str(*texts[i]));
        if (*texts[i] == NULL) {
            return NULL;
        }
    }
    ProtobufCBinaryData *const bytes[] = {&out->serial, &out->der, &out->tbs_sha256,
                                          &out->request_id, &out->spki_sha256};
    for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++) {
        size_t len = bytes[i]->len;
        *bytes[i] = rpc_bytes(arena, rpc_slice(*bytes[i]));
        if (bytes[i]->len != len) {
            return NULL;
        }
    }
    return copy_lists(arena, c, out) ? out : NULL;
}

static void fill_response(struct registration_item *item,
                          Chancery__Registration__V1__EnrollResponse *m,
                          Chancery__Common__V1__Certificate *copy, bool replayed)
{
    m->certificate = copy;
    m->request_id = (ProtobufCBinaryData){sizeof item->request_id, item->request_id};
    m->replayed = replayed;
}

/* With the group's lock held. */
static void fill(struct registration_item *item, enum chancery_err err, const struct diag *diag,
                 const Chancery__Common__V1__Certificate *certificate, bool replayed)
{
    struct registration_group *g = item->group;
    struct arena *arena = rpc_arena(g->call);
    Chancery__Common__V1__Certificate *copy = NULL;
    if (err == CH_OK) {
        copy = registration_copy_certificate(arena, certificate);
        err = copy == NULL ? CH_NOMEM : CH_OK;
    }
    if (g->single != NULL) {
        g->single_err = err;
        if (err == CH_OK) {
            fill_response(item, g->single, copy, replayed);
        } else if (diag != NULL) {
            *rpc_diag(g->call) = *diag;
        }
        return;
    }
    Chancery__Registration__V1__EnrollResult *result = g->batch->items[item->index];
    if (err != CH_OK) {
        result->error = rpc_error_detail(arena, err, diag);
        return;
    }
    result->response = arena_alloc(arena, sizeof *result->response);
    if (result->response == NULL) {
        result->error = rpc_error_detail(arena, CH_NOMEM, NULL);
        return;
    }
    chancery__registration__v1__enroll_response__init(result->response);
    fill_response(item, result->response, copy, replayed);
}

static void finish_one(struct registration_item *item, enum chancery_err err,
                       const struct diag *diag,
                       const Chancery__Common__V1__Certificate *certificate, bool replayed)
{
    struct registration_group *g = item->group;
    (void)pthread_mutex_lock(&g->lock);
    item->finished = true;
    fill(item, err, diag, certificate, replayed);
    bool last = --g->open == 0;
    (void)pthread_mutex_unlock(&g->lock);
    if (last) {
        /* The group lives in the call's arena: nothing of it is touched after rpc_finish. */
        enum chancery_err answer = g->single != NULL ? g->single_err : CH_OK;
        struct rpc_call *call = g->call;
        (void)pthread_mutex_destroy(&g->lock);
        rpc_finish(call, answer);
    }
}

void registration_finish(struct registration *r, struct registration_item *item,
                         enum chancery_err err, const struct diag *diag,
                         const Chancery__Common__V1__Certificate *certificate, bool replayed)
{
    err = registration_answer_err(err);
    struct registration_item *waiter = registration_unmap(r, item);
    uint8_t request_id[16];
    memcpy(request_id, item->request_id, sizeof request_id);
    finish_one(item, err, diag, certificate, replayed);
    while (waiter != NULL) {
        struct registration_item *next = waiter->next;
        memcpy(waiter->request_id, request_id, sizeof request_id);
        finish_one(waiter, err, diag, certificate, true);
        waiter = next;
    }
}

void registration_abandon(struct registration *r, struct registration_item *item,
                          enum chancery_err err, const struct diag *diag)
{
    struct registration_item *waiter = registration_unmap(r, item);
    finish_one(item, err, diag, NULL, false);
    while (waiter != NULL) {
        struct registration_item *next = waiter->next;
        registration_submit(r, waiter);
        waiter = next;
    }
}
