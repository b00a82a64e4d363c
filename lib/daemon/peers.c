/* Channels to the other processes, and which of their methods may be repeated. */
#include <stdio.h>

#include "daemon_int.h"

/* Methods whose repetition changes nothing: reads, and Revoke, which repeats as "already revoked".
 * Not Append, although it may be repeated: the appender (audit.c) repeats it itself and must know
 * whether a lost connection left the outcome open, which channels hide for methods named here. */
static const char *const repeatable[] = {
    "grpc.health.v1.Health/Check",
    "chancery.audit.v1.AuditService/GetCheckpoint",
    "chancery.audit.v1.AuditService/GetProof",
    "chancery.audit.v1.AuditService/ListEntries",
    "chancery.ca.v1.CaService/FindCertificates",
    "chancery.ca.v1.CaService/ListIssuers",
    "chancery.policy.v1.PolicyService/Evaluate",
    "chancery.policy.v1.PolicyService/GetBundle",
    "chancery.policy.v1.PolicyService/GetChain",
    "chancery.revocation.v1.RevocationService/Revoke",
    "chancery.revocation.v1.RevocationService/GetStatus",
    "chancery.revocation.v1.RevocationService/ListCrls",
    "chancery.signer.v1.SignerService/ListKeys",
    NULL,
};

static enum chancery_err peer_healthy(void *ctx, struct diag *diag)
{
    const struct daemon_peer_entry *p = ctx;
    bool ready = false;
    enum chancery_err err = rpc_health_check(p->channel, 1000, &ready, diag);
    if (err == CH_OK && !ready) {
        err = diag_set(diag, CH_UNAVAILABLE, p->process, "peer.not_ready", "%s is not ready",
                       p->process);
    }
    return err;
}

static bool named(const struct conf_node *list, const char *name)
{
    bool found = false;
    for (size_t i = 0; i < conf_count(list); i++) {
        const char *text = NULL;
        if (conf_scalar(conf_at(list, i), &text, NULL) == CH_OK && strcmp(text, name) == 0) {
            found = true;
        }
    }
    return found;
}

static enum chancery_err peer_open(struct daemon *d, const char *process, const char *target,
                                   bool optional, struct diag *diag)
{
    if (d->n_peers == DAEMON_PEERS_MAX) {
        return diag_set(diag, CH_LIMIT, "peers", "conf.peers", "more than %d peers",
                        DAEMON_PEERS_MAX);
    }
    struct daemon_peer_entry *p = &d->peers[d->n_peers];
    char uri[64];
    int n = snprintf(uri, sizeof uri, "/chancery/%s", process);
    int m = snprintf(p->process, sizeof p->process, "%s", process);
    if (n >= (int)sizeof uri || m >= (int)sizeof p->process) {
        return diag_set(diag, CH_INVALID, "peers", "conf.peers", "\"%s\" is no process", process);
    }
    p->optional = optional;
    struct rpc_channel_opts o = {.tls = d->tls,
                                 .trust_domain = d->trust.trust_domain,
                                 .peer_uri = uri,
                                 .idempotent = repeatable};
    TRY(rpc_channel_new(target, &o, &p->channel, diag));
    d->n_peers++;
    return optional ? CH_OK : daemon_check_add(d, p->process, peer_healthy, p);
}

enum chancery_err daemon_peers_open(struct daemon *d, struct diag *diag)
{
    const struct conf_node *peers = NULL, *optional = NULL;
    TRY(conf_map(conf_root(d->doc), "peers", CONF_OPTIONAL, &peers, diag));
    TRY(conf_list(conf_root(d->doc), "optional_peers", CONF_OPTIONAL, &optional, diag));
    for (size_t i = 0; i < conf_count(peers); i++) {
        const char *target = NULL;
        TRY(conf_scalar(conf_at(peers, i), &target, diag));
        const char *process = conf_key_at(peers, i);
        TRY(peer_open(d, process, target, named(optional, process), diag));
    }
    return CH_OK;
}

void daemon_peers_close(struct daemon *d)
{
    while (d->n_peers > 0) {
        rpc_channel_free(d->peers[--d->n_peers].channel);
    }
}

struct rpc_channel *daemon_peer(struct daemon *d, const char *process)
{
    for (size_t i = 0; i < d->n_peers; i++) {
        if (strcmp(d->peers[i].process, process) == 0) {
            return d->peers[i].channel;
        }
    }
    return NULL;
}
