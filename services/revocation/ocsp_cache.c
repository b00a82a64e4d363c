/* Set-associative cache of OCSP answers (ocsp_cache.h). A set is chosen by issuer and serial, so
 * all answers about one certificate share it; when full, the answer that ages first gives way. */
#include "ocsp_cache.h"

#include <pthread.h>
#include <stdlib.h>

#define WAYS 8
#define LOCKS 64 /* sets share locks: contention falls, memory stays */

struct slot {
    struct revocation_answer *answer;
    uint32_t issuer;
    uint8_t serial[20];
    uint8_t serial_len;
    uint8_t id_len;
    uint8_t id[118]; /* SHA-256 CertID with 20-octet serial: 106 octets */
    uint64_t token;
};

struct set {
    uint64_t dropped; /* sequence of the last drop in this set */
    struct slot slots[WAYS];
};

struct revocation_cache {
    pthread_mutex_t locks[LOCKS];
    atomic_ullong sequence;
    size_t n_sets, n_series;
    struct set *sets;
    atomic_ullong *series_dropped;
};

enum chancery_err revocation_cache_new(size_t max, size_t series, struct revocation_cache **out)
{
    struct revocation_cache *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return CH_NOMEM;
    }
    c->n_sets = max / WAYS == 0 ? 1 : max / WAYS;
    c->n_series = series;
    c->sets = calloc(c->n_sets, sizeof(c->sets[0]));
    c->series_dropped = calloc(series == 0 ? 1 : series, sizeof(c->series_dropped[0]));
    for (size_t i = 0; i < LOCKS; i++) {
        pthread_mutex_init(&c->locks[i], NULL);
    }
    atomic_init(&c->sequence, 1);
    if (c->sets == NULL || c->series_dropped == NULL) {
        revocation_cache_free(c);
        return CH_NOMEM;
    }
    *out = c;
    return CH_OK;
}

void revocation_cache_free(struct revocation_cache *c)
{
    if (c == NULL) {
        return;
    }
    for (size_t i = 0; c->sets != NULL && i < c->n_sets; i++) {
        for (size_t w = 0; w < WAYS; w++) {
            revocation_answer_unref(c->sets[i].slots[w].answer);
        }
    }
    for (size_t i = 0; i < LOCKS; i++) {
        pthread_mutex_destroy(&c->locks[i]);
    }
    free(c->sets);
    free(c->series_dropped);
    free(c);
}

struct revocation_answer *revocation_answer_new(struct slice der)
{
    struct revocation_answer *a = calloc(1, sizeof(*a) + der.len);
    if (a != NULL) {
        atomic_init(&a->refs, 1);
        a->len = der.len;
        memcpy(a->der, der.ptr, der.len);
    }
    return a;
}

void revocation_answer_unref(struct revocation_answer *a)
{
    if (a != NULL && atomic_fetch_sub(&a->refs, 1) == 1) {
        free(a);
    }
}

uint64_t revocation_cache_token(struct revocation_cache *c)
{
    return atomic_fetch_add(&c->sequence, 1);
}

/* FNV-1a; serials hold 127 random bits, so nobody can aim at a set without finding real
 * certificates. */
static size_t set_of(const struct revocation_cache *c, uint32_t issuer, struct slice serial)
{
    uint64_t h = 1469598103934665603ULL ^ issuer;
    for (size_t i = 0; i < serial.len; i++) {
        h = (h ^ serial.ptr[i]) * 1099511628211ULL;
    }
    return (size_t)(h % c->n_sets);
}

static bool slot_is(const struct slot *s, uint32_t issuer, struct slice serial)
{
    return s->answer != NULL && s->issuer == issuer &&
           slice_eq(slice_of(s->serial, s->serial_len), serial);
}

static void slot_clear(struct slot *s)
{
    revocation_answer_unref(s->answer);
    *s = (struct slot){0};
}

static bool storable(const struct revocation_cache *c, const struct revocation_cache_key *key,
                     size_t series)
{
    const struct slot *s = NULL;
    return key->serial.len > 0 && key->serial.len <= sizeof(s->serial) &&
           key->cert_id.len <= sizeof(s->id) && series < c->n_series;
}

struct revocation_answer *revocation_cache_get(struct revocation_cache *c,
                                               const struct revocation_cache_key *key,
                                               size_t series, int64_t now_s)
{
    struct revocation_answer *found = NULL;
    if (!storable(c, key, series)) {
        return NULL;
    }
    size_t at = set_of(c, key->issuer, key->serial);
    pthread_mutex_lock(&c->locks[at % LOCKS]);
    for (size_t w = 0; w < WAYS && found == NULL; w++) {
        struct slot *s = &c->sets[at].slots[w];
        if (!slot_is(s, key->issuer, key->serial) ||
            !slice_eq(slice_of(s->id, s->id_len), key->cert_id)) {
            continue;
        }
        if (s->token <= atomic_load(&c->series_dropped[series]) ||
            now_s >= s->answer->fresh_until_s) {
            slot_clear(s);
            break;
        }
        found = s->answer;
        atomic_fetch_add(&found->refs, 1);
    }
    pthread_mutex_unlock(&c->locks[at % LOCKS]);
    return found;
}

/* The slot to overwrite: the same CertID, else a free one, else the one that ages first. */
static struct slot *victim(struct set *set, const struct revocation_cache_key *key)
{
    struct slot *best = &set->slots[0];
    for (size_t w = 0; w < WAYS; w++) {
        struct slot *s = &set->slots[w];
        if (slot_is(s, key->issuer, key->serial) &&
            slice_eq(slice_of(s->id, s->id_len), key->cert_id)) {
            return s;
        }
        if (best->answer != NULL &&
            (s->answer == NULL || s->answer->fresh_until_s < best->answer->fresh_until_s)) {
            best = s;
        }
    }
    return best;
}

void revocation_cache_put(struct revocation_cache *c, const struct revocation_cache_key *key,
                          size_t series, struct revocation_answer *a, uint64_t token)
{
    if (!storable(c, key, series)) {
        return;
    }
    size_t at = set_of(c, key->issuer, key->serial);
    struct set *set = &c->sets[at];
    pthread_mutex_lock(&c->locks[at % LOCKS]);
    if (token > set->dropped && token > atomic_load(&c->series_dropped[series])) {
        struct slot *s = victim(set, key);
        slot_clear(s);
        atomic_fetch_add(&a->refs, 1);
        s->answer = a;
        s->issuer = key->issuer;
        s->token = token;
        s->serial_len = (uint8_t)key->serial.len;
        memcpy(s->serial, key->serial.ptr, key->serial.len);
        s->id_len = (uint8_t)key->cert_id.len;
        memcpy(s->id, key->cert_id.ptr, key->cert_id.len);
    }
    pthread_mutex_unlock(&c->locks[at % LOCKS]);
}

void revocation_cache_drop(struct revocation_cache *c, uint32_t issuer, struct slice serial)
{
    size_t at = set_of(c, issuer, serial);
    pthread_mutex_lock(&c->locks[at % LOCKS]);
    c->sets[at].dropped = atomic_fetch_add(&c->sequence, 1);
    for (size_t w = 0; w < WAYS; w++) {
        if (slot_is(&c->sets[at].slots[w], issuer, serial)) {
            slot_clear(&c->sets[at].slots[w]);
        }
    }
    pthread_mutex_unlock(&c->locks[at % LOCKS]);
}

void revocation_cache_drop_series(struct revocation_cache *c, size_t series)
{
    if (series < c->n_series) {
        atomic_store(&c->series_dropped[series], atomic_fetch_add(&c->sequence, 1));
    }
}
