/* Permit: statement, verdicts, refusals in the log, one signature. */
#include "log/log.h"
#include "os/os.h"
#include "service.h"

#define AUDIT_MS 5000
#define SIGN_MS 5000
#define REFUSAL_FIELDS 8
#define RULES_TEXT 1024

static enum chancery_err check_statement(const struct policy_service *p,
                                         const Chancery__Policy__V1__PermitRequest *in, int64_t now_s,
                                         struct permit_statement *statement, bool *out_present,
                                         struct diag *diag)
{
    *out_present = false;
    bool certificates = false;
    for (size_t i = 0; i < in->n_items; i++) {
        certificates = certificates || in->items[i]->subject_case != CHANCERY__POLICY__V1__PERMIT_ITEM__SUBJECT_CRL;
    }
    if (!certificates) {
        return CH_OK;
    }
    const struct daemon_keys *keys = &daemon_trust(p->daemon)->statement;
    TRY(permit_statement_check(rpc_slice(in->statement), rpc_slice(in->statement_signature), keys->keys, keys->n,
                               now_s, statement, diag));
    *out_present = true;
    return CH_OK;
}

/* Ids of all failed rules, comma separated. */
static const char *failed_rules(const struct policy_judged *j, struct arena *arena)
{
    struct buf b CLEANUP(buf_clear);
    buf_init(&b, RULES_TEXT);
    for (size_t i = 0; i < j->verdict.n; i++) {
        const struct policy_rule *r = &j->verdict.rules[i];
        if (r->outcome == POLICY_FAIL && buf_printf(&b, "%s%s", b.len == 0 ? "" : ",", r->rule) != CH_OK) {
            break;
        }
    }
    return b.len == 0 ? j->diag.rule : arena_str(arena, buf_slice(&b));
}

/* One entry per refused item: digests, rule ids, who asked; no names. */
static enum chancery_err log_refusals(struct policy_service *p, const struct policy_judged *list, size_t n,
                                      struct arena *arena, struct diag *diag)
{
    struct daemon_entry entries[PERMIT_BATCH_MAX];
    struct daemon_ack acks[PERMIT_BATCH_MAX];
    size_t refused = 0;
    for (size_t i = 0; i < n; i++) {
        const struct policy_judged *j = &list[i];
        if (j->err == CH_OK) {
            continue;
        }
        struct daemon_field *f = arena_alloc(arena, REFUSAL_FIELDS * sizeof *f);
        const char *rules = failed_rules(j, arena);
        if (f == NULL || rules == NULL) {
            return CH_NOMEM;
        }
        size_t k = 0;
        f[k++] = DAEMON_DIGEST("tbs", slice_of(j->tbs_sha256, 32));
        f[k++] = DAEMON_STR("rule", j->diag.rule);
        f[k++] = DAEMON_STR("rules", rules);
        f[k++] = DAEMON_DIGEST("bundle", slice_of(policy_bundle_hash(p->bundle), 32));
        f[k++] = DAEMON_STR("purpose", j->certificate == NULL ? "crl" : "certificate");
        if (j->certificate != NULL && j->certificate->request != NULL) {
            const Chancery__Common__V1__Request *r = j->certificate->request;
            f[k++] = DAEMON_DIGEST("request", slice_of(r->request_id.data, r->request_id.len > 16 ? 16 : r->request_id.len));
            f[k++] = DAEMON_TEXT("profile", slice_sub(slice_str(r->profile), 0, 64));
            f[k++] = DAEMON_TEXT("requester", slice_sub(slice_str(r->requester), 0, 512));
        }
        entries[refused++] = (struct daemon_entry){.action = "refusal", .fields = f, .n_fields = k};
    }
    if (refused == 0) {
        return CH_OK;
    }
    TRY(daemon_audit_append(p->daemon, entries, refused, AUDIT_MS, acks, diag));
    for (size_t i = 0; i < refused; i++) {
        if (acks[i].err != CH_OK) {
            *diag = acks[i].diag;
            return CH_UNAVAILABLE;
        }
    }
    return CH_OK;
}

