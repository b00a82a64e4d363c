/* Bases: what a profile takes from them, what it says itself, and which line a rule then names. */
#include <stdio.h>

#include "fix.h"

static const char HEAD[] = "version: 1\nname: t\ncrl: {max_validity: 8d}\n";
static const char COMMON[] = "name: common\nissuer: i\ncallers: ['/user/*']\n"
                             "keys: {types: [P-256]}\nsignature_algorithms: [ecdsa-with-SHA256]\n"
                             "validity: {max: 90d, backdate: 1h}\nsubject: {}\n"
                             "names: {required: false, max: 3}\nextensions: {}\n";

static enum chancery_err compile(const struct policy_file *more, size_t n,
                                 struct policy_bundle **out, struct diag *d)
{
    struct policy_file f[16] = {{"bundle.yaml", slice_str(HEAD)}};
    memcpy(f + 1, more, n * sizeof *more);
    return policy_bundle_compile(f, n + 1, out, d);
}

static void profile_takes_what_it_does_not_say(void **state)
{
    (void)state;
    const struct policy_file f[] = {
        {"bases/common.yaml", slice_str(COMMON)},
        {"bases/short.yaml", slice_str("name: short\nextends: common\nvalidity: {max: 7d}\n")},
        {"profiles/a.yaml", slice_str("name: a\nextends: short\nnames: {max: 5}\n")},
        {"profiles/b.yaml", slice_str("name: b\nextends: common\nvalidity:\n  default: 30d\n")}};
    struct policy_bundle *b = NULL;
    struct diag d = {0};
    if (compile(f, 4, &b, &d) != CH_OK) {
        fail_msg("%s %s", d.field, d.text);
    }
    assert_int_equal(policy_profile_count(b), 2); /* bases are no profiles */
    const struct policy_profile *a = policy_profile_find(b, slice_str("a"));
    const struct policy_profile *bb = policy_profile_find(b, slice_str("b"));
    assert_int_equal(a->t.validity_max_s, 7 * 86400);
    assert_int_equal(a->t.backdate_s, 3600);
    assert_int_equal(a->names.max, 5);
    assert_false(a->names.required);
    assert_string_equal(a->callers_source, "bases/common.yaml:3");
    assert_string_equal(a->names_source, "profiles/a.yaml:3+bases/common.yaml:8");
    assert_int_equal(bb->t.validity_max_s, 90 * 86400);
    assert_int_equal(bb->t.validity_s, 30 * 86400);
    assert_int_equal(bb->names.max, 3);
    assert_string_equal(bb->names_source, "bases/common.yaml:8");
    policy_bundle_free(b);
}

static void pool_of_the_profile_replaces_the_bases_issuer(void **state)
{
    (void)state;
    const struct policy_file f[] = {
        {"bases/common.yaml", slice_str(COMMON)},
        {"bases/pool.yaml",
         slice_str("name: pool\nextends: common\nissuers: {any_of: [x, y, z]}\n")},
        {"profiles/a.yaml", slice_str("name: a\nextends: pool\n")},
        {"profiles/b.yaml", slice_str("name: b\nextends: pool\nissuer: w\n")},
        {"profiles/c.yaml", slice_str("name: c\nextends: pool\nissuers: {choose: key_type}\n")}};
    struct policy_bundle *b = NULL;
    struct diag d = {0};
    if (compile(f, 5, &b, &d) != CH_OK) {
        fail_msg("%s %s", d.field, d.text);
    }
    const struct policy_profile *p = b->profiles;
    assert_int_equal(p[0].t.n_issuers, 3);
    assert_string_equal(p[0].pool.text, "x, y, z");
    assert_string_equal(p[0].pool.source, "bases/pool.yaml:3");
    assert_int_equal(p[0].t.choose, POLICY_CHOOSE_SPREAD);
    assert_int_equal(p[1].t.n_issuers, 1);
    assert_string_equal(p[1].pool.text, "w");
    assert_int_equal(p[1].t.choose, POLICY_CHOOSE_ONE);
    assert_int_equal(p[2].t.n_issuers, 3);
    assert_int_equal(p[2].t.choose, POLICY_CHOOSE_KEY_TYPE);
    assert_string_equal(p[2].pool.choose_source, "profiles/c.yaml:3");
    policy_bundle_free(b);
}

static void hash_covers_bases(void **state)
{
    (void)state;
    struct policy_file f[] = {{"bases/common.yaml", slice_str(COMMON)},
                              {"profiles/a.yaml", slice_str("name: a\nextends: common\n")},
                              {"bases/more.yaml", slice_str("name: more\n")}};
    struct policy_bundle *a = NULL, *b = NULL;
    struct diag d = {0};
    assert_int_equal(compile(f, 2, &a, &d), CH_OK);
    assert_int_equal(compile(f, 3, &b, &d), CH_OK);
    assert_memory_not_equal(policy_bundle_hash(a), policy_bundle_hash(b), 32);
    policy_bundle_free(a);
    policy_bundle_free(b);
}

struct wrong {
    const char *path, *text, *rule, *where, *hint;
};

