/* The judge's reader of TBSCertificate (RFC 5280 4.1): final bytes in, fields out, or the name of
 * the field that is wrong. Fields borrow from the input. */
#ifndef CHANCERY_POLICY_TBS_H
#define CHANCERY_POLICY_TBS_H

#include "policy/walk.h"

#define POLICY_TBS_MAX ((size_t)64 << 10) /* what signer accepts */
#define POLICY_TBS_EXTENSIONS 32

struct policy_tbs_extension {
    struct slice oid;
    bool critical;
    struct slice value; /* content of extnValue */
};

struct policy_tbs {
    struct slice serial;                /* content of the INTEGER */
    struct slice algorithm;             /* whole AlgorithmIdentifier */
    struct slice issuer, subject, spki; /* whole elements */
    int64_t not_before_s, not_after_s;
    struct policy_tbs_extension extensions[POLICY_TBS_EXTENSIONS];
    size_t n_extensions;
};

/* policy_tbs_read returns NULL, or the path of the first field that is not as it must be. */
const char *policy_tbs_read(struct slice tbs, struct policy_tbs *out) MUST_CHECK;

/* policy_tbs_find finds by OID content octets; NULL when absent. */
const struct policy_tbs_extension *policy_tbs_find(const struct policy_tbs *tbs, struct slice oid);

#endif
