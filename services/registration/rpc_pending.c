/* ListPending and GetPending: what an officer must see. Reads only. */
#include "pending.h"

#include "rpc/codec.h"

#define PAGE_MAX 50
#define PAGE_DEFAULT 20
#define PAGE_BYTES ((size_t)2 << 20) /* of stored requests: half of what a message may hold */

static const char *state_name(int state)
{
    switch (state) {
    case REGISTRATION_ISSUED:
        return "issued";
    case REGISTRATION_REFUSED:
        return "refused";
    default: /* a request that is being asked about right now is no less pending */
        return "pending";
    }
}

static enum chancery_err split_steps(struct arena *arena, const char *steps,
                                     Chancery__Registration__V1__PendingRequest *m)
{
    size_t n = steps[0] == '\0' ? 0 : 1;
    for (const char *p = steps; *p != '\0'; p++) {
        n += *p == ',' ? 1 : 0;
    }
    m->steps = arena_alloc(arena, n * sizeof *m->steps);
    if (m->steps == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        size_t len = strcspn(steps, ",");
        m->steps[i] = arena_str(arena, slice_of(steps, len));
        if (m->steps[i] == NULL) {
            return CH_NOMEM;
        }
        m->n_steps++;
        steps += len + (steps[len] == ',' ? 1 : 0);
    }
    return CH_OK;
}

static enum chancery_err to_message(struct arena *arena, const struct registration_held *h,
                                    Chancery__Registration__V1__PendingRequest **out,
                                    struct diag *diag)
{
    Chancery__Registration__V1__PendingRequest *m = arena_alloc(arena, sizeof *m);
    ProtobufCMessage *request = NULL;
    if (m == NULL) {
        return CH_NOMEM;
    }
    chancery__registration__v1__pending_request__init(m);
    TRY(rpc_unpack_bytes(h->request, &chancery__common__v1__request__descriptor, arena, &request,
                         diag));
    m->request = (Chancery__Common__V1__Request *)request;
    m->digest = rpc_bytes(arena, h->digest);
    m->since_s = h->since_s;
    m->asked_at_s = h->asked_at_s;
    m->expires_at_s = h->since_s + REGISTRATION_PENDING_KEEP_S;
    m->waits_for = (char *)(uintptr_t)h->waits_for;
    m->approval_count = (uint32_t)h->approvals;
    m->state = (char *)(uintptr_t)state_name(h->state);
    TRY(split_steps(arena, h->steps, m));
    *out = m;
    return m->digest.data == NULL ? CH_NOMEM : CH_OK;
}

/* "<since>:<request id in hex>" */
static enum chancery_err read_cursor(const char *text, struct registration_list *q, uint8_t id[16])
{
    size_t n = 0, len = 0;
    int64_t since = 0;
    if (text[0] == '\0') {
        q->after_id = slice_of(id, 0);
        return CH_OK;
    }
    for (; text[n] >= '0' && text[n] <= '9'; n++) {
        if (__builtin_mul_overflow(since, 10, &since) ||
            __builtin_add_overflow(since, text[n] - '0', &since)) {
            return CH_INVALID;
        }
    }
    if (n == 0 || text[n] != ':' || strlen(text + n + 1) != 32 ||
        hex_decode(slice_str(text + n + 1), id, 16, &len) != CH_OK) {
        return CH_INVALID;
    }
    q->after_s = since;
    q->after_id = slice_of(id, 16);
    return CH_OK;
}

