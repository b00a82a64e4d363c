/* Permit: verify the statement, judge every item, log the refusals, sign once. */
#include "log/log.h"
#include "os/os.h"
#include "service.h"

#define AUDIT_MS 3000 /* a refusal that cannot be logged fails the call */
#define SIGN_MS 2000  /* waiting for a session of the token */
#define REFUSAL_FIELDS_MAX 10
#define PERMIT_MAX 256 /* a permit has 95 octets */

typedef Chancery__Policy__V1__PermitRequest permit_request_message;
typedef Chancery__Policy__V1__PermitResponse permit_response_message;

/* ---- what holds for the whole call ---- */

static enum chancery_err check_call(const struct policy_service *s,
                                    const permit_request_message *in, struct diag *diag)
{
    /* A clock that stepped back would accept old statements and sign permits that live too long. */
    if (!daemon_clock_ok(s->daemon)) {
        return diag_set(diag, CH_UNAVAILABLE, "policy", "policy.clock",
                        "the clock is not right; nothing was done; retry");
    }
    if (in->n_items == 0 || in->n_items > PERMIT_BATCH_MAX) {
        return diag_set(diag, CH_LIMIT, "items", "policy.items", "1 to %d items per call",
                        PERMIT_BATCH_MAX);
    }
    for (size_t i = 0; i < in->n_items; i++) {
        if (in->items[i]->subject_case == CHANCERY__POLICY__V1__PERMIT_ITEM__SUBJECT__NOT_SET) {
            return diag_set(diag, CH_INVALID, "items", "policy.item",
                            "item %zu is neither certificate nor CRL", i);
        }
    }
    return CH_OK;
}

static bool has_certificates(const permit_request_message *in)
{
    for (size_t i = 0; i < in->n_items; i++) {
        if (in->items[i]->subject_case == CHANCERY__POLICY__V1__PERMIT_ITEM__SUBJECT_CERTIFICATE) {
            return true;
        }
    }
    return false;
}

/* A statement that does not verify refuses the call; that is logged like any refusal. */
static enum chancery_err refuse_statement(const struct policy_service *s, struct rpc_call *call,
                                          const permit_request_message *in, enum chancery_err why)
{
    uint8_t digest[PERMIT_DIGEST];
    struct diag diag = *rpc_diag(call), *out = rpc_diag(call);
    crypto_sha256(rpc_slice(in->statement), digest);
    const struct daemon_field fields[] = {
        DAEMON_STR("rule", diag.rule),
        DAEMON_DIGEST("statement", slice_of(digest, sizeof digest)),
        DAEMON_NUM("items", in->n_items),
        DAEMON_STR("caller", rpc_caller(call)),
    };
    TRY(daemon_audit(s->daemon, "refusal", fields, 4, NULL, out));
    *out = diag;
    /* Nobody proved that registration said this: that is a matter of identity, not of our crypto.
     */
    return why == CH_CRYPTO ? CH_UNAUTHENTICATED : why;
}

static enum chancery_err open_statement(const struct policy_service *s, struct rpc_call *call,
                                        const permit_request_message *in, int64_t now_s,
                                        struct permit_statement *out)
{
    const struct daemon_keys *keys = &daemon_trust(s->daemon)->statement;
    enum chancery_err err =
        permit_statement_check(rpc_slice(in->statement), rpc_slice(in->statement_signature),
                               keys->keys, keys->n, now_s, out, rpc_diag(call));
    return err == CH_OK ? CH_OK : refuse_statement(s, call, in, err);
}

/* ---- refusals ---- */

static size_t refusal_fields(const struct policy_bundle *bundle, const struct policy_decision *d,
                             const char *caller, struct daemon_field f[REFUSAL_FIELDS_MAX])
{
    size_t n = 0;
    bool crl = d->item.purpose == PERMIT_CRL;
    f[n++] = DAEMON_STR("rule", d->diag.rule);
    f[n++] = DAEMON_STR("rules", d->failed);
    f[n++] = DAEMON_STR("purpose", crl ? "crl" : "certificate");
    f[n++] = DAEMON_DIGEST("tbs", slice_of(d->item.tbs_sha256, PERMIT_DIGEST));
    f[n++] = DAEMON_DIGEST("results", slice_of(d->item.rules_sha256, PERMIT_DIGEST));
    f[n++] = DAEMON_DIGEST("bundle", slice_of(policy_bundle_hash(bundle), 32));
    f[n++] = DAEMON_STR("caller", caller);
    if (d->has_request) {
        f[n++] = DAEMON_DIGEST("request", slice_of(d->item.request_digest, PERMIT_DIGEST));
    }
    if (d->profile_known) { /* other texts are the caller's own and may be anything */
        f[n++] = DAEMON_STR("profile", d->profile);
    }
    if (d->issuer_id[0] != '\0') {
        f[n++] = DAEMON_STR("issuer", d->issuer_id);
    }
    return n;
}

/* Nothing but officers' approvals is missing: no refusal, but nothing permitted either. */
static bool is_pending(const struct policy_decision *d)
{
    return d->err == CH_PRECONDITION && strcmp(d->diag.rule, "approval.pending") == 0;
}

