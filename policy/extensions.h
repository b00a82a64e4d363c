/* Extensions as compiled for the judge: the octets that it demands, and the lines that said so. */
#ifndef CHANCERY_POLICY_EXTENSIONS_H
#define CHANCERY_POLICY_EXTENSIONS_H

#include "conf/conf.h"
#include "policy/policy.h"
#include "policy/want.h"

#define POLICY_CUSTOM_MAX 16     /* customs of a profile: with the language's own 13 below 32 */
#define POLICY_CUSTOM_VALUE 4096 /* octets of one value */
#define POLICY_VALUES_MAX 256    /* typed values of one custom extension */
#define POLICY_SUBTREES_MAX 256  /* of permitted and of excluded */
#define POLICY_CONSTRAINTS_MAX                                                                     \
    ((size_t)16 << 10)        /* octets of nameConstraints: a quarter of a TBS */
#define POLICY_MATCHES_MAX 64 /* globs of one extension taken from the request */

/* What the judge knows of a custom extension beyond the template. */
struct policy_custom_rule {
    struct slice value; /* DER; empty: from the request */
    enum policy_value_kind type;
    size_t max; /* octets of content */
    bool required;
    const struct slice *match; /* globs */
    size_t n_match;
    const char *field, *source; /* "tbs.extensions.1.2.3" */
};

struct policy_extensions {
    /* DER; empty: absent. eku is the fixed list, or what stands when the request has none. */
    struct slice key_usage, key_usage_rsa, basic, eku, policies, constraints, tls_feature;
    const struct slice *eku_allowed;
    size_t n_eku_allowed;
    const struct policy_custom_rule *custom; /* beside template.ext.custom */
    bool unlisted_refused;
    const char *source, *usage_source, *eku_source, *policies_source, *ca_source,
        *constraints_source, *tls_source, *no_rev_source, *nocheck_source, *crl_source,
        *ocsp_source, *unlisted_source;
};

struct policy_profile;
struct policy_judge;

enum chancery_err policy_extensions_compile(struct policy_bundle *b, const struct conf_node *root,
                                            struct policy_profile *p, struct diag *diag) MUST_CHECK;
/* policy_constraints_compile reads name_constraints and tls_feature; policy_custom_compile reads
 * custom. */
enum chancery_err policy_constraints_compile(struct policy_bundle *b, const struct conf_node *ext,
                                             struct policy_profile *p,
                                             struct diag *diag) MUST_CHECK;
enum chancery_err policy_custom_compile(struct policy_bundle *b, const struct conf_node *ext,
                                        struct policy_profile *p, struct diag *diag) MUST_CHECK;
/* policy_extensions_keep copies what `w` holds into the bundle; CH_LIMIT when it did not fit. */
enum chancery_err policy_extensions_keep(struct policy_bundle *b, const struct policy_want *w,
                                         struct slice *out) MUST_CHECK;
/* policy_extensions_reserved: whether the language, CRLs or certificate transparency have their own
 * use for the OID (content octets), so that no custom extension may have it. */
bool policy_extensions_reserved(struct slice oid);

/* policy_request_extension finds an extension of the request; NULL when it is absent or there
 * twice. */
const struct permit_extension *policy_request_extension(const struct permit_request *r,
                                                        struct slice oid);
/* policy_rules_request: rules over the extensions of the request, which need no TBS.
 * policy_rules_pointers: CDP, AIA, noRevAvail, key identifiers. */
void policy_rules_request(struct policy_judge *j);
void policy_rules_pointers(struct policy_judge *j);

/* One extension as it must be; absent when value is empty. */
struct policy_wanted {
    const char *rule, *field;
    struct slice oid;
    bool critical;
    struct slice value;
    const char *source;
};
void policy_rules_compare(struct policy_judge *j, const struct policy_wanted *w);

/* OIDs of extensions, content octets. */
extern const struct slice POLICY_OID_CERT_SKI, POLICY_OID_CERT_KEY_USAGE, POLICY_OID_CERT_SAN,
    POLICY_OID_CERT_BASIC, POLICY_OID_CERT_CONSTRAINTS, POLICY_OID_CERT_CDP,
    POLICY_OID_CERT_POLICIES, POLICY_OID_CERT_AKI, POLICY_OID_CERT_EKU,
    POLICY_OID_CERT_NO_REV_AVAIL, POLICY_OID_CERT_AIA, POLICY_OID_CERT_TLS_FEATURE,
    POLICY_OID_CERT_NOCHECK;

#endif
