/* Tile paths, bundles, and the builder: which files a log of a given size has, and their bytes. */
#include "tests_tlog.h"

static void path_is(int level, uint64_t index, unsigned width, const char *want)
{
    char got[96];
    assert_int_equal(tlog_tile_path(level, index, width, got, sizeof got), CH_OK);
    assert_string_equal(got, want);
}

static void tile_path_examples_of_the_specification(void **state)
{
    (void)state;
    path_is(0, 1234067, 256, "tile/0/x001/x234/067");
    path_is(0, 0, 256, "tile/0/000");
    path_is(1, 999, 256, "tile/1/999");
    path_is(2, 1000, 1, "tile/2/x001/000.p/1");
    path_is(-1, 1234067, 112, "tile/entries/x001/x234/067.p/112");
    path_is(63, UINT64_MAX, 255, "tile/63/x018/x446/x744/x073/x709/x551/615.p/255");
}

static void tile_path_bad_arguments_are_refused(void **state)
{
    (void)state;
    char got[96] = "kept";
    assert_int_equal(tlog_tile_path(-2, 0, 256, got, sizeof got), CH_INVALID);
    assert_int_equal(tlog_tile_path(64, 0, 256, got, sizeof got), CH_INVALID);
    assert_int_equal(tlog_tile_path(0, 0, 0, got, sizeof got), CH_INVALID);
    assert_int_equal(tlog_tile_path(0, 0, 257, got, sizeof got), CH_INVALID);
    assert_int_equal(tlog_tile_path(0, 0, 256, got, strlen("tile/0/000")), CH_LIMIT);
    assert_string_equal(got, "kept");
    assert_int_equal(tlog_tile_path(0, 0, 256, got, strlen("tile/0/000") + 1), CH_OK);
}

static enum chancery_err count_entry(void *ctx, size_t i, struct slice entry)
{
    size_t *n = ctx;
    assert_int_equal(i, *n);
    (void)entry;
    (*n)++;
    return CH_OK;
}

static void bundle_cut_or_overlong_is_refused(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1 << 20);
    assert_int_equal(tlog_bundle_add(&b, slice_str("one")), CH_OK);
    assert_int_equal(tlog_bundle_add(&b, slice_str("")), CH_OK);
    assert_int_equal(tlog_bundle_add(&b, slice_str("three")), CH_OK);
    size_t n = 0;
    assert_int_equal(tlog_bundle_each(buf_slice(&b), count_entry, &n), CH_OK);
    assert_int_equal(n, 3);
    n = 0;
    assert_int_equal(tlog_bundle_each(slice_sub(buf_slice(&b), 0, b.len - 1), count_entry, &n),
                     CH_MALFORMED);
    n = 0;
    assert_int_equal(buf_add_u8(&b, 0), CH_OK); /* one trailing byte */
    assert_int_equal(tlog_bundle_each(buf_slice(&b), count_entry, &n), CH_MALFORMED);
    buf_reset(&b);
    for (int i = 0; i < 257; i++) {
        assert_int_equal(tlog_bundle_add(&b, slice_str("x")), CH_OK);
    }
    n = 0;
    assert_int_equal(tlog_bundle_each(buf_slice(&b), count_entry, &n), CH_LIMIT);
    static const uint8_t big[TLOG_ENTRY_MAX + 1];
    buf_reset(&b);
    assert_int_equal(tlog_bundle_add(&b, slice_of(big, sizeof big)), CH_LIMIT);
    assert_int_equal(b.len, 0);
    assert_int_equal(tlog_bundle_add(&b, slice_of(big, TLOG_ENTRY_MAX)), CH_OK);
    assert_int_equal(b.len, TLOG_ENTRY_MAX + 2);
    buf_clear(&b);
}

struct seen {
    unsigned full[3], full_bundles, partials;
    char last[8][96];
    size_t last_len[8];
};

static enum chancery_err see_file(void *ctx, const char *path, struct slice content)
{
    struct seen *s = ctx;
    if (strstr(path, ".p/") != NULL) {
        assert_true(s->partials < 8);
        (void)snprintf(s->last[s->partials], 96, "%s", path);
        s->last_len[s->partials++] = content.len;
    } else if (strncmp(path, "tile/entries/", 13) == 0) {
        s->full_bundles++;
    } else {
        assert_int_equal(content.len, 8192);
        s->full[path[5] - '0']++;
    }
    return CH_OK;
}

