/* Warnings about bundles that compile: each is given where it should be and nowhere else. */
#include "bundles.h"

#include <stdio.h>

#include "trial/check.h"
#include "trial/usage.h"

#define NOW 1764000000

static struct trial_warnings got;
static const uint8_t name_der[] = {0x30, 0};

static void check(const char *web, const char *more, const struct trial_world *world,
                  const char *domain)
{
    const struct policy_file files[] = {FILE_OF("bundle.yaml", BUNDLE_HEAD),
                                        {"profiles/web.yaml", slice_str(web)},
                                        {"bindings/b.yaml", slice_str(more)}};
    size_t n = more == NULL ? 2 : 3;
    struct policy_bundle *b = NULL;
    struct trial_facts facts;
    struct diag d = {.text = ""};
    trial_warnings_clear(&got);
    if (policy_bundle_compile(files, n, &b, &d) != CH_OK ||
        trial_facts_read(files, n, &facts, &d) != CH_OK) {
        fail_msg("%s %s", d.field, d.text);
    }
    const struct trial_check c = {b, &facts, domain, world, NOW};
    assert_int_equal(trial_check_bundle(&c, &got), CH_OK);
    trial_facts_clear(&facts);
    policy_bundle_free(b);
}

static const char *with(const char *from, const char *to)
{
    static char text[8192];
    const char *at = strstr(BUNDLE_WEB, from);
    assert_non_null(at);
    (void)snprintf(text, sizeof text, "description: x\n%.*s%s%s", (int)(at - BUNDLE_WEB),
                   BUNDLE_WEB, to, at + strlen(from));
    return text;
}

static void expect(const char *rule, const char *part)
{
    assert_int_equal(got.n, 1);
    assert_string_equal(got.list[0].rule, rule);
    if (strstr(got.list[0].text, part) == NULL) {
        fail_msg("no \"%s\" in \"%s\"", part, got.list[0].text);
    }
    assert_true(strchr(got.list[0].source, ':') != NULL);
}

static void a_sound_bundle_has_none(void **state)
{
    (void)state;
    check(with("", ""), NULL, NULL, NULL);
    assert_int_equal(got.n, 0);
    check(BUNDLE_WEB, NULL, NULL, NULL);
    expect("check.description", "web");
}

static void covered_names_are_told(void **state)
{
    (void)state;
    check(with("[a.example, b.example]", "[a.example, x.a.example]"), NULL, NULL, NULL);
    expect("check.suffix", "suffix x.a.example is covered by suffix a.example");
    check(with("[a.example, b.example]", "[a.example], exact: [y.a.example]"), NULL, NULL, NULL);
    expect("check.suffix", "name y.a.example is covered");
    check(with("[a.example, b.example]", "[a.example, xa.example]"), NULL, NULL, NULL);
    assert_int_equal(got.n, 0);
}

static void names_that_cannot_be_had_are_told(void **state)
{
    (void)state;
    check(with("required: true, dns: {suffixes: [a.example, b.example], wildcard_depth: 1}",
               "required: true"),
          NULL, NULL, NULL);
    expect("check.names", "requires a name and allows none");
    check(with("required: true,", "required: true, max: 0,"), NULL, NULL, NULL);
    expect("check.names", "requires a name");
}

static void callers_that_never_come_are_told(void **state)
{
    (void)state;
    check(with("[/user/*]", "['spiffe://far.test/user/a']"), NULL, NULL, "near.test");
    expect("check.callers", "nobody can call profile web");
    check(with("[/user/*]", "['spiffe://near.test/user/a']"), NULL, NULL, "near.test");
    assert_int_equal(got.n, 0);
    check(with("validity:", "binding: required\nvalidity:"), NULL, NULL, NULL);
    expect("check.binding", "requires a binding");
    check(with("validity:", "binding: required\nvalidity:"),
          "bindings: [{requester: /user/a, names: {dns: {suffixes: [a.example]}}}]\n", NULL, NULL);
    assert_int_equal(got.n, 0);
}

