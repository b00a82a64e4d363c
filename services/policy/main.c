/* chancery-policy: wiring. */
#include "conf/conf.h"
#include "daemon/daemon_hsm.h"
#include "service.h"

static const char *const ca_only[] = {"/chancery/ca", NULL};
static const char *const anyone[] = {"/user/*", "/chancery/*", NULL};

static const struct rpc_method methods[] = {
    {"Permit", RPC_UNARY, policy_rpc_permit, ca_only},
    {"Evaluate", RPC_UNARY, policy_rpc_evaluate, anyone},
    {"GetBundle", RPC_UNARY, policy_rpc_bundle, anyone},
};

static enum chancery_err load_bundle(struct policy_service *p, struct diag *diag)
{
    const char *dir = NULL;
    TRY(conf_string(daemon_conf(p->daemon), "bundle", CONF_REQUIRED, &dir, diag));
    TRY(policy_bundle_load(dir, &p->bundle, diag));
    if (memcmp(policy_bundle_hash(p->bundle), daemon_trust(p->daemon)->bundle_sha256, 32) != 0) {
        return diag_set(diag, CH_INTEGRITY, "bundle", "bundle.pinned",
                        "%s is not the bundle that trust.json pins", dir);
    }
    return policy_bundle_set_trust_domain(p->bundle, daemon_trust_domain(p->daemon));
}

static enum chancery_err build(struct policy_service *p, struct diag *diag)
{
    const char *issuers = NULL;
    struct hsm_token *token = NULL;
    TRY(load_bundle(p, diag));
    TRY(conf_string(daemon_conf(p->daemon), "issuers", CONF_REQUIRED, &issuers, diag));
    TRY(policy_issuers_load(p, issuers, diag));
    TRY(daemon_hsm_open(p->daemon, &token, diag));
    TRY(daemon_hsm_key(p->daemon, token, &daemon_trust(p->daemon)->permit, &p->permit_key, diag));
    return rpc_server_add(daemon_server(p->daemon), &chancery__policy__v1__policy_service__descriptor, methods,
                          sizeof methods / sizeof methods[0], p);
}

int main(int argc, char **argv)
{
    static struct policy_service p;
    struct diag diag = {.text = ""};
    arena_init(&p.arena, 0);
    enum chancery_err err = daemon_start(argc, argv, "policy", &p.daemon, &diag);
    if (err == CH_OK) {
        err = build(&p, &diag);
    }
    if (err == CH_OK) {
        err = daemon_run(p.daemon, &diag);
    }
    int code = daemon_exit(p.daemon, err, &diag);
    policy_bundle_free(p.bundle);
    arena_clear(&p.arena);
    return code;
}
