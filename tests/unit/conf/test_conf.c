/* lib/conf: the subset, the typed readers, positions and suggestions in errors, hostile input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf/conf.h"

static struct conf_doc *parse_ok(const char *text)
{
    struct conf_doc *doc = NULL;
    struct diag d = {0};
    enum chancery_err err = conf_parse("t.yaml", slice_str(text), &doc, &d);
    if (err != CH_OK) {
        fail_msg("%s: %s %s", text, d.field, d.text);
    }
    return doc;
}

static void refuse(struct slice text, enum chancery_err want, const char *rule, const char *field)
{
    struct conf_doc *doc = NULL;
    struct diag d = {0};
    assert_int_equal(conf_parse("t.yaml", text, &doc, &d), want);
    assert_null(doc);
    assert_string_equal(d.rule, rule);
    if (field != NULL) {
        assert_string_equal(d.field, field);
    }
}

static void tree_typed_values_read(void **state)
{
    (void)state;
    struct conf_doc *doc = parse_ok("name: web\nn: -12\non: true\nlife: 1d12h\nsize: 64KiB\n"
                                    "list: [a, 'b', \"c\"]\nmap: {x: {y: 1}}\n");
    const struct conf_node *root = conf_root(doc), *list = NULL, *map = NULL;
    struct diag d = {0};
    const char *s = NULL;
    int64_t v = 0;
    bool b = false;
    assert_int_equal(conf_string(root, "name", CONF_REQUIRED, &s, &d), CH_OK);
    assert_string_equal(s, "web");
    assert_int_equal(conf_int(root, "n", CONF_REQUIRED, -12, 12, &v, &d), CH_OK);
    assert_int_equal(v, -12);
    assert_int_equal(conf_bool(root, "on", CONF_REQUIRED, &b, &d), CH_OK);
    assert_true(b);
    assert_int_equal(conf_duration_s(root, "life", CONF_REQUIRED, 0, 1 << 30, &v, &d), CH_OK);
    assert_int_equal(v, 129600);
    assert_int_equal(conf_size(root, "size", CONF_REQUIRED, 0, 1 << 30, &v, &d), CH_OK);
    assert_int_equal(v, 65536);
    assert_int_equal(conf_list(root, "list", CONF_REQUIRED, &list, &d), CH_OK);
    assert_int_equal(conf_count(list), 3);
    assert_int_equal(conf_scalar(conf_at(list, 2), &s, &d), CH_OK);
    assert_string_equal(s, "c");
    assert_int_equal(conf_map(root, "map", CONF_REQUIRED, &map, &d), CH_OK);
    assert_string_equal(conf_key_at(map, 0), "x");
    assert_int_equal(conf_int(conf_at(map, 0), "y", CONF_REQUIRED, 0, 9, &v, &d), CH_OK);
    assert_int_equal(conf_line(conf_at(map, 0)), 7);
    assert_int_equal(conf_finish(root, &d), CH_OK);
    conf_free(doc);
}

static void typed_wrong_values_refused(void **state)
{
    (void)state;
    static const char *const ints[] = {
        "+1", "01",  "0x1", "1 ",     "1_0", "'1'", "9223372036854775808",
        "-0", "1.0", "[1]", "{a: 1}", "1-",  "101"};
    static const char *const durations[] = {"90",  "1h1d",  "1d1d", "d",     "1w",
                                            "-1d", "1d 2h", "1.5d", "'1d '", "106751991167301d"};
    char text[64];
    struct diag d;
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++) {
        int64_t v = 77;
        (void)snprintf(text, sizeof text, "v: %s\n", ints[i]);
        if (strcmp(ints[i], "1 ") == 0) {
            (void)snprintf(text, sizeof text, "v: \"1 \"\n");
        }
        struct conf_doc *doc = parse_ok(text);
        assert_int_equal(conf_int(conf_root(doc), "v", CONF_REQUIRED, 0, 100, &v, &d), CH_INVALID);
        assert_int_equal(v, 77);
        assert_string_equal(d.field, "t.yaml:1:4");
        conf_free(doc);
    }
    for (size_t i = 0; i < sizeof durations / sizeof *durations; i++) {
        int64_t v = 77;
        (void)snprintf(text, sizeof text, "v: %s\n", durations[i]);
        struct conf_doc *doc = parse_ok(text);
        assert_int_equal(conf_duration_s(conf_root(doc), "v", CONF_REQUIRED, 0, INT64_MAX, &v, &d),
                         CH_INVALID);
        conf_free(doc);
    }
}

static void rates_are_a_count_per_duration(void **state)
{
    (void)state;
    static const char *const bad[] = {"5",      "5/",      "/1h",   "5/h",   "05/1h",
                                      "5/1h ",  "5/1h/1h", "+5/1h", "5 /1h", "0/1h",
                                      "101/1h", "5/0s",    "5/367d"};
    struct conf_doc *doc = parse_ok("v: 100/1d12h\n");
    struct diag d = {0};
    int64_t n = 0, period = 0;
    assert_int_equal(conf_rate(conf_root(doc), "v", CONF_REQUIRED, 100, &n, &period, &d), CH_OK);
    assert_int_equal(n, 100);
    assert_int_equal(period, 129600);
    assert_int_equal(conf_rate(conf_root(doc), "w", CONF_OPTIONAL, 100, &n, &period, &d), CH_OK);
    assert_int_equal(n, 100);
    conf_free(doc);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "v: '%s'\n", bad[i]);
        doc = parse_ok(text);
        n = 77;
        assert_int_equal(conf_rate(conf_root(doc), "v", CONF_REQUIRED, 100, &n, &period, &d),
                         CH_INVALID);
        assert_int_equal(n, 77);
        conf_free(doc);
    }
}

static void typed_missing_key_keeps_default(void **state)
{
    (void)state;
    struct conf_doc *doc = parse_ok("a: 1\n");
    struct diag d = {0};
    int64_t v = 5;
    const char *s = "x";
    assert_int_equal(conf_int(conf_root(doc), "b", CONF_OPTIONAL, 0, 1, &v, &d), CH_OK);
    assert_int_equal(v, 5);
    assert_int_equal(conf_string(conf_root(doc), "b", CONF_REQUIRED, &s, &d), CH_INVALID);
    assert_string_equal(d.rule, "conf.required");
    assert_string_equal(s, "x");
    conf_free(doc);
}

static void finish_unknown_key_suggests_nearest(void **state)
{
    (void)state;
    struct conf_doc *doc = parse_ok("a: 1\nsub:\n  backdat: 5m\n");
    const struct conf_node *root = conf_root(doc), *sub = NULL;
    struct diag d = {0};
    int64_t v = 0;
    (void)conf_get(root, "a");
    assert_int_equal(conf_map(root, "sub", CONF_REQUIRED, &sub, &d), CH_OK);
    assert_int_equal(conf_duration_s(sub, "backdate", CONF_OPTIONAL, 0, 9, &v, &d), CH_OK);
    assert_int_equal(conf_duration_s(sub, "maximum", CONF_OPTIONAL, 0, 9, &v, &d), CH_OK);
    assert_int_equal(conf_finish(root, &d), CH_INVALID);
    assert_string_equal(d.field, "t.yaml:3:3");
    assert_non_null(strstr(d.text, "did you mean \"backdate\""));
    conf_free(doc);
}

static void parse_outside_subset_refused(void **state)
{
    (void)state;
    refuse(slice_str("a: &x 1\nb: 2\n"), CH_INVALID, "conf.anchor", "t.yaml:1:4");
    refuse(slice_str("a: &x [1]\nb: *x\n"), CH_INVALID, "conf.anchor", NULL);
    refuse(slice_str("a: *x\n"), CH_INVALID, "conf.anchor", NULL);
    refuse(slice_str("a: !!str 1\n"), CH_INVALID, "conf.tag", NULL);
    refuse(slice_str("a: ! 1\n"), CH_INVALID, "conf.tag", NULL);
    refuse(slice_str("a: !x {b: 1}\n"), CH_INVALID, "conf.tag", NULL);
    refuse(slice_str("a: 1\nb: 2\na: 3\n"), CH_INVALID, "conf.duplicate", "t.yaml:3:1");
    refuse(slice_str("a: {x: 1, 'x': 2}\n"), CH_INVALID, "conf.duplicate", NULL);
    refuse(slice_str("a: 1\n---\nb: 2\n"), CH_INVALID, "conf.documents", NULL);
    refuse(slice_str("%YAML 1.1\n---\na: 1\n"), CH_INVALID, "conf.directive", NULL);
    refuse(slice_str("a:\nb: 1\n"), CH_INVALID, "conf.empty", NULL);
    refuse(slice_str(""), CH_INVALID, "conf.empty", NULL);
    refuse(slice_str("# nothing\n"), CH_INVALID, "conf.empty", NULL);
    refuse(slice_str("? [a]\n: 1\n"), CH_INVALID, "conf.key", NULL);
    refuse(slice_str("a: [1\n"), CH_MALFORMED, "conf.yaml", NULL);
    refuse(slice_str("a: b: c\n"), CH_MALFORMED, "conf.yaml", NULL);
    refuse(slice_str("a: \"\\0\"\n"), CH_INVALID, "conf.nul", NULL);
    refuse(slice_of("a: b\0\n", 6), CH_INVALID, "conf.nul", NULL);
    refuse(slice_str("a: \xff\n"), CH_INVALID, "conf.utf8", NULL);
    refuse(slice_str("\xef\xbb\xbf"
                     "a: 1\n"),
           CH_INVALID, "conf.utf8", NULL);
    refuse(slice_of("\xff\xfe"
                    "a\0:\0 \0b\0",
                    10),
           CH_INVALID, "conf.nul", NULL);
}

static void parse_hostile_sizes_refused(void **state)
{
    (void)state;
    char deep[64] = "";
    memset(deep, '[', 17);
    memset(deep + 17, ']', 17);
    refuse(slice_of(deep, 34), CH_LIMIT, "conf.depth", NULL);
    struct conf_doc *doc = NULL;
    assert_int_equal(conf_parse("t", slice_of(deep + 1, 32), &doc, NULL), CH_OK);
    conf_free(doc);
    size_t n = (size_t)4 << 20;
    char *big = malloc(n + 1);
    assert_non_null(big);
    memset(big, '[', n);
    refuse(slice_of(big, n), CH_LIMIT, "conf.depth", NULL);
    memset(big, '#', n + 1);
    refuse(slice_of(big, n + 1), CH_LIMIT, "conf.size", NULL);
    for (size_t i = 0; i + 3 < n; i += 4) {
        memcpy(big + i, "- a\n", 4);
    }
    refuse(slice_of(big, n), CH_LIMIT, "conf.nodes", NULL);
    free(big);
}

static void map_of_many_keys_found(void **state)
{
    (void)state;
    struct buf b CLEANUP(buf_clear);
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 20000; i++) {
        assert_int_equal(buf_printf(&b, "k%05d: %d\n", (i * 7919) % 20000, i), CH_OK);
    }
    struct conf_doc *doc = NULL;
    assert_int_equal(conf_parse("t.yaml", buf_slice(&b), &doc, NULL), CH_OK);
    for (int i = 0; i < 20000; i++) {
        char key[16];
        int64_t v = -1;
        (void)snprintf(key, sizeof key, "k%05d", (i * 7919) % 20000);
        assert_int_equal(conf_int(conf_root(doc), key, CONF_REQUIRED, 0, 20000, &v, NULL), CH_OK);
        assert_int_equal(v, i);
    }
    assert_int_equal(conf_finish(conf_root(doc), NULL), CH_OK);
    conf_free(doc);
}

static void load_file_names_it_in_errors(void **state)
{
    (void)state;
    char path[] = "/tmp/chancery-conf-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "a: [\n", 5), 5);
    (void)close(fd);
    struct conf_doc *doc = NULL;
    struct diag d = {0};
    assert_int_equal(conf_load(path, &doc, &d), CH_MALFORMED);
    assert_memory_equal(d.field, path, strlen(path));
    (void)unlink(path);
    assert_int_equal(conf_load(path, &doc, &d), CH_NOT_FOUND);
    assert_null(doc);
}

static void load_empty_file_refused(void **state)
{
    (void)state;
    char path[] = "/tmp/chancery-conf-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)close(fd);
    struct conf_doc *doc = NULL;
    struct diag diag = {0};
    assert_int_equal(conf_load(path, &doc, &diag), CH_INVALID);
    assert_string_equal(diag.rule, "conf.empty");
    assert_int_equal(conf_parse("none", (struct slice){0}, &doc, &diag), CH_INVALID);
    assert_null(doc);
    (void)unlink(path);
}

static struct conf_doc *parsed(const char *name, const char *text)
{
    struct conf_doc *doc = NULL;
    assert_int_equal(conf_parse(name, slice_str(text), &doc, NULL), CH_OK);
    return doc;
}

static void overlay_keeps_places_and_merges_one_level(void **state)
{
    (void)state;
    struct conf_doc *base = parsed("base", "name: b\na: 1\nm: {x: 1, deep: {p: 1, q: 2}}\nl: [1]\n"
                                           "s: {k: 1}\nonly: here\n");
    struct conf_doc *over =
        parsed("over", "name: o\nm:\n  x: 2\n  deep: {p: 3}\n  y: 4\nl: [2, 3]\ns: text\n");
    const struct conf_node *out = NULL, *m, *n;
    static const char *const own[] = {"name", "only", NULL};
    assert_int_equal(conf_overlay(conf_root(base), conf_root(over), own, &out, NULL), CH_OK);
    assert_int_equal(conf_count(out), 5); /* name a m l s */
    const char *text = NULL;
    int64_t v = 0;
    assert_int_equal(conf_string(out, "name", CONF_REQUIRED, &text, NULL), CH_OK);
    assert_string_equal(text, "o");
    assert_null(conf_get(out, "only"));
    assert_int_equal(conf_int(out, "a", CONF_REQUIRED, 0, 9, &v, NULL), CH_OK);
    assert_string_equal(conf_file(conf_get(out, "a")), "base");
    assert_int_equal(conf_line(conf_get(out, "a")), 2);
    m = conf_get(out, "m");
    assert_string_equal(conf_file(m), "over");
    assert_int_equal(conf_line(m), 3);       /* where its first key stands */
    assert_ptr_equal(conf_beneath(m), NULL); /* it took nothing */
    assert_int_equal(conf_int(m, "x", CONF_REQUIRED, 0, 9, &v, NULL), CH_OK);
    assert_int_equal(v, 2);
    n = conf_get(m, "deep"); /* not merged: second level */
    assert_int_equal(conf_count(n), 1);
    assert_int_equal(conf_count(conf_get(out, "l")), 2);
    assert_int_equal(conf_kind(conf_get(out, "s")), CONF_SCALAR);
    assert_ptr_equal(conf_beneath(out), conf_root(base));
    /* Nobody asked for m.y and m.deep.p; nothing of the base is left over. */
    struct diag d = {0};
    assert_int_equal(conf_finish(out, &d), CH_INVALID);
    assert_string_equal(d.field, "over:4:10");
    conf_free(over);
    conf_free(base);
}

