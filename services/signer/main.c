/* chancery-signer: holds the issuer keys and signs what a permit allows. Wiring only. */
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

static enum chancery_err build(struct signer *s, struct diag *diag)
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

int main(int argc, char **argv)
{
    static struct signer signer; /* method tables and keys outlive the daemon */
    struct diag diag = {.field = ""};
    enum chancery_err err = daemon_start(argc, argv, "signer", &signer.daemon, &diag);
    if (err == CH_OK) {
        err = build(&signer, &diag);
    }
    if (err == CH_OK) {
        err = daemon_run(signer.daemon, &diag);
    }
    signer_pool_free(signer.cycle.pool);
    return daemon_exit(signer.daemon, err, &diag);
}
