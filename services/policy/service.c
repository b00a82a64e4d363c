/* Bundle, issuers, permit key, database and RPC table. */
#include "service.h"

#include "conf/conf.h"
#include "daemon/daemon_db.h"
#include "daemon/daemon_hsm.h"
#include "log/log.h"

static const char *const ca_only[] = {"/chancery/ca", NULL};
static const char *const everybody[] = {"/user/*", "/chancery/*", NULL};

/* Who reads the history is in the configuration. */
static struct rpc_method methods[] = {
    {"ReadHistory", RPC_SERVER_STREAM, policy_rpc_read_history, NULL},
    {"Permit", RPC_UNARY, policy_rpc_permit, ca_only},
    {"Evaluate", RPC_UNARY, policy_rpc_evaluate, everybody},
    {"GetBundle", RPC_UNARY, policy_rpc_get_bundle, everybody},
};

/* The bundle in force is the one that the ceremony pinned. */
static enum chancery_err open_bundle(struct policy_service *s, struct diag *diag)
{
    const char *dir = NULL;
    char hex[65];
    const struct daemon_trust *trust = daemon_trust(s->daemon);
    TRY(conf_string(daemon_conf(s->daemon), "bundle", CONF_REQUIRED, &dir, diag));
    TRY(policy_bundle_load(dir, &s->bundle, diag));
    hex_encode(slice_of(policy_bundle_hash(s->bundle), 32), hex);
    if (memcmp(policy_bundle_hash(s->bundle), trust->bundle_sha256, 32) != 0) {
        return diag_set(diag, CH_INTEGRITY, "bundle", "bundle.pin",
                        "the bundle in %s has hash %s, which trust.json does not name", dir, hex);
    }
    if (policy_bundle_set_trust_domain(s->bundle, daemon_trust_domain(s->daemon)) != CH_OK) {
        return diag_set(diag, CH_INVALID, "trust_domain", "bundle.trust_domain",
                        "the trust domain is not a domain name");
    }
    log_event(LOG_LEVEL_INFO, "policy.bundle", LOG_STR("sha256", hex),
              LOG_NUM("profiles", policy_profile_count(s->bundle)));
    return CH_OK;
}

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
    const char *issuers = NULL;
    const struct daemon_trust *trust = daemon_trust(s->daemon);
    if (trust->statement.n == 0) {
        return diag_set(diag, CH_INVALID, "trust", "policy.statement_keys",
                        "trust.json pins no statement key");
    }
    TRY(open_bundle(s, diag));
    TRY(conf_string(daemon_conf(s->daemon), "issuers", CONF_REQUIRED, &issuers, diag));
    TRY(policy_issuers_load(issuers, trust, &s->issuers, diag));
    TRY(open_key(s, diag));
    TRY(daemon_db_open(s->daemon, &s->db, diag));
    TRY(policy_limits_open(s, diag));
    TRY(policy_history_open(s, diag));
    methods[0].callers = s->history_readers;
    s->decider = (struct policy_decider){s->bundle, &s->issuers};
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
    policy_bundle_free(s->bundle);
    s->bundle = NULL;
}
