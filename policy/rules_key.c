/* The subject's key: allowed, sound, the one that was asked for, and not one of ours. */
#include "policy/policy_int.h"

#define FERMAT_ROUNDS 100 /* CA/Browser Forum BR 6.1.1.3 (5) */

static const char field[] = "tbs.subjectPublicKeyInfo";

static bool own_key(const struct policy_facts *f, const uint8_t hash[32])
{
    if (memcmp(f->issuer->spki_sha256, hash, 32) == 0) {
        return true;
    }
    for (size_t i = 0; i < f->n_own_keys; i++) {
        if (memcmp(f->own_keys[i], hash, 32) == 0) {
            return true;
        }
    }
    return false;
}

/* What is known without the key itself: its hash. */
static void rules_hash(struct policy_judge *j)
{
    uint8_t hash[32] = {0};
    if (j->has_tbs) {
        crypto_sha256(j->tbs.spki, hash);
        policy_say_hex(j, "key.request", slice_eq(slice_of(hash, 32), j->r->spki_sha256), field,
                       "engine", slice_of(hash, 32), "the key of the request");
    } else {
        policy_say_na(j, "key.request", field, "engine");
        if (j->r->spki_sha256.len == 32) {
            memcpy(hash, j->r->spki_sha256.ptr, 32);
        }
    }
    policy_say_hex(j, "key.own", !own_key(j->f, hash), field, "engine", slice_of(hash, 32),
                   "not a key of this CA");
}

static bool is_rsa(enum crypto_key_type t)
{
    return t == CRYPTO_KEY_RSA_2048 || t == CRYPTO_KEY_RSA_3072 || t == CRYPTO_KEY_RSA_4096;
}

static bool exponent_allowed(const struct policy_profile *p, struct slice e)
{
    uint64_t v = 0;
    while (e.len > 0 && e.ptr[0] == 0) {
        e = slice_sub(e, 1, e.len);
    }
    if (e.len > 8) {
        return false;
    }
    for (size_t i = 0; i < e.len; i++) {
        v = v << 8 | e.ptr[i];
    }
    for (size_t i = 0; i < p->n_exponents; i++) {
        if (p->exponents[i] == v) {
            return true;
        }
    }
    return false;
}

/* Weak RSA keys (NIST SP 800-56B 6.4.2, CA/Browser Forum BR 6.1.1.3 and 6.1.6). */
static void rules_rsa(struct policy_judge *j, bool applies)
{
    if (!applies) {
        policy_say_na(j, "rsa.exponent", field, j->p->keys_source);
        policy_say_na(j, "rsa.modulus.small_factor", field, "engine");
        policy_say_na(j, "rsa.modulus.close_primes", field, "engine");
        return;
    }
    struct slice n = j->key.rsa_n, e = j->key.rsa_e;
    policy_say_hex(j, "rsa.exponent", exponent_allowed(j->p, e), field, j->p->keys_source, e,
                   "an exponent of the profile");
    uint32_t factor = policy_primes_factor(j->b, n);
    policy_say_number(j, "rsa.modulus.small_factor", factor == 0, field, "engine", factor,
                      "no factor below 65536");
    bool close = policy_primes_close(n, FERMAT_ROUNDS);
    policy_say(j, "rsa.modulus.close_primes", policy_outcome_of(!close), field, "engine",
               slice_str(close ? "factored" : "not factored"), "100 rounds of Fermat's method");
}

void policy_rules_key(struct policy_judge *j)
{
    rules_hash(j);
    if (!j->has_tbs) {
        policy_say_na(j, "key.sound", field, "engine");
        policy_say_na(j, "key.type", field, j->p->keys_source);
        rules_rsa(j, false);
        return;
    }
    struct diag why = {0};
    enum chancery_err err = crypto_spki_read(j->tbs.spki, &j->key, &why);
    /* An even modulus, an exponent of 1, a point off the curve are refused here, by crypto's rule.
     */
    policy_say(j, "key.sound", policy_outcome_of(err == CH_OK), field, "engine",
               slice_str(err == CH_OK ? "sound" : why.rule), "readable and sound");
    enum crypto_key_type type = j->key.type;
    bool allowed = type != CRYPTO_KEY_NONE && (j->p->key_types & (1U << type)) != 0;
    policy_say(j, "key.type", policy_outcome_of(allowed), field, j->p->keys_source,
               slice_str(crypto_key_type_name(type)), "a key type of the profile");
    rules_rsa(j, is_rsa(type));
}
