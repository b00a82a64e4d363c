/* Evaluate and GetBundle: what would be decided, and by which bundle. Never signed. */
#include "os/os.h"
#include "service.h"

enum chancery_err policy_rpc_evaluate(struct rpc_call *call, const ProtobufCMessage *msg, ProtobufCMessage *answer,
                                      void *ctx)
{
    struct policy_service *p = ctx;
    struct arena *arena = rpc_arena(call);
    struct diag *diag = rpc_diag(call);
    const Chancery__Policy__V1__EvaluateRequest *in = (const Chancery__Policy__V1__EvaluateRequest *)msg;
    Chancery__Policy__V1__EvaluateResponse *out = (Chancery__Policy__V1__EvaluateResponse *)answer;
    struct permit_request request;
    TRY(permit_request_from_proto(in->request, arena, &request, diag));
    const struct policy_profile *profile = policy_profile_find(p->bundle, request.profile);
    if (profile == NULL) {
        return diag_set(diag, CH_NOT_FOUND, "request.profile", "profile.unknown",
                        "the bundle has no such profile; chancery policy bundle lists them");
    }
    const char *issuer_id = in->issuer_id[0] != '\0' ? in->issuer_id : policy_profile_template(profile)->issuer_id;
    struct policy_facts facts = {.request = &request, .tbs = rpc_slice(in->tbs), .now_s = os_now_s(),
                                 .issuer = policy_issuer_find(p, issuer_id), .own_keys = p->own_keys,
                                 .n_own_keys = p->n_own_keys};
    if (facts.issuer == NULL) {
        return diag_set(diag, CH_NOT_FOUND, "issuer_id", "issuer.unknown", "no issuer with this id");
    }
    struct policy_verdict *verdict = arena_alloc(arena, sizeof *verdict);
    if (verdict == NULL) {
        return CH_NOMEM;
    }
    policy_judge_certificate(p->bundle, &facts, verdict);
    out->verdict = verdict->verdict == POLICY_PASS ? CHANCERY__COMMON__V1__OUTCOME__OUTCOME_PASS
                                                   : CHANCERY__COMMON__V1__OUTCOME__OUTCOME_FAIL;
    out->bundle_sha256 = rpc_bytes(arena, slice_of(policy_bundle_hash(p->bundle), 32));
    return policy_rules_to_proto(verdict, false, arena, &out->rules, &out->n_rules);
}

enum chancery_err policy_rpc_bundle(struct rpc_call *call, const ProtobufCMessage *msg, ProtobufCMessage *answer,
                                    void *ctx)
{
    (void)msg;
    struct policy_service *p = ctx;
    struct arena *arena = rpc_arena(call);
    Chancery__Policy__V1__GetBundleResponse *out = (Chancery__Policy__V1__GetBundleResponse *)answer;
    size_t n = policy_profile_count(p->bundle);
    out->bundle_sha256 = rpc_bytes(arena, slice_of(policy_bundle_hash(p->bundle), 32));
    out->profiles = arena_alloc(arena, (n + 1) * sizeof *out->profiles);
    if (out->profiles == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        const char *name = policy_profile_template(policy_profile_at(p->bundle, i))->name;
        out->profiles[i] = arena_str(arena, slice_str(name));
        if (out->profiles[i] == NULL) {
            return CH_NOMEM;
        }
        out->n_profiles++;
    }
    return CH_OK;
}
