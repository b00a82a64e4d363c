/* The policy engine: a pure library. Facts in, verdict out; no I/O but loading a bundle folder, no
 * clock.
 *
 * A bundle is a folder of YAML files (bundle.yaml, profiles/<name>.yaml); compiled once, immutable,
 * shared between threads. Its hash covers every file's path and content. The TBS reader in tbs.c is
 * the judge's own: no code is shared with the writer in lib/x509. */
#ifndef CHANCERY_POLICY_POLICY_H
#define CHANCERY_POLICY_POLICY_H

#include "crypto/alg.h"
#include "permit/permit.h"
#include "policy/template_ext.h"

#define POLICY_POOL_ISSUERS 16      /* of one profile: one per key type and site, doubled */
#define POLICY_RULES_MAX 384        /* all families together; lints alone are 150 */
#define POLICY_TEXT_MAX 95          /* octets of an observed or required text that are kept */
#define POLICY_POOL ((size_t)24576) /* texts of one verdict */

struct policy_bundle;

/* policy_bundle_load reads and compiles a bundle folder (docs/POLICY.md lists its files). Errors
 * carry file:line:column and a suggestion. */
enum chancery_err policy_bundle_load(const char *dir, struct policy_bundle **out,
                                     struct diag *diag) MUST_CHECK;
/* policy_bundle_compile compiles files in memory (any order); same errors. The content may go when
 * it returns. */
struct policy_file {
    const char *path; /* relative, "profiles/web.yaml" */
    struct slice content;
};
enum chancery_err policy_bundle_compile(const struct policy_file *files, size_t n,
                                        struct policy_bundle **out, struct diag *diag) MUST_CHECK;
/* policy_bundle_compile_officers compiles hash and officers.yaml alone: what is asked of a bundle
 * that is history, whose other files a later version of the language may not know. Judge nothing
 * with it. */
enum chancery_err policy_bundle_compile_officers(const struct policy_file *files, size_t n,
                                                 struct policy_bundle **out,
                                                 struct diag *diag) MUST_CHECK;
/* policy_files_hash is chancery/bundle/v1 (docs/ISSUANCE.md) of files in any order: each one's path
 * and SHA-256. CH_NOMEM, CH_LIMIT. */
enum chancery_err policy_files_hash(const struct policy_file *files, size_t n,
                                    uint8_t out[32]) MUST_CHECK;
/* policy_file_known: whether a bundle has a file of that path ("profiles/web.yaml"). */
bool policy_file_known(const char *path);
/* policy_folder_load reads a bundle's files without compiling them, sorted by path; a file that a
 * bundle does not have, or that is no regular file, is refused. Owned by `out`; all zero is fine to
 * clear. */
struct policy_folder {
    struct arena arena;
    struct policy_file *files;
    size_t n;
};
enum chancery_err policy_folder_load(const char *dir, struct policy_folder *out,
                                     struct diag *diag) MUST_CHECK;
void policy_folder_clear(struct policy_folder *f);
void policy_bundle_free(struct policy_bundle *b);
/* policy_bundle_hash: SHA-256 over chancery/bundle/v1 (docs/ISSUANCE.md): each file's path and
 * SHA-256. */
const uint8_t *policy_bundle_hash(const struct policy_bundle *b);
/* Forbidden in every product TBS whatever the bundle says: names in the service trust domain. */
enum chancery_err policy_bundle_set_trust_domain(struct policy_bundle *b,
                                                 const char *domain) MUST_CHECK;

/* ---- profiles, as ca needs them to build ---- */

/* Shape of a TBS that the judge accepts, so of what a writer has to write:
 *   serial      16 random octets, first one 01..7f
 *   validity    not_before = now - backdate_s; not_after <= now + validity_s, or, when the request
 * asks for a life, min(that, validity_max_s); never past the issuer's own end; then rounded down to
 * a multiple of round_s subject     the rows
 * of `subject` in order, single-valued. A row with a fixed value takes it; the n-th row of a type
 * that is copied takes the request's n-th value of that type, and is left out when there is none
 * and it is not required; the n-th row of a claim takes the claim's n-th value in the same way.
 * cn_from_first_dns: a copied CN that the request lacks is the first DNS name (sorted order) of at
 * most 64 octets. String types: PrintableString for C, serialNumber and dnQualifier, IA5String for
 * DC and emailAddress, UTF8String else. extensions  any order, exactly these: keyUsage (critical)
 * unless key_usage is 0; basicConstraints (critical) always, empty when not a CA; extendedKeyUsage,
 * certificatePolicies unless empty; subjectKeyIdentifier (RFC 7093 method 1);
 * authorityKeyIdentifier (key id); subjectAltName with the request's names in their order unless
 * there are none, critical when the subject is empty; cRLDistributionPoints, authorityInfoAccess
 * (OCSP before caIssuers) and id-pkix-ocsp-nocheck as the template says; then those of
 * template_ext.h. */
struct policy_profile;
size_t policy_profile_count(const struct policy_bundle *b);
const struct policy_profile *policy_profile_at(const struct policy_bundle *b, size_t i);
const struct policy_profile *policy_profile_find(const struct policy_bundle *b, struct slice name);

