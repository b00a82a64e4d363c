/* Proofs: every index and every pair of sizes up to 300, against the recursive definitions of RFC
 * 6962. */
#include "tests_tlog.h"

#define SIZES ((size_t)300)
#define LEVELS 9

static struct tlog_hash levels[LEVELS][SIZES];
static struct tlog_hash roots[SIZES + 1];

static int setup(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < SIZES; i++) {
        char text[64];
        tlog_leaf_hash(vector_entry(i, text), &levels[0][i]);
    }
    for (unsigned l = 1; l < LEVELS; l++) {
        for (size_t i = 0; i < SIZES >> l; i++) {
            tlog_node_hash(&levels[l - 1][2 * i], &levels[l - 1][2 * i + 1], &levels[l][i]);
        }
    }
    for (size_t n = 0; n <= SIZES; n++) {
        tlog_root(levels[0], n, &roots[n]);
    }
    return 0;
}

static enum chancery_err node(void *ctx, unsigned level, uint64_t index, struct tlog_hash *out)
{
    uint64_t size = *(uint64_t *)ctx;
    assert_true(level < LEVELS &&
                (index + 1) << level <= size); /* perfect subtrees of this tree only */
    *out = levels[level][index];
    return CH_OK;
}

/* RFC 6962 2.1.1 as it stands: PATH(m, D[n]). */
static size_t path(size_t m, size_t from, size_t n, struct tlog_hash *out)
{
    if (n == 1) {
        return 0;
    }
    size_t k = 1;
    while (2 * k < n) {
        k *= 2;
    }
    size_t used = m < k ? path(m, from, k, out) : path(m - k, from + k, n - k, out);
    if (m < k) {
        tlog_root(&levels[0][from + k], n - k, &out[used]);
    } else {
        tlog_root(&levels[0][from], k, &out[used]);
    }
    return used + 1;
}

/* RFC 6962 2.1.2: SUBPROOF(m, D[n], b). */
static size_t subproof(size_t m, size_t from, size_t n, bool b, struct tlog_hash *out)
{
    if (m == n) {
        if (!b) {
            tlog_root(&levels[0][from], n, &out[0]);
        }
        return b ? 0 : 1;
    }
    size_t k = 1;
    while (2 * k < n) {
        k *= 2;
    }
    size_t used;
    if (m <= k) {
        used = subproof(m, from, k, b, out);
        tlog_root(&levels[0][from + k], n - k, &out[used]);
    } else {
        used = subproof(m - k, from + k, n - k, false, out);
        tlog_root(&levels[0][from], k, &out[used]);
    }
    return used + 1;
}

static bool included(uint64_t index, uint64_t size, const struct tlog_hash *leaf,
                     const struct tlog_hash *proof, size_t n)
{
    bool valid = true;
    tlog_verify_inclusion(index, size, leaf, proof, n, &roots[size], &valid);
    return valid;
}

static void inclusion_all_indices_to_300_equal_rfc_and_verify(void **state)
{
    (void)state;
    for (uint64_t size = 1; size <= SIZES; size++) {
        for (uint64_t i = 0; i < size; i++) {
            struct tlog_hash proof[TLOG_PROOF_MAX];
            size_t n = 0;
            assert_int_equal(tlog_prove_inclusion(i, size, node, &size, proof, &n), CH_OK);
            assert_true(included(i, size, &levels[0][i], proof, n));
            if (size <= 40 || i == size - 1 || i == size / 3) {
                struct tlog_hash want[TLOG_PROOF_MAX];
                assert_int_equal(path(i, 0, size, want), n);
                assert_memory_equal(want, proof, n * sizeof *want);
            }
        }
    }
}

static void inclusion_altered_is_refused(void **state)
{
    (void)state;
    for (uint64_t size = 1; size <= 70; size++) {
        for (uint64_t i = 0; i < size; i++) {
            struct tlog_hash proof[TLOG_PROOF_MAX] = {0};
            size_t n = 0;
            assert_int_equal(tlog_prove_inclusion(i, size, node, &size, proof, &n), CH_OK);
            assert_false(included(i, size, &levels[0][(i + 1) % SIZES], proof, n));
            assert_false(included(i, size, &levels[0][i], proof, n + 1));
            assert_false(included(size, size, &levels[0][i], proof, n));
            if (n > 0) {
                assert_false(included(i, size, &levels[0][i], proof, n - 1));
                assert_false(included((i + 1) % size, size, &levels[0][i], proof, n));
                proof[n - 1].b[31] ^= 1;
                assert_false(included(i, size, &levels[0][i], proof, n));
            }
        }
    }
    assert_false(included(0, 0, &levels[0][0], NULL, 0));
}

static bool consistent(uint64_t old, uint64_t size, const struct tlog_hash *proof, size_t n)
{
    bool valid = true;
    tlog_verify_consistency(old, &roots[old], size, &roots[size], proof, n, &valid);
    return valid;
}

