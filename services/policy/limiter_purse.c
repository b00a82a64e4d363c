/* Tokens that this instance has leased and not spent yet, by scope; and the last requests that were
 * paid from them. Used under the limiter's lock. */
#include "limiter_int.h"

#include <stdlib.h>

#define BUCKETS 16384

struct purse {
    struct purse *next;
    int64_t tokens, until_ms, interval_ns;
    size_t len;
    uint8_t key[];
};

struct known {
    uint8_t digest[32];
    int64_t until_ms; /* 0: empty */
};

struct policy_purse {
    struct purse *buckets[BUCKETS];
    size_t n;
    struct known known[LIMITS_KNOWN_SETS][4];
    unsigned turn; /* which of four is replaced next */
};

enum chancery_err policy_purse_new(struct policy_purse **out)
{
    struct policy_purse *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return CH_NOMEM;
    }
    *out = p;
    return CH_OK;
}

void policy_purse_free(struct policy_purse *p)
{
    for (size_t i = 0; p != NULL && i < BUCKETS; i++) {
        while (p->buckets[i] != NULL) {
            struct purse *one = p->buckets[i];
            p->buckets[i] = one->next;
            free(one);
        }
    }
    free(p);
}

/* FNV-1a: keys hold identities that their owners choose among their own; a crowded bucket is no
 * more than slow, and the number of purses is bounded. */
static size_t bucket_of(struct slice key)
{
    uint32_t h = 2166136261U;
    for (size_t i = 0; i < key.len; i++) {
        h = (h ^ key.ptr[i]) * 16777619U;
    }
    return h % BUCKETS;
}

static struct purse *find(const struct policy_purse *p, struct slice key)
{
    struct purse *one = p->buckets[bucket_of(key)];
    while (one != NULL && !slice_eq(slice_of(one->key, one->len), key)) {
        one = one->next;
    }
    return one;
}

int64_t policy_purse_have(struct policy_purse *p, struct slice key, int64_t now_ms)
{
    const struct purse *one = find(p, key);
    return one == NULL || now_ms >= one->until_ms ? 0 : one->tokens;
}

void policy_purse_take(struct policy_purse *p, struct slice key, int64_t tokens)
{
    struct purse *one = find(p, key);
    if (one != NULL) {
        one->tokens = one->tokens > tokens ? one->tokens - tokens : 0;
    }
}

bool policy_purse_room(struct policy_purse *p, struct slice key)
{
    return p->n < LIMITS_PURSES_MAX || find(p, key) != NULL;
}

bool policy_purse_set(struct policy_purse *p, struct slice key, int64_t interval_ns, int64_t tokens,
                      int64_t until_ms)
{
    struct purse *one = find(p, key);
    if (one == NULL) {
        one = p->n < LIMITS_PURSES_MAX ? malloc(sizeof *one + key.len) : NULL;
        if (one == NULL) {
            return false;
        }
        size_t at = bucket_of(key);
        *one = (struct purse){.next = p->buckets[at], .len = key.len};
        memcpy(one->key, key.ptr, key.len);
        p->buckets[at] = one;
        p->n++;
    }
    one->tokens = tokens;
    one->until_ms = until_ms;
    one->interval_ns = interval_ns;
    return true;
}

void policy_purse_tidy(struct policy_purse *p, int64_t now_ms)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        struct purse **at = &p->buckets[i];
        while (*at != NULL) {
            struct purse *one = *at;
            if (now_ms < one->until_ms) {
                at = &one->next;
                continue;
            }
            *at = one->next;
            free(one);
            p->n--;
        }
    }
}

void policy_purse_each(const struct policy_purse *p, int64_t now_ms, policy_purse_fn *fn, void *ctx)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        for (const struct purse *one = p->buckets[i]; one != NULL; one = one->next) {
            if (one->tokens > 0 && now_ms < one->until_ms) {
                fn(ctx, slice_of(one->key, one->len), one->interval_ns, one->tokens);
            }
        }
    }
}

/* ---- requests ---- */

static size_t set_of(const uint8_t digest[32])
{
    return ((size_t)digest[0] << 8 | digest[1]) % LIMITS_KNOWN_SETS;
}

bool policy_purse_knows(const struct policy_purse *p, const uint8_t digest[32], int64_t now_ms)
{
    const struct known *set = p->known[set_of(digest)];
    for (size_t i = 0; i < 4; i++) {
        if (now_ms < set[i].until_ms && memcmp(set[i].digest, digest, 32) == 0) {
            return true;
        }
    }
    return false;
}

void policy_purse_learn(struct policy_purse *p, const uint8_t digest[32], int64_t now_ms)
{
    struct known *one = &p->known[set_of(digest)][p->turn++ % 4];
    memcpy(one->digest, digest, 32);
    one->until_ms = now_ms + LIMITS_KNOWN_MS;
}
