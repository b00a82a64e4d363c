/* A CRL as its lints see it. Entries are read one after the other, so that any length is linear. */
#ifndef CHANCERY_POLICY_LINT_CRL_H
#define CHANCERY_POLICY_LINT_CRL_H

#include "policy/lint/lint_int.h"

/* What the value of a known extension is not. */
enum {
    POLICY_LINT_CRL_BAD_AKI = 1,
    POLICY_LINT_CRL_BAD_NUMBER = 2,
    POLICY_LINT_CRL_BAD_DELTA = 4,
    POLICY_LINT_CRL_BAD_IDP = 8
};

struct policy_lint_crl {
    const char *wrong;
    bool whole, signature_octets;
    struct policy_lint_algorithm algorithm, outer;
    bool has_version, has_next, has_list;
    struct slice version;
    struct policy_lint_time this_update, next_update;
    struct slice entries; /* content of revokedCertificates */
    unsigned bad;
    const struct policy_lint_extension *aki_ext, *number_ext, *delta_ext, *idp_ext, *freshest_ext;
    struct policy_lint_aki aki;
    struct slice number, base; /* contents of the INTEGERs */
    /* issuingDistributionPoint */
    bool idp_empty, idp_point, idp_user, idp_ca, idp_attribute, idp_indirect, idp_reasons;
    bool idp_default, idp_no_http; /* a FALSE is written; a name that is no http URI */

    /* Lists: only what their counts say is set. */
    struct policy_lint_dn issuer;
    struct policy_lint_extensions extensions;
};

struct policy_lint_entry {
    const struct policy_lint_crl *crl;
    const char *wrong;
    struct slice serial, previous; /* previous: serial of the entry before, empty for the first */
    struct policy_lint_time date;
    const struct policy_lint_extension *reason_ext, *invalidity_ext, *issuer_ext;
    struct slice reason; /* content of the ENUMERATED */
    struct policy_lint_time invalidity;
    bool bad_reason, bad_invalidity;
    struct policy_lint_extensions extensions;
};

void policy_lint_crl_read(struct slice der, struct policy_lint_crl *out);
/* policy_lint_entry_next reads the next entry of `w`; `out->serial` of the call before becomes
 * `previous`. False at the end, or with out->wrong set. */
bool policy_lint_entry_next(struct policy_walk *w, struct policy_lint_entry *out);

#endif
