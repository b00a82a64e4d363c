/* Evaluate: explain without permitting. */
#include "os/os.h"
#include "service.h"

typedef Chancery__Policy__V1__EvaluateRequest evaluate_request;
typedef Chancery__Policy__V1__EvaluateResponse evaluate_response;

static enum chancery_err evaluate(const struct policy_service *s,
                                  const struct policy_bundle *bundle, struct rpc_call *call,
                                  const evaluate_request *in, evaluate_response *out)
{
    struct arena *arena = rpc_arena(call);
    struct policy_decider decider = s->decider;
    struct policy_open judged;
    decider.bundle = bundle;
    TRY(policy_decide_request(&decider, in, os_now_s(), arena, &judged, rpc_diag(call)));
    policy_limits_explain(s, &decider, &judged);
    TRY(policy_decide_rules(&judged.verdict, POLICY_NONE, arena, &out->rules, &out->n_rules));
    out->verdict = judged.verdict.verdict == POLICY_PASS
                       ? CHANCERY__COMMON__V1__OUTCOME__OUTCOME_PASS
                       : CHANCERY__COMMON__V1__OUTCOME__OUTCOME_FAIL;
    out->bundle_sha256 = rpc_bytes(arena, slice_of(policy_bundle_hash(bundle), 32));
    out->tbs = rpc_bytes(arena, judged.facts.tbs);
    return out->bundle_sha256.data == NULL ? CH_NOMEM : CH_OK;
}

enum chancery_err policy_rpc_evaluate(struct rpc_call *call, const ProtobufCMessage *in_message,
                                      ProtobufCMessage *out_message, void *ctx)
{
    const struct policy_service *s = ctx;
    const struct policy_life_item *bundle = NULL;
    TRY(policy_bundles_take(s->bundles, slice_of(NULL, 0), os_now_s(), &bundle, rpc_diag(call)));
    enum chancery_err err = evaluate(s, bundle->payload, call, (const evaluate_request *)in_message,
                                     (evaluate_response *)out_message);
    policy_bundles_drop(s->bundles, bundle);
    return err;
}
