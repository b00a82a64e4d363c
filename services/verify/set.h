/* A set of 16-octet keys with a number each. Keys are cut from SHA-256 values or are made so. */
#ifndef CHANCERY_VERIFY_SET_H
#define CHANCERY_VERIFY_SET_H

#include "base/bytes.h"

#define VERIFY_SET_KEY 16

struct verify_set {
    struct verify_set_slot *slots;
    size_t cap, used;
};

/* verify_set_key makes the key of a text: the first half of its SHA-256. */
void verify_set_key(struct slice text, uint8_t out[VERIFY_SET_KEY]);

/* verify_set_find returns the number of a key, borrowed; NULL when it is not there. */
uint64_t *verify_set_find(const struct verify_set *s, const uint8_t key[VERIFY_SET_KEY]);

/* verify_set_add adds a key that is not there. CH_NOMEM. */
enum chancery_err verify_set_add(struct verify_set *s, const uint8_t key[VERIFY_SET_KEY],
                                 uint64_t number) MUST_CHECK;
void verify_set_clear(struct verify_set *s);

#endif
