/* Hostile bundles: each ends in a typed error that names file, line and column, never in a crash or
 * a bundle. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fix.h"

static const char HEAD[] = "version: 1\nname: t\ncrl: {max_validity: 8d}\n";
static const char MINIMAL[] = "name: p\nissuer: i\ncallers: ['/user/*']\nkeys: {types: [P-256]}\n"
                              "signature_algorithms: [ecdsa-with-SHA256]\nvalidity: {max: 1d}\n"
                              "subject: {}\nnames: {required: false}\nextensions: {}\n";

/* Compiles `text` as one file beside a sound bundle and expects `rule` at `where`. */
static void expect(const char *path, struct slice text, const char *rule, const char *where)
{
    struct policy_file f[] = {
        {"bundle.yaml", slice_str(HEAD)}, {"profiles/p.yaml", slice_str(MINIMAL)}, {path, text}};
    size_t n = 3;
    for (size_t i = 0; i < 2; i++) {
        if (strcmp(f[i].path, path) == 0) {
            f[i].content = text;
            n = 2;
        }
    }
    struct policy_bundle *b = NULL;
    struct diag d = {0};
    if (policy_bundle_compile(f, n, &b, &d) == CH_OK || strcmp(d.rule, rule) != 0 ||
        strcmp(d.field, where) != 0 || d.text[0] == '\0') {
        fail_msg("%s: wanted %s at %s, got %s at %s: %s", path, rule, where, d.rule, d.field,
                 d.text);
    }
}

static void repeat(struct buf *b, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(buf_add_str(b, text), CH_OK);
    }
}

#define LITERAL(s)                                                                                 \
    {                                                                                              \
        (const uint8_t *)(s), sizeof(s) - 1                                                        \
    }

static void files_that_are_no_yaml_of_ours_refused(void **state)
{
    (void)state;
    static const char *const paths[] = {"bundle.yaml", "bases/x.yaml", "profiles/p.yaml"};
    static const struct {
        struct slice text;
        const char *rule, *at;
    } rows[] = {
        {LITERAL(""), "conf.empty", "1:1"},
        {LITERAL("\xef\xbb\xbfname: p\n"), "conf.utf8", "1:1"},
        {LITERAL("name: \xff\n"), "conf.utf8", "1:1"},
        {LITERAL("name: \xc0\xaf\n"), "conf.utf8", "1:1"},
        {LITERAL("name: p\0q\n"), "conf.nul", "1:1"},
        {LITERAL("name: \"p\\0q\"\n"), "conf.nul", "1:7"},
        {LITERAL("a: &x [1]\nb: *x\n"), "conf.anchor", "1:4"},
        {LITERAL("a: *x\n"), "conf.anchor", "1:4"},
        {LITERAL("a: !!binary aGk=\n"), "conf.tag", "1:4"},
        {LITERAL("%YAML 1.1\n---\na: 1\n"), "conf.directive", "1:1"},
        {LITERAL("a: 1\n---\nb: 2\n"), "conf.documents", "2:1"},
        {LITERAL("a: 1\na: 2\n"), "conf.duplicate", "2:1"},
        {LITERAL("? [a, b]\n: 1\n"), "conf.key", "1:3"},
        {LITERAL("<<: {a: 1}\nb:\n"), "conf.empty", "2:3"},
        {LITERAL("a: [1\n"), "conf.yaml", "2:1"},
    };
    for (size_t p = 0; p < 3; p++) {
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            char where[64];
            (void)snprintf(where, sizeof where, "%s:%s", paths[p], rows[i].at);
            expect(paths[p], rows[i].text, rows[i].rule, where);
        }
    }
}

static void bombs_refused(void **state)
{
    (void)state;
    struct buf b CLEANUP(buf_clear);
    buf_init(&b, (size_t)8 << 20);
    repeat(&b, "[", 17);
    expect("profiles/p.yaml", buf_slice(&b), "conf.depth", "profiles/p.yaml:1:17");
    buf_reset(&b);
    repeat(&b, "{a: ", 100000);
    expect("bases/x.yaml", buf_slice(&b), "conf.depth", "bases/x.yaml:1:65");
    /* A billion laughs: the first anchor ends it. */
    buf_reset(&b);
    repeat(&b, "a: &a [x, x]\nb: &b [*a, *a]\n", 1);
    expect("profiles/p.yaml", buf_slice(&b), "conf.anchor", "profiles/p.yaml:1:4");
    buf_reset(&b);
    repeat(&b, "- a\n", 200000);
    expect("bundle.yaml", buf_slice(&b), "conf.nodes", "bundle.yaml:199998:3");
    buf_reset(&b);
    repeat(&b, "# 0123456789abcd\n", 246725); /* over 4 MiB of comments */
    expect("profiles/p.yaml", buf_slice(&b), "conf.size", "profiles/p.yaml:1:1");
}

