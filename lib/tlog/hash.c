/* RFC 6962 2.1 hashing: leaves, nodes, compact ranges. */
#include "tlog/tlog.h"

#include <assert.h>

/* Most entries fit here; longer ones are hashed in pieces. */
#define LEAF_ON_STACK 4096

void tlog_leaf_hash(struct slice entry, struct tlog_hash *out)
{
    uint8_t bytes[LEAF_ON_STACK];
    if (entry.len < sizeof bytes) {
        bytes[0] = 0;
        if (entry.len > 0) {
            memcpy(bytes + 1, entry.ptr, entry.len);
        }
        crypto_sha256(slice_of(bytes, entry.len + 1), out->b);
        return;
    }
    static const uint8_t leaf_prefix = 0;
    struct crypto_hasher *h = crypto_hasher_new(CRYPTO_HASH_SHA256);
    assert(h != NULL);
    crypto_hasher_update(h, slice_of(&leaf_prefix, 1));
    crypto_hasher_update(h, entry);
    crypto_hasher_final(h, out->b);
    crypto_hasher_free(h);
}

void tlog_node_hash(const struct tlog_hash *l, const struct tlog_hash *r, struct tlog_hash *out)
{
    uint8_t bytes[1 + 2 * TLOG_HASH];
    bytes[0] = 1;
    memcpy(bytes + 1, l->b, TLOG_HASH);
    memcpy(bytes + 1 + TLOG_HASH, r->b, TLOG_HASH);
    crypto_sha256(slice_of(bytes, sizeof bytes), out->b);
}

static unsigned ones(uint64_t v)
{
    unsigned n = 0;
    for (; v != 0; v &= v - 1) {
        n++;
    }
    return n;
}

void tlog_range_add(struct tlog_range *r, const struct tlog_hash *leaf)
{
    assert(r->size != UINT64_MAX);
    unsigned n = ones(r->size);
    struct tlog_hash node = *leaf;
    /* Each trailing one bit of the size is a perfect subtree that the new leaf completes. */
    for (uint64_t s = r->size; (s & 1) != 0; s >>= 1) {
        tlog_node_hash(&r->nodes[--n], &node, &node);
    }
    r->nodes[n] = node;
    r->size++;
}

void tlog_range_root(const struct tlog_range *r, struct tlog_hash *out)
{
    unsigned n = ones(r->size);
    if (n == 0) {
        crypto_sha256(slice_of("", 0), out->b);
        return;
    }
    struct tlog_hash root = r->nodes[n - 1];
    for (unsigned i = n - 1; i > 0; i--) {
        tlog_node_hash(&r->nodes[i - 1], &root, &root);
    }
    *out = root;
}

void tlog_root(const struct tlog_hash *leaves, size_t n, struct tlog_hash *out)
{
    struct tlog_range range = {0};
    for (size_t i = 0; i < n; i++) {
        tlog_range_add(&range, &leaves[i]);
    }
    tlog_range_root(&range, out);
}
