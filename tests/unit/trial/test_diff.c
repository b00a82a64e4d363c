/* Differences of bundles: in words, by profile and key, and whatever key it is. */
#include "bundles.h"

#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "trial/diff.h"
#include "trial/diff_words.h"

static struct trial_differences got;

static void diff_files(const struct policy_file *was, size_t n, const struct policy_file *is,
                       size_t m)
{
    struct trial_facts a, b;
    struct diag d = {.text = ""};
    trial_differences_clear(&got);
    if (trial_facts_read(was, n, &a, &d) != CH_OK || trial_facts_read(is, m, &b, &d) != CH_OK) {
        fail_msg("%s %s", d.field, d.text);
    }
    assert_int_equal(trial_diff(&a, &b, &got), CH_OK);
    trial_facts_clear(&a);
    trial_facts_clear(&b);
}

/* BUNDLE_WEB with a text replaced. */
static const char *web(const char *from, const char *to)
{
    static char text[8192];
    const char *at = strstr(BUNDLE_WEB, from);
    assert_non_null(at);
    (void)snprintf(text, sizeof text, "%.*s%s%s", (int)(at - BUNDLE_WEB), BUNDLE_WEB, to,
                   at + strlen(from));
    return text;
}

static void diff_web(const char *from, const char *to)
{
    diff_files(
        FILES(FILE_OF("bundle.yaml", BUNDLE_HEAD), FILE_OF("profiles/web.yaml", BUNDLE_WEB)), 2,
        FILES(FILE_OF("bundle.yaml", BUNDLE_HEAD), {"profiles/web.yaml", slice_str(web(from, to))}),
        2);
}

static void expect_words(const char *words, enum trial_effect effect)
{
    for (size_t i = 0; i < got.n; i++) {
        if (strcmp(got.list[i].words, words) == 0) {
            assert_string_equal(got.list[i].section, "profile web");
            assert_int_equal(got.list[i].effect, effect);
            return;
        }
    }
    fail_msg("\"%s\" not told; first of %zu: %s", words, got.n,
             got.n == 0 ? "" : got.list[0].words);
}

static void changes_in_words(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *words;
        enum trial_effect effect;
    } rows[] = {
        {"max: 90d", "max: 47d", "validity 90 d to 47 d", TRIAL_EFFECT_NARROWER},
        {"wildcard_depth: 1", "wildcard_depth: 0", "wildcards no longer allowed",
         TRIAL_EFFECT_NARROWER},
        {", wildcard_depth: 1", "", "wildcards no longer allowed", TRIAL_EFFECT_NARROWER},
        {"wildcard_depth: 1", "wildcard_depth: 2", "wildcard depth 1 to 2", TRIAL_EFFECT_WIDER},
        {"a.example, ", "", "dns suffix a.example no longer allowed", TRIAL_EFFECT_NARROWER},
        {"b.example]", "b.example, c.example]", "dns suffix c.example now allowed",
         TRIAL_EFFECT_WIDER},
        {", RSA-2048", "", "key type RSA-2048 no longer allowed", TRIAL_EFFECT_NARROWER},
        {"[/user/*]", "[/user/*, /chancery/acme]", "caller /chancery/acme now allowed",
         TRIAL_EFFECT_WIDER},
        {"issuer: issuing-1", "issuer: issuing-2", "issuer issuing-1 to issuing-2",
         TRIAL_EFFECT_OTHER},
        {"required: true", "required: false", "no longer: a name is required", TRIAL_EFFECT_WIDER},
        {"required: true", "required: true, max: 3", "most names 100 to 3", TRIAL_EFFECT_NARROWER},
        {"[serverAuth]", "[serverAuth, clientAuth]", "extended key usage clientAuth now in it",
         TRIAL_EFFECT_OTHER},
        {"extensions:",
         "approvals: [{when: {wildcard: true}, steps: [{role: ra, quorum: 2}]}]\nextensions:",
         "approvals now needed: {when: {wildcard: true}, steps: [{role: ra, quorum: 2}]}",
         TRIAL_EFFECT_NARROWER},
        {"extensions:", "lints: {severity: {some.lint: off}}\nextensions:",
         "lint some.lint: as the set says to off", TRIAL_EFFECT_OTHER},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        diff_web(rows[i].from, rows[i].to);
        expect_words(rows[i].words, rows[i].effect);
        assert_int_equal(got.n, 1);
        assert_true(strncmp(got.list[0].source, "profiles/web.yaml:", 18) == 0);
    }
}

static void the_same_meaning_is_no_change(void **state)
{
    (void)state;
    static const char *const same[][2] = {
        {"max: 90d", "max: 2160h"},
        {"[P-256, RSA-2048]", "[RSA-2048, P-256]"},
        {"[a.example, b.example]", "[b.example, a.example]"},
        {"required: true", "required: true, max: 100"},
        {"wildcard_depth: 1", "wildcard_depth: 1, a_labels: false"},
        {"keys: {types", "tenants: [default]\nkeys: {types"},
        {"keys: {types", "keys: {rsa_exponents: [65537], types"}};
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        diff_web(same[i][0], same[i][1]);
        if (got.n != 0) {
            fail_msg("%s: %s", same[i][1], got.list[0].words);
        }
    }
}