static void files_of_4_mib_are_read(void **state)
{
    (void)state;
    struct buf text CLEANUP(buf_clear);
    buf_init(&text, (size_t)4 << 20);
    assert_int_equal(buf_add_str(&text, MINIMAL), CH_OK);
    while (text.len < (size_t)4 << 20) {
        repeat(&text, "\n", 1);
    }
    const struct policy_file f[] = {{"bundle.yaml", slice_str(HEAD)},
                                    {"profiles/p.yaml", buf_slice(&text)}};
    struct policy_bundle *b = NULL;
    assert_int_equal(policy_bundle_compile(f, 2, &b, NULL), CH_OK);
    policy_bundle_free(b);
}

static void huge_lists_refused(void **state)
{
    (void)state;
    struct buf b CLEANUP(buf_clear);
    buf_init(&b, (size_t)4 << 20);
    const char *at = strstr(MINIMAL, "['/user/*']");
    assert_int_equal(buf_add(&b, slice_of(MINIMAL, (size_t)(at - MINIMAL))), CH_OK);
    repeat(&b, "[", 1);
    repeat(&b, "/user/a, ", POLICY_LIST_MAX);
    repeat(&b, "/user/b]", 1);
    repeat(&b, at + 11, 1);
    expect("profiles/p.yaml", buf_slice(&b), "policy.list", "profiles/p.yaml:3:10");
}

/* A profile whose only custom extension has the value `text`, `n` times inside a sequence. */
static void expect_custom(const char *text, size_t n, const char *rule, const char *where)
{
    struct buf b CLEANUP(buf_clear);
    buf_init(&b, (size_t)4 << 20);
    const char *at = strstr(MINIMAL, "extensions: {}");
    assert_int_equal(buf_add(&b, slice_of(MINIMAL, (size_t)(at - MINIMAL))), CH_OK);
    repeat(&b, "extensions: {custom: [{oid: 1.2.3, value: {sequence: [", 1);
    repeat(&b, text, n);
    repeat(&b, "]}}]}\n", 1);
    expect("profiles/p.yaml", buf_slice(&b), rule, where);
}

static void custom_values_are_bounded(void **state)
{
    (void)state;
    expect_custom("{utf8: a},", 257, "policy.list", "profiles/p.yaml:9:54");
    expect_custom("{sequence: [{utf8: a}, {utf8: b}]},", 86, "policy.list",
                  "profiles/p.yaml:9:3030");
    expect_custom("{utf8: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa},", 100, "policy.value",
                  "profiles/p.yaml:9:43");
    expect_custom("{sequence: [{sequence: [{sequence: [{sequence: [{sequence: [{sequence: []}]}]}]}"
                  "]}]}",
                  1, "conf.depth", "profiles/p.yaml:9:115");
}

/* `n` profiles p0 .. compiled; the outcome and its rule. */
static enum chancery_err many(const char *folder, size_t n, struct diag *d)
{
    struct policy_file *f = calloc(n + 2, sizeof *f);
    char(*text)[64] = calloc(n, sizeof *text), (*path)[32] = calloc(n, sizeof *path);
    char base[512];
    assert_true(f != NULL && text != NULL && path != NULL);
    (void)snprintf(base, sizeof base, "name: all%s", MINIMAL + 7);
    f[0] = (struct policy_file){"bundle.yaml", slice_str(HEAD)};
    f[1] = (struct policy_file){"bases/all.yaml", slice_str(base)};
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(path[i], sizeof path[i], "%s/p%zu.yaml", folder, i);
        (void)snprintf(text[i], sizeof text[i], "name: p%zu\nextends: all\n", i);
        f[i + 2] = (struct policy_file){path[i], slice_str(text[i])};
    }
    struct policy_bundle *b = NULL;
    enum chancery_err err = policy_bundle_compile(f, n + 2, &b, d);
    if (err == CH_OK) {
        assert_int_equal(policy_profile_count(b), n);
        policy_bundle_free(b);
    }
    free(f);
    free(text);
    free(path);
    return err;
}

