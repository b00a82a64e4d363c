/* What the verifier trusts: taken from trust.json, which the auditor got on another way than the
 * log. */
#ifndef CHANCERY_VERIFY_TRUST_H
#define CHANCERY_VERIFY_TRUST_H

#include "tlog/tlog.h"

#define VERIFY_KEYS_MAX 16

struct verify_trust {
    struct arena arena; /* holds the strings */
    struct slice origin, trust_domain;
    struct crypto_public *pub[VERIFY_KEYS_MAX];
    struct tlog_key keys[VERIFY_KEYS_MAX];
    size_t n_keys;
    bool rehearsal;
    char sha256[65]; /* of the file */
};

/* verify_trust_load reads trust.json. `pin` (hex SHA-256 of the file) may be NULL: then the caller
 * shows t->sha256. The checkpoint keys must be an Ed25519 and a P-256 key at least. CH_INTEGRITY:
 * not the pinned file, or its signature by the root in it is wrong; CH_INVALID, CH_MALFORMED:
 * content. `t` is cleared with verify_trust_clear in any case. */
enum chancery_err verify_trust_load(struct verify_trust *t, const char *path, const char *pin,
                                    struct diag *diag) MUST_CHECK;
void verify_trust_clear(struct verify_trust *t);

#endif