static enum chancery_err fill_results(const struct policy_judged *list, size_t n, struct arena *arena,
                                      Chancery__Policy__V1__PermitResponse *out)
{
    Chancery__Policy__V1__PermitResult *rows = arena_alloc(arena, n * sizeof *rows);
    out->items = arena_alloc(arena, n * sizeof *out->items);
    if (rows == NULL || out->items == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        chancery__policy__v1__permit_result__init(&rows[i]);
        bool good = list[i].err == CH_OK;
        rows[i].verdict = good ? CHANCERY__COMMON__V1__OUTCOME__OUTCOME_PASS
                               : CHANCERY__COMMON__V1__OUTCOME__OUTCOME_FAIL;
        rows[i].item = rpc_bytes(arena, list[i].item);
        if (!good) {
            rows[i].error = rpc_error_detail(arena, list[i].err, &list[i].diag);
            TRY(policy_rules_to_proto(&list[i].verdict, true, arena, &rows[i].rules, &rows[i].n_rules));
        }
        out->items[i] = &rows[i];
    }
    out->n_items = n;
    return CH_OK;
}

static enum chancery_err sign_permit(struct policy_service *p, const struct policy_judged *list, size_t n,
                                     int64_t now_s, struct arena *arena,
                                     Chancery__Policy__V1__PermitResponse *out, struct diag *diag)
{
    struct slice items[PERMIT_BATCH_MAX];
    for (size_t i = 0; i < n; i++) {
        items[i] = list[i].item;
    }
    struct permit permit = {.expires_at_s = now_s + PERMIT_TTL_S, .n = (uint32_t)n};
    memcpy(permit.bundle_sha256, policy_bundle_hash(p->bundle), sizeof permit.bundle_sha256);
    permit_root(items, n, permit.root);
    struct buf bytes CLEANUP(buf_clear);
    struct buf signature CLEANUP(buf_clear);
    buf_init(&bytes, 512);
    buf_init(&signature, 1024);
    TRY(permit_write(&permit, &bytes));
    TRY(hsm_sign(p->permit_key, crypto_alg_default(hsm_key_type(p->permit_key)), buf_slice(&bytes), SIGN_MS,
                 &signature, diag));
    out->permit = rpc_bytes(arena, buf_slice(&bytes));
    out->permit_signature = rpc_bytes(arena, buf_slice(&signature));
    return out->permit.data == NULL || out->permit_signature.data == NULL ? CH_NOMEM : CH_OK;
}

enum chancery_err policy_rpc_permit(struct rpc_call *call, const ProtobufCMessage *msg, ProtobufCMessage *answer,
                                    void *ctx)
{
    struct policy_service *p = ctx;
    struct arena *arena = rpc_arena(call);
    struct diag *diag = rpc_diag(call);
    const Chancery__Policy__V1__PermitRequest *in = (const Chancery__Policy__V1__PermitRequest *)msg;
    Chancery__Policy__V1__PermitResponse *out = (Chancery__Policy__V1__PermitResponse *)answer;
    if (!daemon_clock_ok(p->daemon)) {
        return diag_set(diag, CH_UNAVAILABLE, "", "policy.clock", "the clock of policy is wrong; nothing is judged");
    }
    int64_t now_s = os_now_s();
    struct permit_statement statement;
    bool present = false;
    struct policy_judged *list = NULL;
    TRY(check_statement(p, in, now_s, &statement, &present, diag));
    TRY(policy_judge_batch(p, in, present ? &statement : NULL, now_s, arena, &list, diag));
    OS_FAILPOINT("policy.judged");
    TRY(log_refusals(p, list, in->n_items, arena, diag));
    enum chancery_err err = sign_permit(p, list, in->n_items, now_s, arena, out, diag);
    if (err != CH_OK) {
        log_diag(LOG_LEVEL_WARN, "policy.sign", err, diag);
        return err == CH_HSM || err == CH_INTEGRITY ? CH_UNAVAILABLE : err;
    }
    OS_FAILPOINT("policy.signed");
    return fill_results(list, in->n_items, arena, out);
}
