/* Who may see or revoke certificates of others: lists of the configuration. */
#ifndef CHANCERY_REGISTRATION_ALLOWED_H
#define CHANCERY_REGISTRATION_ALLOWED_H

#include "daemon/daemon.h"

#define REGISTRATION_PATTERNS_MAX 64

struct registration;

/* Identities, or with a '*' at the end what they begin with. */
struct registration_patterns {
    char texts[REGISTRATION_PATTERNS_MAX][256];
    size_t n;
};

/* registration_patterns_read reads list `key` of the configuration: paths of the trust domain,
 * "/user/alice" or with a trailing *. CH_INVALID, CH_LIMIT "config.patterns". */
enum chancery_err registration_patterns_read(struct daemon *d, const char *key,
                                             struct registration_patterns *out,
                                             struct diag *diag) MUST_CHECK;
/* registration_may_revoke_all says whether `caller` matches a pattern of `revokers`. */
bool registration_may_revoke_all(const struct registration *r, const char *caller);
/* registration_may_read_all says whether `caller` matches a pattern of `readers` or `revokers`:
 * others see their own certificates only. */
bool registration_may_read_all(const struct registration *r, const char *caller);

#endif
