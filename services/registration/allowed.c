/* Lists of identities in the configuration. */
#include "conf/conf.h"
#include "registration.h"

enum chancery_err registration_patterns_read(struct daemon *d, const char *key,
                                             struct registration_patterns *out, struct diag *diag)
{
    const struct conf_node *nodes = NULL;
    TRY(conf_list(daemon_conf(d), key, CONF_OPTIONAL, &nodes, diag));
    size_t n = conf_count(nodes);
    if (n > REGISTRATION_PATTERNS_MAX) {
        return conf_error(nodes, CH_LIMIT, "config.patterns", diag, "at most %d %s",
                          REGISTRATION_PATTERNS_MAX, key);
    }
    for (size_t i = 0; i < n; i++) {
        const char *text = NULL;
        TRY(conf_scalar(conf_at(nodes, i), &text, diag));
        if (text[0] != '/') {
            return conf_error(conf_at(nodes, i), CH_INVALID, "config.patterns", diag,
                              "write an identity of this trust domain, such as /user/alice");
        }
        TRY(daemon_uri(d, text, out->texts[i], sizeof out->texts[i]));
    }
    out->n = n;
    return CH_OK;
}

static bool listed(const struct registration_patterns *p, const char *caller)
{
    for (size_t i = 0; i < p->n; i++) {
        const char *text = p->texts[i];
        size_t n = strlen(text);
        bool prefix = n > 0 && text[n - 1] == '*';
        if (prefix ? strncmp(caller, text, n - 1) == 0 : strcmp(caller, text) == 0) {
            return true;
        }
    }
    return false;
}

bool registration_may_revoke_all(const struct registration *r, const char *caller)
{
    return listed(&r->revokers, caller);
}

bool registration_may_read_all(const struct registration *r, const char *caller)
{
    return listed(&r->readers, caller) || listed(&r->revokers, caller);
}