enum chancery_err registration_rpc_list_pending(struct rpc_call *call, const ProtobufCMessage *in,
                                                ProtobufCMessage *out, void *ctx)
{
    const Chancery__Registration__V1__ListPendingRequest *req =
        (const Chancery__Registration__V1__ListPendingRequest *)in;
    Chancery__Registration__V1__ListPendingResponse *answer =
        (Chancery__Registration__V1__ListPendingResponse *)out;
    struct arena *arena = rpc_arena(call);
    struct registration_list q = {.profile = req->profile, .requester = req->requester};
    struct registration_held held[PAGE_MAX];
    uint8_t id[16];
    char hex[33];
    size_t n = 0, bytes = 0;
    if (req->page_size > PAGE_MAX) {
        return diag_set(rpc_diag(call), CH_INVALID, "page_size", "request.page_size",
                        "a page has at most %d requests", PAGE_MAX);
    }
    if (read_cursor(req->cursor, &q, id) != CH_OK) {
        return diag_set(rpc_diag(call), CH_INVALID, "cursor", "request.cursor",
                        "send the cursor of the answer before, as it is");
    }
    q.max = req->page_size == 0 ? PAGE_DEFAULT : req->page_size;
    TRY(registration_store_list(ctx, &q, arena, held, &n, rpc_diag(call)));
    answer->requests = arena_alloc(arena, n * sizeof *answer->requests);
    if (answer->requests == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n && (i == 0 || bytes + held[i].request.len <= PAGE_BYTES); i++) {
        bytes += held[i].request.len;
        TRY(to_message(arena, &held[i], &answer->requests[i], rpc_diag(call)));
        answer->n_requests++;
    }
    if (n == q.max || answer->n_requests < n) {
        const struct registration_held *last = &held[answer->n_requests - 1];
        hex_encode(last->request_id, hex);
        answer->next_cursor = arena_printf(arena, "%lld:%s", (long long)last->since_s, hex);
    }
    return answer->next_cursor == NULL ? CH_NOMEM : CH_OK;
}

static enum chancery_err add_papers(struct registration *r, struct rpc_call *call,
                                    struct slice request_id,
                                    Chancery__Registration__V1__PendingRequest *m)
{
    struct arena *arena = rpc_arena(call);
    struct registration_paper *papers = NULL;
    size_t n = 0;
    TRY(registration_store_papers(r, request_id, arena, &papers, &n, rpc_diag(call)));
    m->approvals = arena_alloc(arena, n * sizeof *m->approvals);
    if (m->approvals == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        Chancery__Registration__V1__SubmittedApproval *s = arena_alloc(arena, sizeof *s);
        Chancery__Common__V1__Approval *a = arena_alloc(arena, sizeof *a);
        if (s == NULL || a == NULL) {
            return CH_NOMEM;
        }
        chancery__registration__v1__submitted_approval__init(s);
        chancery__common__v1__approval__init(a);
        a->approval = rpc_bytes(arena, papers[i].approval);
        a->signature = rpc_bytes(arena, papers[i].signature);
        s->approval = a;
        s->submitter = (char *)(uintptr_t)papers[i].submitter;
        s->submitted_at_s = papers[i].submitted_at_s;
        m->approvals[m->n_approvals++] = s;
    }
    return CH_OK;
}

enum chancery_err registration_rpc_get_pending(struct rpc_call *call, const ProtobufCMessage *in,
                                               ProtobufCMessage *out, void *ctx)
{
    const Chancery__Registration__V1__GetPendingRequest *req =
        (const Chancery__Registration__V1__GetPendingRequest *)in;
    Chancery__Registration__V1__GetPendingResponse *answer =
        (Chancery__Registration__V1__GetPendingResponse *)out;
    struct registration_held h;
    if (req->request_id.len != 16) {
        return diag_set(rpc_diag(call), CH_INVALID, "request_id", "request.request_id",
                        "a request id has 16 octets");
    }
    enum chancery_err err = registration_store_held(ctx, rpc_slice(req->request_id),
                                                    rpc_arena(call), &h, rpc_diag(call));
    if (err == CH_NOT_FOUND) {
        return diag_set(rpc_diag(call), CH_NOT_FOUND, "request_id", "approval.request",
                        "no such request waits for approvals");
    }
    TRY(err);
    TRY(to_message(rpc_arena(call), &h, &answer->request, rpc_diag(call)));
    return add_papers(ctx, call, rpc_slice(req->request_id), answer->request);
}
