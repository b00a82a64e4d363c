/* Readiness: the signer holds a key for every issuer, matched by the SHA-256 of its SPKI. */
#include "ca.h"

#include "chancery/signer/v1/signer.pb-c.h"

#define CHECK_MS 1000

static bool listed(const Chancery__Signer__V1__ListKeysResponse *r, const struct ca_issuer *i)
{
    const struct slice want = slice_of(crypto_public_spki_sha256(i->key), 32);
    for (size_t k = 0; k < r->n_keys; k++) {
        if (slice_eq(rpc_slice(r->keys[k]->spki_sha256), want)) {
            return true;
        }
    }
    return false;
}

enum chancery_err ca_keys_check(void *ctx, struct diag *diag)
{
    struct ca *ca = ctx;
    if (atomic_load(&ca->keys_found)) {
        return CH_OK;
    }
    struct arena arena CLEANUP(arena_clear);
    arena_init(&arena, 0);
    Chancery__Signer__V1__ListKeysRequest m = CHANCERY__SIGNER__V1__LIST_KEYS_REQUEST__INIT;
    ProtobufCMessage *out = NULL;
    TRY(rpc_call_unary(ca->signer, &chancery__signer__v1__signer_service__descriptor, "ListKeys",
                       &m.base, CHECK_MS, &arena, &out, diag));
    for (size_t i = 0; i < ca->n_issuers; i++) {
        if (!listed((const Chancery__Signer__V1__ListKeysResponse *)out, &ca->issuers[i])) {
            return diag_set(diag, CH_UNAVAILABLE, "signer", "signer.key",
                            "the signer has no key for issuer %s", ca->issuers[i].issuer_id);
        }
    }
    atomic_store(&ca->keys_found, true);
    return CH_OK;
}