/* tlog-tiles' own example: size 70,000. */
static void builder_size_70000_has_the_files_of_the_example(void **state)
{
    (void)state;
    struct tlog_tiles *t = malloc(sizeof *t);
    assert_non_null(t);
    tlog_tiles_init(t);
    struct tlog_range range = {0};
    struct seen s = {0};
    for (uint64_t i = 0; i < 70000; i++) {
        char text[64];
        struct slice entry = vector_entry(i, text);
        assert_int_equal(tlog_tiles_add(t, entry, see_file, &s), CH_OK);
        struct tlog_hash leaf;
        struct tlog_hash a;
        struct tlog_hash b;
        tlog_leaf_hash(entry, &leaf);
        tlog_range_add(&range, &leaf);
        if (i < 600 || i % 9973 == 0 || i > 69990) {
            tlog_tiles_root(t, &a);
            tlog_range_root(&range, &b);
            assert_memory_equal(a.b, b.b, TLOG_HASH);
        }
    }
    assert_int_equal(s.partials, 0);
    assert_int_equal(tlog_tiles_partials(t, see_file, &s), CH_OK);
    assert_int_equal(s.full[0], 273);
    assert_int_equal(s.full_bundles, 273);
    assert_int_equal(s.full[1], 1);
    assert_int_equal(s.full[2], 0);
    assert_int_equal(s.partials, 4);
    assert_string_equal(s.last[0], "tile/entries/273.p/112");
    assert_string_equal(s.last[1], "tile/0/273.p/112");
    assert_int_equal(s.last_len[1], 112 * 32);
    assert_string_equal(s.last[2], "tile/1/001.p/17");
    assert_string_equal(s.last[3], "tile/2/000.p/1");
    struct tlog_hash root;
    tlog_tiles_root(t, &root);
    assert_hash(&root, "QxoGntOoR24Ucq7l6Kds69yThtZ+dqmHQgQ2IaPXMWo=");
    tlog_tiles_clear(t);
    free(t);
}

static void builder_empty_log_has_no_files_and_the_empty_root(void **state)
{
    (void)state;
    struct tlog_tiles *t = malloc(sizeof *t);
    assert_non_null(t);
    tlog_tiles_init(t);
    struct seen s = {0};
    assert_int_equal(tlog_tiles_partials(t, see_file, &s), CH_OK);
    assert_int_equal(s.partials, 0);
    struct tlog_hash root;
    tlog_tiles_root(t, &root);
    assert_hash(&root, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    tlog_tiles_clear(t);
    free(t);
}

static void tile_node_reads_inner_hashes(void **state)
{
    (void)state;
    struct tlog_hash leaves[100];
    for (uint64_t i = 0; i < 100; i++) {
        char text[64];
        tlog_leaf_hash(vector_entry(i, text), &leaves[i]);
    }
    struct tlog_hash want;
    struct tlog_hash got;
    tlog_root(&leaves[32], 32, &want);
    assert_int_equal(tlog_tile_node(leaves, 100, 5, 1, &got), CH_OK);
    assert_memory_equal(got.b, want.b, TLOG_HASH);
    assert_int_equal(tlog_tile_node(leaves, 100, 8, 256 + 99, &got), CH_OK);
    assert_memory_equal(got.b, leaves[99].b, TLOG_HASH);
    assert_int_equal(tlog_tile_node(leaves, 100, 5, 3, &got), CH_NOT_FOUND);
    assert_int_equal(tlog_tile_node(leaves, 100, 0, 100, &got), CH_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tile_path_examples_of_the_specification),
        cmocka_unit_test(tile_path_bad_arguments_are_refused),
        cmocka_unit_test(bundle_cut_or_overlong_is_refused),
        cmocka_unit_test(builder_size_70000_has_the_files_of_the_example),
        cmocka_unit_test(builder_empty_log_has_no_files_and_the_empty_root),
        cmocka_unit_test(tile_node_reads_inner_hashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
