/* chancery-ca: issuers, profiles and the parts that every request of this process shares.
 *
 * Built once by main and immutable afterwards, but for the bundles (bundles.h), the lease (lease.h)
 * and the worker pool (pool.h). Threading: any number of RPC workers use it side by side. */
#ifndef CHANCERY_CA_CA_H
#define CHANCERY_CA_CA_H

#include <stdatomic.h>

#include "daemon/daemon.h"
#include "db/db.h"
#include "permit/permit.h"
#include "policy/policy.h"
#include "tbs/tbs.h"
#include "x509/x509.h"

#define CA_SERIAL TBS_SERIAL
#define CA_CHAIN_MAX 8 /* certificates of a chain: real ones have two or three */
#define CA_ISSUERS_MAX 64

struct ca_issuer {
    const char *issuer_id;
    struct x509_cert cert;
    struct slice chain[CA_CHAIN_MAX]; /* DER, this issuer first, up to and with the root */
    size_t n_chain;
    bool chain_has_root;
    struct crypto_public *key;
    enum crypto_alg alg; /* its signatures */
    uint32_t shards;
    const char *crl_url_base, *ocsp_url, *aia_url_base;
    struct policy_issuer facts; /* the same for the writer; points to what stands above */
};

/* A profile, prepared for building under each issuer of its pool. */
struct ca_member {
    const struct ca_issuer *issuer;
    struct tbs_profile tbs;
};
struct ca_profile {
    const struct policy_template *t;
    struct ca_member *members;          /* one for each of t->issuers */
    const struct policy_issuer **facts; /* of the members, in the same order */
};

/* A bundle with its profiles prepared. Immutable. */
struct ca_bundle {
    struct policy_bundle *bundle;
    struct ca_profile *profiles;
    size_t n_profiles;
    struct arena arena; /* what profiles point to */
};

struct ca_bundles;
struct ca_pool;
struct ca_lease;

struct ca {
    struct daemon *d;
    struct db_pool *db;
    struct rpc_channel *policy, *signer;
    struct ca_issuer issuers[CA_ISSUERS_MAX];
    size_t n_issuers;
    struct ca_bundles *bundles; /* bundles.h */
    struct ca_pool *pool;
    struct ca_lease *lease;
    struct arena arena;     /* what issuers point to */
    atomic_bool keys_found; /* the signer holds a key for every issuer */
};

/* ca_issuers_load reads the ceremony's list of issuing CAs; certificates and chains beside it. Each
 * must stand in `trust` with the same certificate and number of shards. Rules "issuer.*". */
enum chancery_err ca_issuers_load(struct ca *ca, const char *path, const struct daemon_trust *trust,
                                  struct diag *diag) MUST_CHECK;
/* ca_issuers_free frees keys; the rest lies in the arena. */
void ca_issuers_free(struct ca *ca);
const struct ca_issuer *ca_issuer_find(const struct ca *ca, struct slice issuer_id);

/* ca_bundle_prepare prepares a bundle's profiles for the loaded issuers; takes the bundle, also on
 * failure. A profile of an unknown issuer is CH_INVALID "profile.issuer". */
enum chancery_err ca_bundle_prepare(struct ca *ca, struct policy_bundle *take_bundle,
                                    struct ca_bundle **out, struct diag *diag) MUST_CHECK;
void ca_bundle_free(struct ca_bundle *b);
const struct ca_profile *ca_profile_find(const struct ca_bundle *b, struct slice name);

/* ca_keys_check asks the signer whether it holds every issuer's key (readiness). CH_UNAVAILABLE
 * while it cannot be asked or a key is missing. */
enum chancery_err ca_keys_check(void *ctx, struct diag *diag);

#endif
