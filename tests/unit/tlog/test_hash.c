/* Roots of the published vectors; compact range against whole tree. */
#include "tests_tlog.h"

static const struct {
    size_t n;
    const char *root;
} vectors[] = {
    {0, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="},
    {1, "Fgthy0Mp7dlDPBkjnrOkzlo806Z3GbCS+Teoi43T9QQ="},
    {2, "Ubt1qa29X3qlbrhOs0lUIzMo0g7Dm8+8Xm/+0/1KX/M="},
    {3, "oLcd/ymAWB0tF1xKi2kRTHDlEkdlo/XBMD33b2t+QYw="},
    {7, "rsy7CeuyJiPaWTEvu9WnslWyWd3ozbQC1UBp62wDd7c="},
    {255, "MzS5CLsK3m1KVzssAv2PTxSYiVfcUkUiK7syK0TaTwM="},
    {256, "DFhkKEdfoPRmFBXXe3Nvqq4wL3MhL+sDyMs/N/pY42I="},
    {257, "fnFwf+Mmf10W6ddBgvlhDERLa/7T+71w+2OF6u6J42Q="},
    {65536, "Jg+F4ikuuccELyG2tW5+VtSKzvF4Zs2aOabuRr+rOMw="},
    {70000, "QxoGntOoR24Ucq7l6Kds69yThtZ+dqmHQgQ2IaPXMWo="},
};
#define N_VECTORS (sizeof vectors / sizeof vectors[0])

static void range_root_vectors_match(void **state)
{
    (void)state;
    struct tlog_range range = {0};
    size_t next = 0;
    for (uint64_t i = 0;; i++) {
        if (next < N_VECTORS && i == vectors[next].n) {
            struct tlog_hash root;
            tlog_range_root(&range, &root);
            assert_hash(&root, vectors[next++].root);
        }
        if (next == N_VECTORS) {
            break;
        }
        char text[64];
        struct tlog_hash leaf;
        tlog_leaf_hash(vector_entry(i, text), &leaf);
        tlog_range_add(&range, &leaf);
        assert_int_equal(range.size, i + 1);
    }
}

static void root_of_array_vectors_match(void **state)
{
    (void)state;
    struct tlog_hash *leaves = calloc(70000, sizeof *leaves);
    assert_non_null(leaves);
    for (uint64_t i = 0; i < 70000; i++) {
        char text[64];
        tlog_leaf_hash(vector_entry(i, text), &leaves[i]);
    }
    for (size_t i = 0; i < N_VECTORS; i++) {
        struct tlog_hash root;
        tlog_root(leaves, vectors[i].n, &root);
        assert_hash(&root, vectors[i].root);
    }
    free(leaves);
}

/* RFC 6962 2.1: the leaf prefix is 0, the node prefix 1, and long entries hash like short ones. */
static void leaf_hash_long_entries_equal_digest_of_prefixed_bytes(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 4094, 4095, 4096, 65535};
    uint8_t *bytes = malloc(65536);
    assert_non_null(bytes);
    memset(bytes, 'x', 65536);
    bytes[0] = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t want[32];
        struct tlog_hash got;
        crypto_sha256(slice_of(bytes, sizes[i] + 1), want);
        tlog_leaf_hash(slice_of(bytes + 1, sizes[i]), &got);
        assert_memory_equal(got.b, want, 32);
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(range_root_vectors_match),
        cmocka_unit_test(root_of_array_vectors_match),
        cmocka_unit_test(leaf_hash_long_entries_equal_digest_of_prefixed_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