static void bases_are_seen_through(void **state)
{
    (void)state;
    static const char base[] = "name: b\nvalidity: {max: 90d, default: 30d}\nnames: {required: "
                               "true, dns: {suffixes: [a.example]}}\n";
    static const char other[] = "name: b\nvalidity: {max: 47d, default: 30d}\nnames: {required: "
                                "true, dns: {suffixes: [a.example]}}\n";
    static const char own[] =
        "name: p\nextends: b\nvalidity: {default: 10d}\nnames: {dns: {suffixes: [c.example]}}\n";
    static const char flat[] = "name: p\nvalidity: {max: 90d, default: 10d}\nnames: {required: "
                               "true, dns: {suffixes: [c.example]}}\n";
    diff_files(FILES(FILE_OF("bases/b.yaml", base), FILE_OF("profiles/p.yaml", own)), 2,
               FILES(FILE_OF("bases/b.yaml", other), FILE_OF("profiles/p.yaml", own)), 2);
    assert_int_equal(got.n, 1);
    assert_string_equal(got.list[0].words, "validity 90 d to 47 d");
    assert_string_equal(got.list[0].section, "profile p");
    diff_files(FILES(FILE_OF("bases/b.yaml", base), FILE_OF("profiles/p.yaml", own)), 2,
               FILES(FILE_OF("profiles/p.yaml", flat)), 1);
    assert_int_equal(got.n, 1); /* that it extends b no longer is a change; nothing else is */
    assert_string_equal(got.list[0].key, "extends");
}

static void many_requesters_are_told_once(void **state)
{
    (void)state;
    char was[4096] = "bindings:\n", is[4096] = "bindings:\n", row[256];
    for (int i = 0; i < 12; i++) {
        (void)snprintf(row, sizeof row,
                       "- {requester: /user/u%02d, names: {dns: {suffixes: [u%02d.example], "
                       "wildcard_depth: 1}}}\n",
                       i, i);
        (void)strncat(was, row, sizeof was - strlen(was) - 1);
        (void)snprintf(row, sizeof row,
                       "- {requester: /user/u%02d, names: {dns: {suffixes: [u%02d.example]}}}\n", i,
                       i);
        (void)strncat(is, row, sizeof is - strlen(is) - 1);
    }
    diff_files(FILES({"bindings/x.yaml", slice_str(was)}), 1,
               FILES({"bindings/x.yaml", slice_str(is)}), 1);
    assert_int_equal(got.n, 1);
    assert_string_equal(got.list[0].section, "12 requesters");
    assert_string_equal(got.list[0].words, "wildcards no longer allowed");
    assert_int_equal(got.list[0].count, 12);
    assert_string_equal(got.list[0].sections,
                        "/user/u00, /user/u01, /user/u02, /user/u03, /user/u04, ...");
}

static void whole_sections_are_one_line(void **state)
{
    (void)state;
    diff_files(FILES(FILE_OF("bundle.yaml", BUNDLE_HEAD)), 1,
               FILES(FILE_OF("bundle.yaml", BUNDLE_HEAD), FILE_OF("profiles/web.yaml", BUNDLE_WEB)),
               2);
    assert_int_equal(got.n, 1);
    assert_string_equal(got.list[0].words, "added");
    assert_int_equal(got.list[0].effect, TRIAL_EFFECT_WIDER);
    diff_files(FILES(FILE_OF("tests/a.yaml", "x")), 1, FILES(FILE_OF("tests/a.yaml", "y")), 1);
    assert_int_equal(got.n, 1);
    assert_string_equal(got.list[0].section, "tests/a.yaml");
}

static void long_lists_are_counted(void **state)
{
    (void)state;
    static char was[65536] = "# head\n", is[65536] = "# head\nkept\n";
    for (int i = 0; i < 500; i++) {
        char line[80];
        (void)snprintf(line, sizeof line, "%064d\n", i);
        (void)strncat(is, line, sizeof is - strlen(is) - 1);
    }
    (void)strncat(was, "kept\n", 8);
    diff_files(FILES({"blocklists/x.txt", slice_str(was)}), 1,
               FILES({"blocklists/x.txt", slice_str(is)}), 1);
    assert_int_equal(got.n, 1);
    assert_string_equal(got.list[0].words, "entry: 500 entries added, 0 removed");
}

static void the_order_of_rows_counts(void **state)
{
    (void)state;
    diff_web("[{type: CN, from: request}]", "[{type: CN, from: request}, {type: O, fixed: X}]");
    assert_int_equal(got.n, 1);
    assert_string_equal(got.list[0].words, "subject row {type: O, fixed: X} now allowed");
    static const char one[] =
        "name: p\nsubject: {attributes: [{type: CN, from: request}, {type: O, fixed: X}]}\n";
    static const char two[] =
        "name: p\nsubject: {attributes: [{type: O, fixed: X}, {type: CN, from: request}]}\n";
    diff_files(FILES(FILE_OF("profiles/p.yaml", one)), 1, FILES(FILE_OF("profiles/p.yaml", two)),
               1);
    assert_int_equal(got.n, 1);
    assert_true(strncmp(got.list[0].words, "order of the subject rows:", 26) == 0);
}

