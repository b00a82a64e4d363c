/* Open addressing, doubling at half full. */
#include "set.h"

#include <stdlib.h>

#include "crypto/alg.h"

struct verify_set_slot {
    uint8_t key[VERIFY_SET_KEY];
    uint64_t number;
    bool full;
};

void verify_set_key(struct slice text, uint8_t out[VERIFY_SET_KEY])
{
    uint8_t digest[32];
    crypto_sha256(text, digest);
    memcpy(out, digest, VERIFY_SET_KEY);
}

static struct verify_set_slot *locate(struct verify_set_slot *slots, size_t cap,
                                      const uint8_t key[VERIFY_SET_KEY])
{
    uint64_t h;
    memcpy(&h, key, sizeof h);
    size_t i = (size_t)h & (cap - 1);
    while (slots[i].full && memcmp(slots[i].key, key, VERIFY_SET_KEY) != 0) {
        i = (i + 1) & (cap - 1);
    }
    return &slots[i];
}

uint64_t *verify_set_find(const struct verify_set *s, const uint8_t key[VERIFY_SET_KEY])
{
    if (s->cap == 0) {
        return NULL;
    }
    struct verify_set_slot *slot = locate(s->slots, s->cap, key);
    return slot->full ? &slot->number : NULL;
}

static enum chancery_err grow(struct verify_set *s)
{
    size_t cap = s->cap == 0 ? 1024 : 2 * s->cap;
    struct verify_set_slot *slots = calloc(cap, sizeof *slots);
    if (slots == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < s->cap; i++) {
        if (s->slots[i].full) {
            *locate(slots, cap, s->slots[i].key) = s->slots[i];
        }
    }
    free(s->slots);
    s->slots = slots;
    s->cap = cap;
    return CH_OK;
}

enum chancery_err verify_set_add(struct verify_set *s, const uint8_t key[VERIFY_SET_KEY],
                                 uint64_t number)
{
    if (2 * s->used >= s->cap) {
        TRY(grow(s));
    }
    struct verify_set_slot *slot = locate(s->slots, s->cap, key);
    memcpy(slot->key, key, VERIFY_SET_KEY);
    slot->number = number;
    slot->full = true;
    s->used++;
    return CH_OK;
}

void verify_set_clear(struct verify_set *s)
{
    free(s->slots);
    memset(s, 0, sizeof *s);
}
