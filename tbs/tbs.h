/* The TBS writer: a TBSCertificate from profile, request, key and issuer. Pure: no clock, no I/O,
 * no randomness of its own.
 *
 * It writes what a sound request deserves; whether the result may be signed is policy's judgement,
 * over the bytes, with a reader that shares no code with this. What breaks an encoding rule is
 * refused here. chancery-ca builds with it; the tools of the policy engine build with it what ca
 * would build under another bundle. */
#ifndef CHANCERY_TBS_TBS_H
#define CHANCERY_TBS_TBS_H

#include "policy/policy.h"
#include "x509/x509.h"

#define TBS_SERIAL 16 /* octets: 127 random bits (CA/Browser Forum BR 7.1 wants 64) */

/* A profile under an issuer, with everything of its certificates that does not depend on the
 * request. */
struct tbs_profile {
    const struct policy_template *t;
    const struct policy_issuer *issuer;
    struct slice key_usage, key_usage_rsa; /* empty: no extension */
    struct slice basic, eku, policies, constraints, features, aki;
    struct slice aia, aia_no_ocsp; /* the second beside noRevAvail */
    const struct slice *custom;    /* one for each of t->ext.custom; empty: from the request */
};

/* tbs_profile_prepare fills `out` for a template under an issuer, both of which must outlive it;
 * values live in `arena`. CH_LIMIT, CH_NOMEM. */
enum chancery_err tbs_profile_prepare(const struct policy_template *t,
                                      const struct policy_issuer *issuer, struct arena *arena,
                                      struct tbs_profile *out) MUST_CHECK;

/* tbs_issuer_choose gives the place in t->issuers of the issuer that signs: the only one; or, of
 * those that fit (key_type: RSA for RSA, elliptic curves for elliptic curves) and have not ended,
 * the one that the first eight octets of the request's digest pick. The same request always has the
 * same issuer. CH_REFUSED "issuer.key_type" when none fits. */
struct tbs_choice {
    const struct policy_template *t;
    const struct policy_issuer *const *members; /* one for each of t->issuers */
    enum crypto_key_type subject;
    const uint8_t *request_digest; /* PERMIT_DIGEST octets */
    int64_t now_s;
};
enum chancery_err tbs_issuer_choose(const struct tbs_choice *c, size_t *out,
                                    struct diag *diag) MUST_CHECK;

struct tbs_input {
    const struct tbs_profile *profile;
    const struct permit_request *request;
    const struct crypto_public *key; /* proven to be the requester's */
    struct slice serial;             /* TBS_SERIAL octets, first one 01..7f */
    int64_t now_s;
};
struct tbs_built {
    struct slice tbs, subject; /* DER */
    uint8_t tbs_sha256[32];
    int64_t not_before_s, not_after_s;
    uint32_t shard;
};

/* tbs_build writes the TBS; results live in `arena`. Rules "name.*", "build.*", among them
 * "build.validity": nothing is left of the life. */
enum chancery_err tbs_build(const struct tbs_input *in, struct arena *arena, struct tbs_built *out,
                            struct diag *diag) MUST_CHECK;

/* tbs_crl_url writes the URL of a shard's CRL: <base>/<issuer>/<shard>.crl. CH_LIMIT. */
enum chancery_err tbs_crl_url(const char *base, const char *issuer_id, uint32_t shard, char *out,
                              size_t cap) MUST_CHECK;

#endif