static void issuers_of_an_installation_are_compared(void **state)
{
    (void)state;
    struct policy_issuer i = {.issuer_id = "issuing-1",
                              .subject = slice_of(name_der, 2),
                              .key_type = CRYPTO_KEY_P256,
                              .not_after_s = NOW + 400LL * 86400};
    const struct trial_world world = {.issuers = &i, .n_issuers = 1};
    check(with("", ""), NULL, &world, NULL);
    assert_int_equal(got.n, 0);
    i.not_after_s = NOW + 10LL * 86400;
    check(with("", ""), NULL, &world, NULL);
    expect("check.issuer", "ends in 10 d");
    i.not_after_s = NOW + 400LL * 86400;
    i.key_type = CRYPTO_KEY_RSA_3072;
    check(with("", ""), NULL, &world, NULL);
    expect("check.issuer", "signs with sha256WithRSAEncryption");
    i.issuer_id = "other";
    check(with("", ""), NULL, &world, NULL);
    expect("check.issuer", "no issuer issuing-1");
}

static void profiles_without_tests_are_told(void **state)
{
    (void)state;
    const struct policy_file files[] = {FILE_OF("bundle.yaml", BUNDLE_HEAD),
                                        FILE_OF("profiles/web.yaml", BUNDLE_WEB),
                                        FILE_OF("tests/a.yaml", "profile: web-2\n")};
    struct policy_bundle *b = NULL;
    assert_int_equal(policy_bundle_compile(files, 3, &b, NULL), CH_OK);
    trial_warnings_clear(&got);
    assert_int_equal(trial_check_tests(b, files, 3, &got), CH_OK);
    expect("check.tests", "names profile web");
    const struct policy_file named[] = {files[0], files[1],
                                        FILE_OF("tests/a.yaml", "profile: web\n")};
    trial_warnings_clear(&got);
    assert_int_equal(trial_check_tests(b, named, 3, &got), CH_OK);
    assert_int_equal(got.n, 0);
    policy_bundle_free(b);
}

/* trial/usage.c: what was known comes back, what was not asked for is free. */
static void usage_comes_back(void **state)
{
    (void)state;
    const struct policy_limit requester = {.interval_ns = 1, .active = 5}, tenant = {.active = 9};
    const struct policy_limits profile = {.duplicates_refused = true,
                                          .key_reuse = POLICY_KEY_ALLOW};
    const struct policy_applied limits = {
        .scopes = {[POLICY_SCOPE_REQUESTER] = &requester, [POLICY_SCOPE_TENANT] = &tenant},
        .profile = &profile};
    struct policy_usage u = {.state = POLICY_USAGE_KNOWN,
                             .duplicate_not_after_s = 77,
                             .key_other = true,
                             .attempts = 2},
                        back;
    struct buf b CLEANUP(buf_clear);
    buf_init(&b, 4096);
    u.scopes[POLICY_SCOPE_REQUESTER].active = 4;
    u.scopes[POLICY_SCOPE_PROFILE].active = 99; /* nobody asked */
    u.scopes[POLICY_SCOPE_TENANT].active = 8;
    assert_int_equal(trial_usage_write(&u, &limits, &b), CH_OK);
    assert_int_equal(trial_usage_read(buf_slice(&b), &back, NULL), CH_OK);
    assert_false(back.scopes[POLICY_SCOPE_REQUESTER].granted);
    assert_true(back.scopes[POLICY_SCOPE_PROFILE].granted &&
                back.scopes[POLICY_SCOPE_TENANT].granted);
    assert_int_equal(back.scopes[POLICY_SCOPE_REQUESTER].active, 4);
    assert_int_equal(back.scopes[POLICY_SCOPE_PROFILE].active, 0);
    assert_int_equal(back.scopes[POLICY_SCOPE_TENANT].active, 8);
    assert_int_equal(back.duplicate_not_after_s, 77);
    assert_false(back.key_other); /* reuse was allowed, so nobody looked */
    assert_int_equal(back.attempts, 2);
    assert_true(back.recorded && back.state == POLICY_USAGE_KNOWN);
    for (size_t cut = 1; cut < b.len; cut++) {
        assert_int_equal(trial_usage_read(slice_of(b.ptr, cut), &back, NULL), CH_MALFORMED);
    }
    assert_int_equal(trial_usage_read(slice_of(NULL, 0), &back, NULL), CH_OK);
    assert_true(back.scopes[POLICY_SCOPE_REQUESTER].granted);
}

static int done(void **state)
{
    (void)state;
    trial_warnings_clear(&got);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_bundle_has_none),
        cmocka_unit_test(covered_names_are_told),
        cmocka_unit_test(names_that_cannot_be_had_are_told),
        cmocka_unit_test(callers_that_never_come_are_told),
        cmocka_unit_test(issuers_of_an_installation_are_compared),
        cmocka_unit_test(profiles_without_tests_are_told),
        cmocka_unit_test(usage_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, done);
}