/* ---- every key of the schema ---- */

static json_t *schema_file(const char *name)
{
    char path[512];
    json_error_t e;
    (void)snprintf(path, sizeof path, TEST_SOURCE_DIR "/policy/schema/%s", name);
    json_t *j = json_load_file(path, 0, &e);
    if (j == NULL) {
        fail_msg("%s: %s", path, e.text);
    }
    return j;
}

/* Follows "file#/a/b" or "#/a/b"; *doc becomes the document it lies in. */
static const json_t *follow(const json_t **doc, json_t *common, const char *ref)
{
    const char *hash = strchr(ref, '#');
    if (strncmp(ref, "common", 6) == 0) {
        *doc = common;
    }
    const json_t *at = *doc;
    char part[64];
    for (const char *p = hash == NULL ? "" : hash + 1; *p == '/';) {
        size_t n = strcspn(++p, "/");
        (void)snprintf(part, sizeof part, "%.*s", (int)n, p);
        at = json_object_get(at, part);
        p += n;
    }
    return at;
}

static size_t keys_seen;

/* A profile that says nothing but `path: value`. */
static void one_fact(const char *path, const char *value, char *out, size_t cap)
{
    size_t len = 0, depth = 0;
    for (const char *rest = path; rest[0] != '\0'; depth++) {
        size_t n = strcspn(rest, ".");
        len +=
            (size_t)snprintf(out + len, cap - len, "%s%.*s: ", depth == 0 ? "" : "{", (int)n, rest);
        rest += n + (rest[n] == '.' ? 1 : 0);
    }
    len += (size_t)snprintf(out + len, cap - len, "%s", value);
    for (; depth > 1; depth--) {
        len += (size_t)snprintf(out + len, cap - len, "}");
    }
    (void)snprintf(out + len, cap - len, "\n");
}

static void expect_key_tells(const char *path)
{
    char was[1024], is[1024];
    keys_seen++;
    if (trial_phrase_of(path)->noun == NULL) {
        fail_msg("diff_words.c has no words for %s", path);
    }
    one_fact(path, "one", was, sizeof was);
    one_fact(path, "two", is, sizeof is);
    if (strcmp(path, "extends") == 0) {
        return; /* bases are looked for */
    }
    diff_files(FILES({"profiles/p.yaml", slice_str(was)}), 1,
               FILES({"profiles/p.yaml", slice_str(is)}), 1);
    if (got.n != 1) {
        fail_msg("a change of %s gives %zu differences", path, got.n);
    }
}

static void walk_schema(const json_t *doc, json_t *common, const json_t *s, const char *path,
                        int depth)
{
    static const char *const choices[] = {"oneOf", "anyOf", "allOf"};
    const char *ref = json_string_value(json_object_get(s, "$ref"));
    const json_t *props = json_object_get(s, "properties");
    size_t i;
    json_t *x;
    const char *key;
    assert_true(depth < 20);
    if (ref != NULL) {
        const json_t *other = doc, *target = follow(&other, common, ref);
        assert_non_null(target);
        walk_schema(other, common, target, path, depth + 1);
        return;
    }
    for (size_t c = 0; c < 3; c++) {
        json_array_foreach(json_object_get(s, choices[c]), i, x)
        {
            walk_schema(doc, common, x, path, depth + 1);
        }
    }
    json_object_foreach((json_t *)(uintptr_t)props, key, x)
    {
        char below[256];
        (void)snprintf(below, sizeof below, "%s%s%s", path, path[0] == '\0' ? "" : ".", key);
        walk_schema(doc, common, x, below, depth + 1);
    }
    if (props == NULL && path[0] != '\0' &&
        (json_object_get(s, "type") != NULL || json_object_get(s, "enum") != NULL)) {
        expect_key_tells(path);
    }
}

static void every_key_of_the_schema_has_its_words(void **state)
{
    (void)state;
    json_t *profile = schema_file("profile.schema.json"),
           *common = schema_file("common.schema.json");
    keys_seen = 0;
    walk_schema(profile, common, profile, "", 0);
    assert_true(keys_seen > 60);
    json_decref(profile);
    json_decref(common);
}

static int done(void **state)
{
    (void)state;
    trial_differences_clear(&got);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_in_words),
        cmocka_unit_test(the_same_meaning_is_no_change),
        cmocka_unit_test(bases_are_seen_through),
        cmocka_unit_test(many_requesters_are_told_once),
        cmocka_unit_test(whole_sections_are_one_line),
        cmocka_unit_test(long_lists_are_counted),
        cmocka_unit_test(the_order_of_rows_counts),
        cmocka_unit_test(every_key_of_the_schema_has_its_words),
    };
    return cmocka_run_group_tests(tests, NULL, done);
}