static void consistency_all_pairs_to_300_equal_rfc_and_verify(void **state)
{
    (void)state;
    for (uint64_t size = 0; size <= SIZES; size++) {
        for (uint64_t old = 0; old <= size; old++) {
            struct tlog_hash proof[TLOG_PROOF_MAX];
            size_t n = 0;
            assert_int_equal(tlog_prove_consistency(old, size, node, &size, proof, &n), CH_OK);
            assert_true(consistent(old, size, proof, n));
            if (old > 0 && (size <= 40 || old == size / 2 || old == size - 1)) {
                struct tlog_hash want[TLOG_PROOF_MAX];
                assert_int_equal(subproof(old, 0, size, true, want), n);
                assert_memory_equal(want, proof, n * sizeof *want);
            }
        }
    }
}

static void consistency_altered_is_refused(void **state)
{
    (void)state;
    for (uint64_t size = 2; size <= 70; size++) {
        for (uint64_t old = 1; old < size; old++) {
            struct tlog_hash proof[TLOG_PROOF_MAX] = {0};
            size_t n = 0;
            assert_int_equal(tlog_prove_consistency(old, size, node, &size, proof, &n), CH_OK);
            assert_false(consistent(old, size, proof, n + 1));
            assert_false(consistent(old, size, proof, n - 1));
            bool valid = true;
            tlog_verify_consistency(old, &roots[old - 1], size, &roots[size], proof, n, &valid);
            assert_false(valid);
            tlog_verify_consistency(old, &roots[old], size, &roots[size - 1], proof, n, &valid);
            assert_false(valid);
            proof[n / 2].b[0] ^= 0x80;
            assert_false(consistent(old, size, proof, n));
        }
    }
    bool valid = true;
    tlog_verify_consistency(3, &roots[3], 2, &roots[2], NULL, 0, &valid); /* a shrunk log */
    assert_false(valid);
    tlog_verify_consistency(3, &roots[3], 3, &roots[4], NULL, 0,
                            &valid); /* two roots at one size */
    assert_false(valid);
    tlog_verify_consistency(0, &roots[1], 3, &roots[3], NULL, 0, &valid); /* not the empty tree */
    assert_false(valid);
}

static enum chancery_err broken_node(void *ctx, unsigned level, uint64_t index,
                                     struct tlog_hash *out)
{
    (void)ctx;
    (void)level;
    (void)index;
    (void)out;
    return CH_IO;
}

static void prover_bad_arguments_and_node_errors_are_reported(void **state)
{
    (void)state;
    struct tlog_hash proof[TLOG_PROOF_MAX];
    size_t n = 99;
    uint64_t size = 5;
    assert_int_equal(tlog_prove_inclusion(5, 5, node, &size, proof, &n), CH_INVALID);
    assert_int_equal(tlog_prove_consistency(6, 5, node, &size, proof, &n), CH_INVALID);
    assert_int_equal(tlog_prove_inclusion(2, 5, broken_node, NULL, proof, &n), CH_IO);
    assert_int_equal(tlog_prove_consistency(2, 5, broken_node, NULL, proof, &n), CH_IO);
    assert_int_equal(n, 99); /* untouched on failure */
}

/* A proof in a tree of 2^64 - 1 leaves has at most 64 hashes and the arithmetic does not overflow.
 */
static enum chancery_err same_node(void *ctx, unsigned level, uint64_t index, struct tlog_hash *out)
{
    (void)ctx;
    assert_true(level < 64 && (index == 0 || index <= UINT64_MAX >> level));
    memset(out, (int)level, sizeof *out);
    return CH_OK;
}

static void inclusion_in_largest_tree_fits(void **state)
{
    (void)state;
    struct tlog_hash proof[TLOG_PROOF_MAX];
    size_t n = 0;
    assert_int_equal(tlog_prove_inclusion(0, UINT64_MAX, same_node, NULL, proof, &n), CH_OK);
    assert_int_equal(n, 64);
    assert_int_equal(tlog_prove_inclusion(UINT64_MAX - 1, UINT64_MAX, same_node, NULL, proof, &n),
                     CH_OK);
    assert_int_equal(tlog_prove_consistency(1ULL << 63, UINT64_MAX, same_node, NULL, proof, &n),
                     CH_LIMIT);
    assert_int_equal(
        tlog_prove_consistency((1ULL << 62) + 1, 1ULL << 63, same_node, NULL, proof, &n), CH_OK);
    assert_int_equal(n, 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inclusion_all_indices_to_300_equal_rfc_and_verify),
        cmocka_unit_test(inclusion_altered_is_refused),
        cmocka_unit_test(consistency_all_pairs_to_300_equal_rfc_and_verify),
        cmocka_unit_test(consistency_altered_is_refused),
        cmocka_unit_test(prover_bad_arguments_and_node_errors_are_reported),
        cmocka_unit_test(inclusion_in_largest_tree_fits),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