/* Where the value of an attribute comes from: the bundle, the request's subject, or a claim of the
 * evidence that registration stated. */
enum policy_from {
    POLICY_FROM_NONE = 0,
    POLICY_FROM_BUNDLE,
    POLICY_FROM_REQUEST,
    POLICY_FROM_EVIDENCE
};
struct policy_template_rdn {
    struct slice oid; /* attribute type, content octets */
    enum policy_from from;
    struct slice fixed; /* POLICY_FROM_BUNDLE: UTF-8 value */
    struct slice claim; /* POLICY_FROM_EVIDENCE: name of the claim */
    bool required;
};
/* Which issuer of a pool signs: the one; by the request's digest; one whose key is, like the
 * subject's, RSA or elliptic curve (Edwards curves too). */
enum policy_choose {
    POLICY_CHOOSE_NONE = 0,
    POLICY_CHOOSE_ONE,
    POLICY_CHOOSE_SPREAD,
    POLICY_CHOOSE_KEY_TYPE
};
/* What a certificate of the profile looks like: everything ca needs to write the TBS. */
struct policy_template {
    const char *name;
    const char *const *issuers; /* ids; which of them signs: `choose` */
    size_t n_issuers;           /* 1 to POLICY_POOL_ISSUERS */
    enum policy_choose choose;
    int64_t validity_s, backdate_s; /* life unless the request asks for another */
    int64_t validity_max_s;         /* most that a request may ask for */
    int64_t round_s;                /* not_after is a multiple of it; 0: any second */
    const struct policy_template_rdn
        *subject; /* in order; RDNs of the request not listed are dropped
                     only if drop_unlisted, else refused by the judge */
    size_t n_subject;
    bool drop_unlisted;
    bool cn_from_first_dns;       /* when the request has no CN and the profile wants one */
    unsigned key_usage;           /* bits as x509_ext_key_usage; 0: no extension */
    unsigned key_usage_rsa_extra; /* bits added for RSA keys (keyEncipherment) */
    const struct slice *eku;      /* OID content octets */
    size_t n_eku;
    const struct policy_certificate_policy *policies;
    size_t n_policies;
    bool is_ca;
    int path_len; /* -1: none */
    bool ocsp_nocheck;
    bool cdp, aia_ocsp, aia_ca; /* write the pointer extensions */
    struct policy_template_extensions ext;
};
const struct policy_template *policy_profile_template(const struct policy_profile *p);

/* ---- judging ---- */

enum policy_outcome { POLICY_NONE = 0, POLICY_FAIL = 1, POLICY_PASS = 2, POLICY_NA = 3 };
struct policy_rule {
    const char *rule; /* stable id; static */
    enum policy_outcome outcome;
    const char *field;
    const char *observed; /* in the verdict's pool */
    const char *required; /* static, the bundle's, or in the pool */
    const char *source;   /* "profiles/web.yaml:12"; the bundle's or static */
};
/* No limit on `cas_below`: the certificate has no path length. */
#define POLICY_CAS_UNLIMITED 255U
struct policy_issuer {
    const char *issuer_id;
    struct slice subject; /* Name DER that the TBS must name as issuer */
    struct slice ski;     /* key id that the AKI must hold */
    uint8_t spki_sha256[32];
    enum crypto_key_type key_type;
    int64_t not_after_s;
    uint32_t shards;
    unsigned cas_below; /* levels of CAs that may stand below it (RFC 5280 4.2.1.9); 0: none */
    const char *crl_url_base, *ocsp_url, *aia_url_base;
};
/* Signed approvals of the request, as they came; the judge verifies them (lib/approval). */
struct policy_approval {
    struct slice bytes, signature;
};
struct policy_usage; /* what quotas and the history of issuance say: limits.h */
struct policy_facts {
    const struct permit_request *request;
    const struct policy_approval *approvals;
    size_t n_approvals;
    const struct policy_usage *usage; /* NULL: not known, and rules that need it fail */
    struct slice tbs; /* final TBSCertificate; empty: judge the request alone (Evaluate) */
    const struct policy_issuer *issuer;
    int64_t now_s;
    const uint8_t (
        *own_keys)[32]; /* SPKI hashes that are never a subject's: this CA's other keys */
    size_t n_own_keys;
};
struct policy_verdict {
    enum policy_outcome verdict; /* POLICY_FAIL unless every applicable rule passed; POLICY_NA: all
                                    but the limits, which are open (limits.h) */
    size_t n;
    struct policy_rule rules[POLICY_RULES_MAX];
    uint8_t rules_sha256[32]; /* for the permit item */
    size_t pool_len;
    char pool[POLICY_POOL];
};
/* policy_judge_certificate evaluates every rule; never fails: what cannot be read is a failed rule.
 * Without TBS the rules over its bytes are "not applicable": such a verdict must never be
 * permitted. */
void policy_judge_certificate(const struct policy_bundle *b, const struct policy_facts *f,
                              struct policy_verdict *out);

struct policy_crl_facts {
    const struct policy_issuer *issuer;
    uint32_t shard;
    uint64_t number;
    int64_t this_update_s, next_update_s, now_s;
};
void policy_judge_crl(const struct policy_bundle *b, const struct policy_crl_facts *f,
                      struct policy_verdict *out);

#endif
