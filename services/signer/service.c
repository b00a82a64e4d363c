/* Token, keys, workers and RPC table of the signer. */
#include "daemon/daemon_hsm.h"
#include "hsm/hsm.h"
#include "log/log.h"
#include "signer.h"

static const char *const callers[] = {"/chancery/ca", NULL};

static const struct rpc_method methods[] = {
    {"SignBatch", RPC_UNARY, signer_sign_batch, callers},
    {"SignCrl", RPC_CLIENT_STREAM, signer_sign_crl, callers},
    {"ListKeys", RPC_UNARY, signer_list_keys, callers},
};

static enum chancery_err append(void *ctx, const struct daemon_entry *entries, size_t n,
                                unsigned timeout_ms, struct daemon_ack *acks, struct diag *diag)
{
    return daemon_audit_append(ctx, entries, n, timeout_ms, acks, diag);
}

/* Every key on the token is opened, checked and probed before anyone may ask. */
static enum chancery_err open_keys(struct signer *s, struct diag *diag)
{
    struct hsm_token *token = NULL;
    struct hsm_key *keys[SIGNER_KEYS_MAX];
    size_t n = 0;
    TRY(daemon_hsm_open(s->daemon, &token, diag));
    TRY(hsm_keys_open(token, keys, SIGNER_KEYS_MAX, &n, diag));
    for (size_t i = 0; i < n; i++) {
        s->keys.keys[s->keys.n++] = (struct signer_key){
            .spki_sha256 = hsm_key_spki_sha256(keys[i]),
            .type = hsm_key_type(keys[i]),
            .hsm = keys[i],
        };
        log_event(LOG_LEVEL_INFO, "signer.key", LOG_STR("uri", hsm_key_uri(keys[i])),
                  LOG_STR("type", crypto_key_type_name(hsm_key_type(keys[i]))));
    }
    return n > 0 ? CH_OK
                 : diag_set(diag, CH_NOT_FOUND, "hsm.token", "signer.keys",
                            "the token holds no key; run the ceremony first");
}

enum chancery_err signer_service_open(struct signer *s, struct diag *diag)
{
    if (daemon_trust(s->daemon)->permit.n == 0) {
        return diag_set(diag, CH_INVALID, "trust", "signer.permit_keys",
                        "trust.json pins no permit key");
    }
    TRY(open_keys(s, diag));
    TRY(signer_pool_new(0, &s->cycle.pool));
    s->cycle.append = append;
    s->cycle.append_ctx = s->daemon;
    return rpc_server_add(daemon_server(s->daemon),
                          &chancery__signer__v1__signer_service__descriptor, methods,
                          sizeof methods / sizeof methods[0], s);
}

void signer_service_close(struct signer *s)
{
    signer_pool_free(s->cycle.pool);
    s->cycle.pool = NULL;
}