static void overlay_reports_unknown_keys_where_they_stand(void **state)
{
    (void)state;
    struct conf_doc *base = parsed("base", "m: {x: 1,\n    ecks: 2}\n");
    struct conf_doc *over = parsed("over", "m: {y: 2}\n");
    const struct conf_node *out = NULL;
    struct diag d = {0};
    int64_t v = 0;
    assert_int_equal(conf_overlay(conf_root(base), conf_root(over), NULL, &out, &d), CH_OK);
    const struct conf_node *m = conf_get(out, "m");
    assert_ptr_equal(conf_beneath(m), conf_get(conf_root(base), "m"));
    assert_int_equal(conf_int(m, "x", CONF_REQUIRED, 0, 9, &v, NULL), CH_OK);
    assert_int_equal(conf_int(m, "y", CONF_REQUIRED, 0, 9, &v, NULL), CH_OK);
    assert_int_equal(conf_int(m, "eck", CONF_OPTIONAL, 0, 9, &v, NULL), CH_OK);
    assert_int_equal(conf_finish(out, &d), CH_INVALID);
    assert_string_equal(d.field, "base:2:5");
    assert_non_null(strstr(d.text, "did you mean \"eck\""));
    conf_free(over);
    over = parsed("over", "[1]\n");
    assert_int_equal(conf_overlay(conf_root(base), conf_root(over), NULL, &out, &d), CH_INVALID);
    assert_string_equal(d.field, "over:1:1");
    assert_int_equal(conf_overlay(conf_root(over), conf_root(base), NULL, &out, &d), CH_INVALID);
    assert_string_equal(d.rule, "conf.type");
    conf_free(over);
    conf_free(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tree_typed_values_read),
        cmocka_unit_test(typed_wrong_values_refused),
        cmocka_unit_test(rates_are_a_count_per_duration),
        cmocka_unit_test(typed_missing_key_keeps_default),
        cmocka_unit_test(finish_unknown_key_suggests_nearest),
        cmocka_unit_test(parse_outside_subset_refused),
        cmocka_unit_test(parse_hostile_sizes_refused),
        cmocka_unit_test(map_of_many_keys_found),
        cmocka_unit_test(load_file_names_it_in_errors),
        cmocka_unit_test(load_empty_file_refused),
        cmocka_unit_test(overlay_keeps_places_and_merges_one_level),
        cmocka_unit_test(overlay_reports_unknown_keys_where_they_stand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
