/* HSM of the process: token, key, health. */
#include "daemon/daemon_hsm.h"

#include "daemon_int.h"

static enum chancery_err hsm_ok(void *ctx, struct diag *diag)
{
    return hsm_healthy(ctx) ? CH_OK
                            : diag_set(diag, CH_UNAVAILABLE, "hsm", "hsm.recovering",
                                       "the HSM token is being recovered");
}

static void token_close(void *ctx)
{
    hsm_close(ctx);
}

enum chancery_err daemon_hsm_open(struct daemon *d, struct hsm_token **out, struct diag *diag)
{
    const struct conf_node *conf = NULL;
    struct hsm_opts o = {.pin_fd = -1};
    int64_t sessions = 0, deadline = 0;
    TRY(conf_map(conf_root(d->doc), "hsm", CONF_REQUIRED, &conf, diag));
    TRY(conf_string(conf, "module", CONF_REQUIRED, &o.module, diag));
    TRY(conf_string(conf, "token", CONF_REQUIRED, &o.token_uri, diag));
    TRY(conf_string(conf, "pin_file", CONF_REQUIRED, &o.pin_file, diag));
    TRY(conf_int(conf, "sessions", CONF_OPTIONAL, 1, 32, &sessions, diag));
    TRY(conf_int(conf, "deadline_ms", CONF_OPTIONAL, 100, 60000, &deadline, diag));
    o.sessions = (unsigned)sessions;
    o.deadline_ms = (unsigned)deadline;
    struct hsm_token *token = NULL;
    TRY(hsm_open(&o, &token, diag));
    enum chancery_err err = daemon_own(d, token_close, token);
    if (err != CH_OK) {
        hsm_close(token);
        return err;
    }
    TRY(daemon_check_add(d, "hsm", hsm_ok, token));
    *out = token;
    return CH_OK;
}

enum chancery_err daemon_hsm_key_named(struct daemon *d, struct hsm_token *token, const char *name,
                                       const struct daemon_keys *pinned, struct hsm_key **out,
                                       struct diag *diag)
{
    const struct conf_node *conf = NULL;
    const char *uri = NULL;
    TRY(conf_map(conf_root(d->doc), "hsm", CONF_REQUIRED, &conf, diag));
    TRY(conf_string(conf, name, CONF_REQUIRED, &uri, diag));
    struct hsm_key *key = NULL;
    TRY(hsm_key_open(token, uri, &key, diag));
    if (pinned != NULL && daemon_keys_find(pinned, hsm_key_spki_sha256(key)) == NULL) {
        return diag_set(diag, CH_INTEGRITY, "hsm.key", "trust.key",
                        "%s is not one of the keys in trust.json", uri);
    }
    *out = key;
    return CH_OK;
}

enum chancery_err daemon_hsm_key(struct daemon *d, struct hsm_token *token,
                                 const struct daemon_keys *pinned, struct hsm_key **out,
                                 struct diag *diag)
{
    return daemon_hsm_key_named(d, token, "key", pinned, out, diag);
}