/* Every refusal is durable in the log before the answer leaves. */
static enum chancery_err log_refusals(const struct policy_service *s,
                                      const struct policy_bundle *bundle, struct rpc_call *call,
                                      const struct policy_decision *items, size_t n)
{
    struct daemon_entry entries[PERMIT_BATCH_MAX];
    struct daemon_field fields[PERMIT_BATCH_MAX][REFUSAL_FIELDS_MAX];
    struct daemon_ack *acks = arena_alloc(rpc_arena(call), n * sizeof *acks);
    size_t refused = 0;
    if (acks == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        if (items[i].err != CH_OK && !items[i].undecided) {
            size_t k = refused++;
            entries[k] = (struct daemon_entry){
                .action = is_pending(&items[i]) ? "pending" : "refusal",
                .fields = fields[k],
                .n_fields = refusal_fields(bundle, &items[i], rpc_caller(call), fields[k])};
        }
    }
    if (refused == 0) {
        return CH_OK;
    }
    TRY(daemon_audit_append(s->daemon, entries, refused, AUDIT_MS, acks, rpc_diag(call)));
    for (size_t i = 0; i < refused; i++) {
        if (acks[i].err != CH_OK) {
            *rpc_diag(call) = acks[i].diag;
            return acks[i].err;
        }
    }
    log_event(LOG_LEVEL_INFO, "policy.refused", LOG_NUM("items", refused), LOG_NUM("of", n));
    return CH_OK;
}

/* ---- answer ---- */

static enum chancery_err answer_item(const struct policy_decision *d, struct arena *arena,
                                     Chancery__Policy__V1__PermitResult **out)
{
    Chancery__Policy__V1__PermitResult *r = arena_alloc(arena, sizeof *r);
    if (r == NULL) {
        return CH_NOMEM;
    }
    chancery__policy__v1__permit_result__init(r);
    r->item = rpc_bytes(arena, d->item_bytes);
    r->verdict = CHANCERY__COMMON__V1__OUTCOME__OUTCOME_PASS;
    if (d->err != CH_OK) {
        r->verdict = CHANCERY__COMMON__V1__OUTCOME__OUTCOME_FAIL;
        r->rules = d->rules;
        r->n_rules = d->n_rules;
        r->error = rpc_error_detail(arena, d->err, &d->diag);
        if (r->error == NULL) {
            return CH_NOMEM;
        }
    }
    *out = r;
    return r->item.data == NULL ? CH_NOMEM : CH_OK;
}

static enum chancery_err sign_permit(const struct policy_service *s,
                                     const struct policy_bundle *bundle,
                                     const struct policy_decision *items, size_t n, int64_t now_s,
                                     struct rpc_call *call, permit_response_message *out)
{
    struct buf permit CLEANUP(buf_clear), signature CLEANUP(buf_clear);
    buf_init(&permit, PERMIT_MAX);
    buf_init(&signature, 1024);
    TRY(policy_decide_permit(bundle, items, n, now_s, &permit));
    enum chancery_err err =
        hsm_sign(s->permit_key, s->alg, buf_slice(&permit), SIGN_MS, &signature, rpc_diag(call));
    if (err != CH_OK) {
        log_diag(LOG_LEVEL_WARN, "policy.sign", err, rpc_diag(call));
        /* A faulty token recovers or ends the process: nothing was permitted, the caller may retry.
         */
        return err == CH_HSM || err == CH_INTEGRITY ? CH_UNAVAILABLE : err;
    }
    out->permit = rpc_bytes(rpc_arena(call), buf_slice(&permit));
    out->permit_signature = rpc_bytes(rpc_arena(call), buf_slice(&signature));
    return out->permit.data == NULL || out->permit_signature.data == NULL ? CH_NOMEM : CH_OK;
}

/* Everything under one bundle. */
static enum chancery_err judge(const struct policy_service *s, const struct policy_bundle *bundle,
                               struct rpc_call *call, const permit_request_message *in,
                               const struct permit_statement *statement, int64_t now_s,
                               permit_response_message *out)
{
    struct arena *arena = rpc_arena(call);
    struct policy_decider decider = s->decider;
    struct policy_decision *items = arena_alloc(arena, in->n_items * sizeof *items);
    out->items = arena_alloc(arena, in->n_items * sizeof *out->items);
    if (items == NULL || out->items == NULL) {
        return CH_NOMEM;
    }
    decider.bundle = bundle;
    for (size_t i = 0; i < in->n_items; i++) {
        TRY(policy_decide(&decider, in->items[i], statement, now_s, arena, &items[i]));
    }
    TRY(policy_limits_decide(s, &decider, items, in->n_items, now_s, arena));
    TRY(log_refusals(s, bundle, call, items, in->n_items));
    OS_FAILPOINT("policy.judged");
    TRY(sign_permit(s, bundle, items, in->n_items, now_s, call, out));
    OS_FAILPOINT("policy.signed");
    policy_history_keep(s, in, items, policy_bundle_hash(bundle), now_s);
    for (size_t i = 0; i < in->n_items; i++) {
        TRY(answer_item(&items[i], arena, &out->items[i]));
    }
    out->n_items = in->n_items;
    return CH_OK;
}

enum chancery_err policy_rpc_permit(struct rpc_call *call, const ProtobufCMessage *in_message,
                                    ProtobufCMessage *out_message, void *ctx)
{
    const struct policy_service *s = ctx;
    const permit_request_message *in = (const permit_request_message *)in_message;
    const struct policy_life_item *bundle = NULL;
    struct permit_statement statement;
    int64_t now_s = os_now_s();
    bool stated = has_certificates(in);
    TRY(check_call(s, in, rpc_diag(call)));
    if (stated) {
        TRY(open_statement(s, call, in, now_s, &statement));
    }
    TRY(policy_bundles_take(s->bundles, rpc_slice(in->bundle_sha256), now_s, &bundle,
                            rpc_diag(call)));
    enum chancery_err err = judge(s, bundle->payload, call, in, stated ? &statement : NULL, now_s,
                                  (permit_response_message *)out_message);
    policy_bundles_drop(s->bundles, bundle);
    return err;
}