/* Each beside a sound base "common" and a profile that extends it. */
static const struct wrong wrongs[] = {
    {"profiles/x.yaml", "name: x\nextends: comon\n", "policy.extends", "profiles/x.yaml:2:10",
     "did you mean \"common\""},
    {"profiles/x.yaml", "name: x\nextends: zzz\n", "policy.extends", "profiles/x.yaml:2:10",
     "no bases/zzz.yaml"},
    {"profiles/x.yaml", "name: x\nextends: [common]\n", "conf.type", "profiles/x.yaml:2:10", ""},
    {"profiles/x.yaml", "name: x\nextends: ../profiles/a\n", "policy.extends",
     "profiles/x.yaml:2:10", ""},
    {"profiles/x.yaml", "- name: x\n", "conf.type", "profiles/x.yaml:1:1", ""},
    {"bases/x.yaml", "name: x\nextends: x\n", "policy.extends", "bases/x.yaml:2:10",
     "circle: x -> x"},
    {"bases/x.yaml", "name: y\n", "policy.name", "bases/x.yaml:1:7", ""},
    {"bases/x.yaml", "extends: common\n", "conf.required", "bases/x.yaml:1:1", ""},
    {"bases/x.yaml", "[x]\n", "conf.required", "bases/x.yaml:1:1", ""},
    {"bases/x.yaml", "name: x\nvalidty: {max: 1d}\n", "conf.unknown", "bases/x.yaml:2:1",
     "did you mean \"validity\""},
    {"bases/x.yaml", "name: x\nextends: common\nnames: {dns: {sufixes: [a.b]}}\n", "conf.unknown",
     "bases/x.yaml:3:15", "did you mean \"suffixes\""},
    {"bases/x.yaml", "name: x\nvalidity: {max: 1w}\n", "conf.type", "bases/x.yaml:2:17", ""},
    {"bases/x.yaml", "name: x\nname: x\n", "conf.duplicate", "bases/x.yaml:2:1", ""},
};

static void wrong_bases_are_refused_with_position(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++) {
        const struct wrong *w = &wrongs[i];
        const struct policy_file f[] = {
            {"bases/common.yaml", slice_str(COMMON)},
            {"profiles/a.yaml", slice_str("name: a\nextends: common\n")},
            {w->path, slice_str(w->text)}};
        struct policy_bundle *b = NULL;
        struct diag d = {0};
        if (compile(f, 3, &b, &d) == CH_OK || strcmp(d.rule, w->rule) != 0 ||
            strcmp(d.field, w->where) != 0 || strstr(d.text, w->hint) == NULL) {
            fail_msg("%s: %s '%s' '%s'", w->text, d.rule, d.field, d.text);
        }
    }
}

static void circle_of_bases_is_named(void **state)
{
    (void)state;
    const struct policy_file f[] = {{"bases/a.yaml", slice_str("name: a\nextends: b\n")},
                                    {"bases/b.yaml", slice_str("name: b\nextends: c\n")},
                                    {"bases/c.yaml", slice_str("name: c\nextends: b\n")},
                                    {"profiles/p.yaml", slice_str("name: p\nextends: a\n")}};
    struct policy_bundle *b = NULL;
    struct diag d = {0};
    assert_int_equal(compile(f, 4, &b, &d), CH_INVALID);
    assert_string_equal(d.rule, "policy.extends");
    assert_string_equal(d.field, "bases/c.yaml:2:10");
    assert_non_null(strstr(d.text, "b -> c -> b"));
}

static void chains_are_bounded(void **state)
{
    (void)state;
    char text[10][64], path[10][32];
    struct policy_file f[11] = {{"bases/common.yaml", slice_str(COMMON)}};
    for (int i = 1; i <= 9; i++) {
        (void)snprintf(path[i], sizeof path[i], "bases/b%d.yaml", i);
        (void)snprintf(text[i], sizeof text[i],
                       i == 1 ? "name: b1\nextends: common\n" : "name: b%d\nextends: b%d\n", i,
                       i - 1);
        f[i] = (struct policy_file){path[i], slice_str(text[i])};
    }
    struct policy_bundle *b = NULL;
    struct diag d = {0};
    /* common, b1 .. b7: eight. */
    f[8] = (struct policy_file){"profiles/p.yaml", slice_str("name: p\nextends: b7\n")};
    assert_int_equal(compile(f, 9, &b, &d), CH_OK);
    policy_bundle_free(b);
    f[8] = (struct policy_file){path[8], slice_str(text[8])};
    f[9] = (struct policy_file){"profiles/p.yaml", slice_str("name: p\nextends: b8\n")};
    assert_int_equal(compile(f, 10, &b, &d), CH_LIMIT);
    assert_string_equal(d.rule, "policy.extends");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(profile_takes_what_it_does_not_say),
        cmocka_unit_test(pool_of_the_profile_replaces_the_bases_issuer),
        cmocka_unit_test(hash_covers_bases),
        cmocka_unit_test(wrong_bases_are_refused_with_position),
        cmocka_unit_test(circle_of_bases_is_named),
        cmocka_unit_test(chains_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
