/* Bundle, issuers, permit key, database and RPC table. */
#include "service.h"

#include "conf/conf.h"
#include "daemon/daemon_db.h"
#include "daemon/daemon_hsm.h"

static const char *const ca_only[] = {"/chancery/ca", NULL};
static const char *const everybody[] = {"/user/*", "/chancery/*", NULL};
static const char *const people[] = {"/user/*", NULL}; /* what protects bundles is the quorum */

/* Who reads the history is in the configuration. */
static struct rpc_method methods[] = {
    {"ReadHistory", RPC_SERVER_STREAM, policy_rpc_read_history, NULL},
    {"Permit", RPC_UNARY, policy_rpc_permit, ca_only},
    {"Evaluate", RPC_UNARY, policy_rpc_evaluate, everybody},
    {"GetBundle", RPC_UNARY, policy_rpc_get_bundle, everybody},
    {"ListBundles", RPC_UNARY, policy_rpc_list_bundles, everybody},
    {"GetChain", RPC_UNARY, policy_rpc_get_chain, everybody},
    {"SubmitBundle", RPC_UNARY, policy_rpc_submit_bundle, people},
    {"TestBundle", RPC_UNARY, policy_rpc_test_bundle, people},
    {"ApproveBundle", RPC_UNARY, policy_rpc_approve_bundle, people},
    {"PromoteBundle", RPC_UNARY, policy_rpc_promote_bundle, people},
    {"RollbackBundle", RPC_UNARY, policy_rpc_rollback_bundle, people},
};

static enum chancery_err open_key(struct policy_service *s, struct diag *diag)
{
    struct hsm_token *token = NULL;
    TRY(daemon_hsm_open(s->daemon, &token, diag));
    TRY(daemon_hsm_key(s->daemon, token, &daemon_trust(s->daemon)->permit, &s->permit_key, diag));
    s->alg = crypto_alg_default(hsm_key_type(s->permit_key));
    return CH_OK;
}

enum chancery_err policy_service_open(struct policy_service *s, struct diag *diag)
{
    const char *issuers = NULL, *bundle = NULL;
    const struct daemon_trust *trust = daemon_trust(s->daemon);
    if (trust->statement.n == 0) {
        return diag_set(diag, CH_INVALID, "trust", "policy.statement_keys",
                        "trust.json pins no statement key");
    }
    TRY(conf_string(daemon_conf(s->daemon), "bundle", CONF_REQUIRED, &bundle, diag));
    TRY(conf_string(daemon_conf(s->daemon), "issuers", CONF_REQUIRED, &issuers, diag));
    TRY(policy_issuers_load(issuers, trust, &s->issuers, diag));
    TRY(open_key(s, diag));
    TRY(daemon_db_open(s->daemon, &s->db, diag));
    TRY(policy_bundles_open(s->daemon, s->db, bundle, &s->bundles, diag));
    TRY(policy_limits_open(s, diag));
    TRY(policy_history_open(s, diag));
    methods[0].callers = s->history_readers;
    s->decider = (struct policy_decider){NULL, &s->issuers};
    return rpc_server_add(daemon_server(s->daemon),
                          &chancery__policy__v1__policy_service__descriptor, methods,
                          sizeof methods / sizeof *methods, s);
}

void policy_service_close(struct policy_service *s)
{
    policy_limits_close(s);
    policy_history_free(s->history);
    s->history = NULL;
    policy_issuers_clear(&s->issuers);
    policy_bundles_free(s->bundles);
    s->bundles = NULL;
}
