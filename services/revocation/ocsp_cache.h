/* Signed OCSP answers, kept until they should be renewed. Bounded, thread-safe.
 *
 * An answer is looked up by its CertID octets within the set of its (issuer, serial). A revocation
 * drops the whole set entry of that serial. An answer computed from a status read before the drop
 * can never be put back: the token taken before the status was read is older than the drop. The
 * same holds for whole shards, by which other instances' revocations are learnt. */
#ifndef CHANCERY_REVOCATION_OCSP_CACHE_H
#define CHANCERY_REVOCATION_OCSP_CACHE_H

#include <stdatomic.h>

#include "base/bytes.h"

struct revocation_cache;

struct revocation_answer {
    atomic_uint refs;
    int64_t this_update_s, next_update_s;
    int64_t fresh_until_s; /* past it a new answer is made */
    char etag[40];         /* quoted hexadecimal of the response's hash */
    size_t len;
    uint8_t der[];
};

/* Where an answer belongs. */
struct revocation_cache_key {
    uint32_t issuer; /* index of the issuer in this process */
    struct slice serial, cert_id;
};

/* revocation_cache_new makes room for about `max` answers and `series` (issuer, shard) pairs,
 * numbered by the caller. */
enum chancery_err revocation_cache_new(size_t max, size_t series,
                                       struct revocation_cache **out) MUST_CHECK;
void revocation_cache_free(struct revocation_cache *c);

/* revocation_answer_new copies `der` into a new answer with one reference; NULL without memory. */
struct revocation_answer *revocation_answer_new(struct slice der);
void revocation_answer_unref(struct revocation_answer *a);

/* revocation_cache_token: take before reading the status that an answer will state. */
uint64_t revocation_cache_token(struct revocation_cache *c);

/* revocation_cache_get returns a referenced fresh answer or NULL. `series`: the caller's number of
 * the (issuer, shard) the serial belongs to. */
struct revocation_answer *revocation_cache_get(struct revocation_cache *c,
                                               const struct revocation_cache_key *key,
                                               size_t series, int64_t now_s);

/* revocation_cache_put keeps `a` (taking a reference of its own) unless something was dropped since
 * `token`. */
void revocation_cache_put(struct revocation_cache *c, const struct revocation_cache_key *key,
                          size_t series, struct revocation_answer *a, uint64_t token);

/* revocation_cache_drop forgets a serial; revocation_cache_drop_series a whole shard. */
void revocation_cache_drop(struct revocation_cache *c, uint32_t issuer, struct slice serial);
void revocation_cache_drop_series(struct revocation_cache *c, size_t series);

#endif
