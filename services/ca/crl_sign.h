/* From a checked CRL to its stored signature: permit, signer, verification, compare-and-swap. */
#ifndef CHANCERY_CA_CRL_SIGN_H
#define CHANCERY_CA_CRL_SIGN_H

#include "crl.h"
#include "spool.h"
#include "store.h"

#define CA_CRL_MAX ((uint64_t)1 << 30) /* the signer's limit; 100,000 entries have 5 MB */

/* A CRL under way; filled step by step. */
struct ca_crl_job {
    struct ca *ca;
    struct ca_crl_header header;
    uint64_t previous_number, tbs_length, entries;
    struct ca_spool spool;
    struct crypto_hasher *sha256, *own; /* own: the issuer's hash when that is another one */
    uint8_t tbs_sha256[32], digest[CRYPTO_HASH_MAX];
    struct slice permit_bytes, permit_signature, permit_item, signature; /* in the call's arena */
    uint8_t permit_sha256[32];
    uint64_t result_index, intent_index;
    struct arena *arena;
    int64_t deadline_mono_ms, now_s;
};

/* ca_crl_job_sign takes a job whose spool is complete and checked to a stored signature. */
enum chancery_err ca_crl_job_sign(struct ca_crl_job *j, struct diag *diag) MUST_CHECK;

#endif
