/* Lints of a profile: its set, severities, and how findings stand in a verdict. */
#include "fix.h"

static const struct policy_rule *rule(const struct fix *f, const char *id)
{
    for (size_t i = 0; i < f->v.n; i++) {
        if (strcmp(f->v.rules[i].rule, id) == 0) {
            return &f->v.rules[i];
        }
    }
    return NULL;
}

static size_t lints_in(const struct fix *f)
{
    size_t n = 0;
    for (size_t i = 0; i < f->v.n; i++) {
        n += strncmp(f->v.rules[i].rule, "lint.", 5) == 0 ? 1 : 0;
    }
    return n;
}

/* The fixture's certificate judged under a profile with `lints`. */
static void judged(struct fix *f, const char *lints)
{
    fix_init(f);
    policy_bundle_free(f->bundle);
    f->bundle = fix_bundle("", lints);
    fix_build(f);
    fix_judge(f);
}

static size_t in_set(unsigned set)
{
    size_t first, n = policy_lint_range(POLICY_LINT_CERTIFICATE, &first), in = 0;
    for (size_t i = first; i < first + n; i++) {
        in += (policy_lint_at(i)->sets & set) != 0 ? 1 : 0;
    }
    return in;
}

static void profile_without_key_is_linted_by_rfc5280(void **state)
{
    (void)state;
    struct fix f;
    judged(&f, "");
    assert_int_equal(lints_in(&f), in_set(POLICY_LINT_SET_RFC5280));
    assert_int_equal(f.v.verdict, POLICY_PASS);
    assert_int_equal(rule(&f, "lint.cert.der")->outcome, POLICY_PASS);
    assert_null(rule(&f, "lint.cert.san_types"));
    fix_clear(&f);
}

static void set_decides_which_lints_there_are(void **state)
{
    (void)state;
    struct fix f;
    judged(&f, "lints: {set: none}\n");
    assert_int_equal(lints_in(&f), 0);
    fix_clear(&f);
    judged(&f, "lints: {set: none, severity: {lint.cert.version: error}}\n");
    assert_int_equal(lints_in(&f), 1);
    fix_clear(&f);
    judged(&f, "lints: {set: cabf-server}\n");
    assert_int_equal(lints_in(&f), in_set(POLICY_LINT_SET_CABF_SERVER));
    assert_int_equal(f.v.verdict, POLICY_FAIL); /* an e-mail address and a URI among the names */
    assert_int_equal(rule(&f, "lint.cert.san_types")->outcome, POLICY_FAIL);
    assert_string_equal(rule(&f, "lint.cert.san_types")->observed, "ops@example.test");
    assert_string_equal(rule(&f, "lint.cert.san_types")->required, "dNSName and iPAddress only");
    assert_memory_equal(rule(&f, "lint.cert.san_types")->source, "profiles/test.yaml:", 19);
    fix_clear(&f);
}

static void warning_passes_and_is_shown(void **state)
{
    (void)state;
    struct fix f;
    judged(&f, "lints: {set: none, severity: {lint.cert.san_types: warning}}\n");
    assert_int_equal(f.v.verdict, POLICY_PASS);
    assert_int_equal(rule(&f, "lint.cert.san_types")->outcome, POLICY_PASS);
    assert_string_equal(rule(&f, "lint.cert.san_types")->observed, "warning: ops@example.test");
    fix_clear(&f);
}

static void lint_that_is_off_does_not_apply(void **state)
{
    (void)state;
    struct fix f;
    judged(&f, "lints: {set: none, severity: {lint.cert.san_types: off}}\n");
    assert_int_equal(rule(&f, "lint.cert.san_types")->outcome, POLICY_NA);
    fix_clear(&f);
}

static void without_certificate_no_lint_applies(void **state)
{
    (void)state;
    struct fix f;
    judged(&f, "lints: {set: cabf-server}\n");
    f.facts.tbs = slice_of(NULL, 0);
    fix_judge(&f);
    for (size_t i = 0; i < f.v.n; i++) {
        if (strncmp(f.v.rules[i].rule, "lint.", 5) == 0) {
            assert_int_equal(f.v.rules[i].outcome, POLICY_NA);
        }
    }
    fix_clear(&f);
}

/* What a lint says is in the digest, though most stand there with their outcome alone. */
static void digest_covers_each_lint(void **state)
{
    (void)state;
    static const char *const lints[] = {
        "lints: {set: none}\n", "lints: {set: none, severity: {lint.cert.version: error}}\n",
        "lints: {set: none, severity: {lint.cert.version: off}}\n",
        "lints: {set: none, severity: {lint.cert.version: error, lint.cert.der: error}}\n",
        "lints: {set: none, severity: {lint.cert.san_types: warning}}\n"};
    enum { N = sizeof lints / sizeof *lints };
    uint8_t digests[N][32];
    struct fix f;
    fix_init(&f);
    fix_build(&f);
    for (size_t i = 0; i < N; i++) {
        policy_bundle_free(f.bundle);
        f.bundle = fix_bundle("", lints[i]);
        fix_judge(&f);
        memcpy(digests[i], f.v.rules_sha256, 32);
        for (size_t k = 0; k < i; k++) {
            assert_memory_not_equal(digests[i], digests[k], 32);
        }
    }
    fix_clear(&f);
}

static void refused(const char *lints, const char *words)
{
    struct diag d = {0};
    assert_null(fix_bundle_with("", lints, NULL, 0, &d));
    assert_int_equal(strncmp(d.field, "profiles/test.yaml:", 19), 0);
    if (strstr(d.text, words) == NULL) {
        fail_msg("%s: no \"%s\"", d.text, words);
    }
}

static void wrong_lints_are_refused_with_a_suggestion(void **state)
{
    (void)state;
    refused("lints: {set: rfc5820}\n", "there are rfc5280, cabf-server, none");
    refused("lints: {severity: {lint.cert.san_type: off}}\n",
            "did you mean \"lint.cert.san_types\"");
    refused("lints: {severity: {lint.crl.version: off}}\n", "no lint of certificates");
    refused("lints: {severity: {lint.cert.version: fatal}}\n", "there are error, warning, off");
    refused("lints: {sets: rfc5280}\n", "did you mean \"set\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(profile_without_key_is_linted_by_rfc5280),
        cmocka_unit_test(set_decides_which_lints_there_are),
        cmocka_unit_test(warning_passes_and_is_shown),
        cmocka_unit_test(lint_that_is_off_does_not_apply),
        cmocka_unit_test(without_certificate_no_lint_applies),
        cmocka_unit_test(digest_covers_each_lint),
        cmocka_unit_test(wrong_lints_are_refused_with_a_suggestion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
