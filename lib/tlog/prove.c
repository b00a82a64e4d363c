/* Inclusion and consistency proofs: made as RFC 6962 2.1.1 and 2.1.2 define them, verified with the
 * iterative algorithms of RFC 9162 2.1.3.2 and 2.1.4.2 (same proofs). */
#include "tlog/tlog.h"

/* Largest power of two below n, n > 1. */
static uint64_t split(uint64_t n)
{
    return (uint64_t)1 << (63 - __builtin_clzll(n - 1));
}

/* Root of leaves [start, start + n), start a multiple of the power of two at or above n: the
 * perfect subtrees of the range, folded from the right. */
static enum chancery_err subtree(uint64_t start, uint64_t n, tlog_node_fn *node, void *ctx,
                                 struct tlog_hash *out)
{
    struct tlog_hash root;
    bool have = false;
    uint64_t end = start + n;
    for (unsigned level = 0; n != 0; level++, n >>= 1) {
        if ((n & 1) == 0) {
            continue;
        }
        end -= (uint64_t)1 << level;
        struct tlog_hash left;
        TRY(node(ctx, level, end >> level, &left));
        if (have) {
            tlog_node_hash(&left, &root, &root);
        } else {
            root = left;
            have = true;
        }
    }
    *out = root;
    return CH_OK;
}

static void reverse(struct tlog_hash *p, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        struct tlog_hash kept = p[i];
        p[i] = p[n - 1 - i];
        p[n - 1 - i] = kept;
    }
}

enum chancery_err tlog_prove_inclusion(uint64_t index, uint64_t size, tlog_node_fn *node, void *ctx,
                                       struct tlog_hash proof[TLOG_PROOF_MAX], size_t *out_n)
{
    if (index >= size) {
        return CH_INVALID;
    }
    size_t n = 0;
    uint64_t start = 0;
    while (size > 1) {
        uint64_t k = split(size);
        if (index < k) {
            TRY(subtree(start + k, size - k, node, ctx, &proof[n]));
            size = k;
        } else {
            TRY(subtree(start, k, node, ctx, &proof[n]));
            start += k;
            index -= k;
            size -= k;
        }
        n++;
    }
    reverse(proof, n);
    *out_n = n;
    return CH_OK;
}

enum chancery_err tlog_prove_consistency(uint64_t old_size, uint64_t size, tlog_node_fn *node,
                                         void *ctx, struct tlog_hash proof[TLOG_PROOF_MAX],
                                         size_t *out_n)
{
    if (old_size > size) {
        return CH_INVALID;
    }
    if (size > (uint64_t)1 << 63) {
        return CH_LIMIT; /* such a proof may need TLOG_PROOF_MAX + 1 hashes */
    }
    size_t n = 0;
    if (old_size == 0 || old_size == size) {
        *out_n = 0; /* nothing to prove: every tree extends the empty one, and itself */
        return CH_OK;
    }
    uint64_t start = 0;
    bool known = true; /* the verifier has this subtree's root: it is the old root */
    while (old_size != size) {
        uint64_t k = split(size);
        if (old_size <= k) {
            TRY(subtree(start + k, size - k, node, ctx, &proof[n]));
            size = k;
        } else {
            TRY(subtree(start, k, node, ctx, &proof[n]));
            start += k;
            old_size -= k;
            size -= k;
            known = false;
        }
        n++;
    }
    if (!known) {
        TRY(subtree(start, size, node, ctx, &proof[n]));
        n++;
    }
    reverse(proof, n);
    *out_n = n;
    return CH_OK;
}

static bool same(const struct tlog_hash *a, const struct tlog_hash *b)
{
    return memcmp(a->b, b->b, TLOG_HASH) == 0;
}

void tlog_verify_inclusion(uint64_t index, uint64_t size, const struct tlog_hash *leaf,
                           const struct tlog_hash *proof, size_t n, const struct tlog_hash *root,
                           bool *out_valid)
{
    *out_valid = false;
    if (index >= size || n > TLOG_PROOF_MAX) {
        return;
    }
    uint64_t fn = index;
    uint64_t sn = size - 1;
    struct tlog_hash r = *leaf;
    for (size_t i = 0; i < n; i++) {
        if (sn == 0) {
            return;
        }
        if ((fn & 1) != 0 || fn == sn) {
            tlog_node_hash(&proof[i], &r, &r);
            while ((fn & 1) == 0 && fn != 0) {
                fn >>= 1;
                sn >>= 1;
            }
        } else {
            tlog_node_hash(&r, &proof[i], &r);
        }
        fn >>= 1;
        sn >>= 1;
    }
    *out_valid = sn == 0 && same(&r, root);
}

void tlog_verify_consistency(uint64_t old_size, const struct tlog_hash *old_root, uint64_t size,
                             const struct tlog_hash *root, const struct tlog_hash *proof, size_t n,
                             bool *out_valid)
{
    *out_valid = false;
    if (old_size > size || n > TLOG_PROOF_MAX) {
        return;
    }
    if (old_size == 0) {
        struct tlog_hash empty;
        tlog_root(NULL, 0, &empty);
        *out_valid = n == 0 && same(old_root, &empty) && (size != 0 || same(root, &empty));
        return;
    }
    if (old_size == size) {
        *out_valid = n == 0 && same(old_root, root);
        return;
    }
    uint64_t fn = old_size - 1;
    uint64_t sn = size - 1;
    while ((fn & 1) != 0) {
        fn >>= 1;
        sn >>= 1;
    }
    /* An old tree that is one perfect subtree starts the path itself. */
    size_t i = 0;
    if ((old_size & (old_size - 1)) != 0) {
        if (n == 0) {
            return;
        }
        i = 1;
    }
    struct tlog_hash fr = i == 0 ? *old_root : proof[0];
    struct tlog_hash sr = fr;
    for (; i < n; i++) {
        if (sn == 0) {
            return;
        }
        if ((fn & 1) != 0 || fn == sn) {
            tlog_node_hash(&proof[i], &fr, &fr);
            tlog_node_hash(&proof[i], &sr, &sr);
            while ((fn & 1) == 0 && fn != 0) {
                fn >>= 1;
                sn >>= 1;
            }
        } else {
            tlog_node_hash(&sr, &proof[i], &sr);
        }
        fn >>= 1;
        sn >>= 1;
    }
    *out_valid = sn == 0 && same(&fr, old_root) && same(&sr, root);
}
