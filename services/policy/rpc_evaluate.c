/* Evaluate and GetBundle: explain without permitting. */
#include "os/os.h"
#include "service.h"

enum chancery_err policy_rpc_evaluate(struct rpc_call *call, const ProtobufCMessage *in_message,
                                      ProtobufCMessage *out_message, void *ctx)
{
    const struct policy_service *s = ctx;
    const Chancery__Policy__V1__EvaluateRequest *in =
        (const Chancery__Policy__V1__EvaluateRequest *)in_message;
    Chancery__Policy__V1__EvaluateResponse *out =
        (Chancery__Policy__V1__EvaluateResponse *)out_message;
    struct arena *arena = rpc_arena(call);
    struct policy_open judged;
    TRY(policy_decide_request(&s->decider, in, os_now_s(), arena, &judged, rpc_diag(call)));
    policy_limits_explain(s, &s->decider, &judged);
    TRY(policy_decide_rules(&judged.verdict, POLICY_NONE, arena, &out->rules, &out->n_rules));
    out->verdict = judged.verdict.verdict == POLICY_PASS
                       ? CHANCERY__COMMON__V1__OUTCOME__OUTCOME_PASS
                       : CHANCERY__COMMON__V1__OUTCOME__OUTCOME_FAIL;
    out->bundle_sha256 = rpc_bytes(arena, slice_of(policy_bundle_hash(s->bundle), 32));
    return out->bundle_sha256.data == NULL ? CH_NOMEM : CH_OK;
}

enum chancery_err policy_rpc_get_bundle(struct rpc_call *call, const ProtobufCMessage *in,
                                        ProtobufCMessage *out_message, void *ctx)
{
    const struct policy_service *s = ctx;
    Chancery__Policy__V1__GetBundleResponse *out =
        (Chancery__Policy__V1__GetBundleResponse *)out_message;
    struct arena *arena = rpc_arena(call);
    size_t n = policy_profile_count(s->bundle);
    (void)in;
    out->bundle_sha256 = rpc_bytes(arena, slice_of(policy_bundle_hash(s->bundle), 32));
    out->profiles = arena_alloc(arena, n * sizeof *out->profiles);
    if (out->bundle_sha256.data == NULL || out->profiles == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        const struct policy_template *t = policy_profile_template(policy_profile_at(s->bundle, i));
        out->profiles[i] = arena_str(arena, slice_str(t->name));
        if (out->profiles[i] == NULL) {
            return CH_NOMEM;
        }
    }
    out->n_profiles = n;
    return CH_OK;
}