static void profiles_and_bases_are_counted(void **state)
{
    (void)state;
    struct diag d = {0};
    assert_int_equal(many("profiles", 1000, &d), CH_OK);
    assert_int_equal(many("profiles", 1001, &d), CH_LIMIT);
    assert_string_equal(d.rule, "policy.files");
    assert_string_equal(d.field, "profiles/p999.yaml");  /* the last in order of paths */
    assert_int_equal(many("bases", 1000, &d), CH_LIMIT); /* and the base "all" */
    assert_string_equal(d.rule, "policy.files");
}

static void paths_that_a_bundle_does_not_have_refused(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "",          "/etc/passwd",        "../bundle.yaml",     "profiles",
        "profiles/", "profiles/.p.yaml",   "profiles/../p.yaml", "profiles/x/p.yaml",
        "bases/x",   "profiles//p.yaml",   "Profiles/p.yaml",    "profiles/p.YAML",
        "p.yaml",    "bundle.yaml/x.yaml", "./profiles/p.yaml",  "profiles\\p.yaml",
        "bases/",    "profiles/p.yaml ",   "bundle.yaml\n",      "profiles/p.yml",
    };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        expect(paths[i], slice_str(MINIMAL), "policy.file", paths[i]);
    }
    const struct policy_file twice[] = {{"bundle.yaml", slice_str(HEAD)},
                                        {"profiles/p.yaml", slice_str(MINIMAL)},
                                        {"bundle.yaml", slice_str(HEAD)}};
    struct policy_bundle *b = NULL;
    struct diag d = {0};
    assert_int_equal(policy_bundle_compile(twice, 3, &b, &d), CH_INVALID);
    assert_string_equal(d.rule, "policy.file");
    assert_string_equal(d.field, "bundle.yaml");
}

/* ---- folders ---- */

static void put(const char *dir, const char *name, const char *text)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void in(char out[256], const char *dir, const char *name)
{
    (void)snprintf(out, 256, "%s/%s", dir, name);
}

static void folders_with_links_and_devices_refused(void **state)
{
    (void)state;
    char dir[] = "/tmp/chancery-hostile-XXXXXX", path[256], profiles[256], bases[256];
    struct policy_bundle *b = NULL;
    struct diag d = {0};
    assert_non_null(mkdtemp(dir));
    in(profiles, dir, "profiles");
    in(bases, dir, "bases");
    assert_int_equal(mkdir(profiles, 0700), 0);
    put(dir, "bundle.yaml", HEAD);
    put(dir, "profiles/p.yaml", MINIMAL);
    /* A link to a folder, a link that leads nowhere, a fifo, a folder named like a file. */
    assert_int_equal(symlink("profiles", bases), 0);
    assert_int_equal(policy_bundle_load(dir, &b, &d), CH_INVALID);
    assert_string_equal(d.field, "bases");
    assert_int_equal(unlink(bases), 0);
    in(path, dir, "README.md");
    assert_int_equal(symlink("/nonexistent/README.md", path), 0);
    assert_int_equal(policy_bundle_load(dir, &b, &d), CH_INVALID);
    assert_string_equal(d.rule, "policy.file");
    assert_int_equal(unlink(path), 0);
    in(path, dir, "profiles/q.yaml");
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(policy_bundle_load(dir, &b, &d), CH_INVALID);
    assert_string_equal(d.field, "profiles/q.yaml");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(policy_bundle_load(dir, &b, &d), CH_INVALID);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(policy_bundle_load(dir, &b, &d), CH_OK);
    policy_bundle_free(b);
    in(path, dir, "profiles/p.yaml");
    assert_int_equal(unlink(path), 0);
    in(path, dir, "bundle.yaml");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(profiles), 0);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_that_are_no_yaml_of_ours_refused),
        cmocka_unit_test(bombs_refused),
        cmocka_unit_test(files_of_4_mib_are_read),
        cmocka_unit_test(huge_lists_refused),
        cmocka_unit_test(custom_values_are_bounded),
        cmocka_unit_test(profiles_and_bases_are_counted),
        cmocka_unit_test(paths_that_a_bundle_does_not_have_refused),
        cmocka_unit_test(folders_with_links_and_devices_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
