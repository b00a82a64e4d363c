/* Table tests: what passes, what fails and says why, what is refused with its place, and coverage.
 */
#include "bundles.h"

#include <stdio.h>

#include "trial/table.h"

static struct trial_table_report report;
static struct diag diag;

static enum chancery_err run(const char *cases)
{
    static char text[16384];
    (void)snprintf(text, sizeof text,
                   "version: 1\ndefaults: {profile: web, names: [x.a.example]}\ncases:\n%s", cases);
    const struct policy_file files[] = {FILE_OF("bundle.yaml", BUNDLE_HEAD),
                                        FILE_OF("profiles/web.yaml", BUNDLE_WEB),
                                        {"tests/web.yaml", slice_str(text)}};
    trial_table_report_clear(&report);
    diag_clear(&diag);
    return trial_table_run(files, 3, NULL, &report, &diag);
}

static void expect_pass(const char *cases)
{
    if (run(cases) != CH_OK) {
        fail_msg("%s %s", diag.field, diag.text);
    }
    for (size_t i = 0; i < report.n_cases; i++) {
        if (!report.cases[i].passed) {
            fail_msg("%s: %s", report.cases[i].name, report.cases[i].why);
        }
    }
    assert_int_equal(report.failed, 0);
}

static void expect_why(const char *cases, const char *why)
{
    if (run(cases) != CH_OK) {
        fail_msg("%s %s", diag.field, diag.text);
    }
    assert_int_equal(report.failed, 1);
    if (strstr(report.cases[0].why, why) == NULL) {
        fail_msg("no \"%s\" in \"%s\"", why, report.cases[0].why);
    }
}

static void cases_that_hold_pass(void **state)
{
    (void)state;
    expect_pass("- {name: plain, expect: permit}\n"
                "- {name: rsa, key: RSA-2048, expect: permit, rules: {key.type: pass, "
                "serial.length: pass}}\n"
                "- {name: wildcard, names: ['*.a.example'], expect: permit}\n"
                "- {name: every kind of name, names: ['DNS:x.a.example', 'IP:10.0.0.1', "
                "'IP:2001:db8::1', 'email:a@a.example', "
                "'URI:https://a.example/', 'UPN:u@a.example', [{CN: x}]], expect: refuse}\n"
                "- {name: shorter, validity: 1d, expect: permit}\n"
                "- {name: who, requester: /user/bob, protocol: grpc, authentication: [mtls, "
                "pkcs10], claims: {sub: bob, groups: [a, b]}, expect: permit}\n"
                "- {name: other trust domain, requester: 'spiffe://other.test/user/x', expect: "
                "refuse, fails: [caller.allowed]}\n"
                "- {name: request alone, build: false, expect: permit, rules: {tbs.format: n/a}}\n"
                "- {name: later, at: '2030-02-28T12:00:00Z', expect: permit}\n"
                "- {name: subject, subject: [{CN: x.a.example}], expect: permit}\n"
                "- {name: no profile, profile: nothing, expect: refuse, fails: [profile.known]}\n");
    assert_int_equal(report.n_cases, 11);
    assert_string_equal(report.cases[0].file, "tests/web.yaml");
    assert_string_equal(report.cases[0].source, "tests/web.yaml:4");
}

static void altered_certificates_are_refused(void **state)
{
    (void)state;
    expect_pass(
        "- {name: longer, alter: {not_after: +61d}, expect: refuse, fails: [validity.max, "
        "validity.request]}\n"
        "- {name: old, alter: {not_before: -2d}, expect: refuse}\n"
        "- {name: serial, alter: {serial: '01'}, expect: refuse}\n"
        "- {name: other names, alter: {names: [evil.b.example]}, expect: refuse}\n"
        "- {name: other subject, alter: {subject: [{CN: evil}]}, expect: refuse}\n"
        "- {name: other key, alter: {key: P-384}, expect: refuse}\n"
        "- {name: without usage, alter: {drop: [keyUsage]}, expect: refuse}\n"
        "- {name: more, alter: {extensions: [{oid: 1.2.3.4, value: '0500'}]}, expect: refuse}\n"
        "- {name: algorithm, alter: {signature_algorithm: ecdsa-with-SHA384}, expect: refuse}\n");
}

static void cases_that_do_not_hold_say_why(void **state)
{
    (void)state;
    expect_why("- {name: a, expect: refuse}\n", "expected refuse, got permit");
    expect_why("- {name: a, names: [x.c.example], expect: permit}\n",
               "expected permit, got refuse");
    expect_why("- {name: a, names: [x.c.example], expect: permit}\n", "(profiles/web.yaml:8)");
    expect_why("- {name: a, names: [x.c.example], expect: refuse, fails: [key.type]}\n",
               "key.type should fail and does not");
    expect_why("- {name: a, expect: permit, rules: {key.type: fail}}\n",
               "key.type: expected fail, got pass");
    expect_why("- {name: a, expect: permit, rules: {no.such: pass}}\n",
               "no.such: expected pass, got absent");
    expect_why("- {name: a, expect: permit, approvals: [{officer: x, step: 'NOT OK'}]}\n",
               "cannot be carried out");
    /* One more rule fails than the case says. */
    expect_why("- {name: a, names: [x.c.example], key: P-384, expect: refuse, fails: [key.type]}\n",
               "fails: found");
}

static void wrong_files_refused_with_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *cases, *rule, *field;
    } rows[] = {
        {"- {name: a}\n", "conf.missing", NULL},
        {"- {expect: permit}\n", "conf.missing", NULL},
        {"- {name: a, expect: maybe}\n", "test.expect", "tests/web.yaml:4:21"},
        {"- {name: a, expect: permit, fails: [x]}\n", "test.expect", NULL},
        {"- {name: a, expect: permit, colour: red}\n", "conf.unknown", NULL},
        {"- {name: a, expect: permit, key: P-257}\n", "test.key", NULL},
        {"- {name: a, expect: permit, key: {spki: '!'}}\n", "test.key", NULL},
        {"- {name: a, expect: permit, names: ['IP:1.2.3']}\n", "test.name", NULL},
        {"- {name: a, expect: permit, names: ['DNS:']}\n", "test.name", NULL},
        {"- {name: a, expect: permit, subject: [{XX: y}]}\n", "test.subject", NULL},
        {"- {name: a, expect: permit, subject: [{C: Germany}]}\n", "test.subject", NULL},
        {"- {name: a, expect: permit, at: yesterday}\n", "test.at", NULL},
        {"- {name: a, expect: permit, at: '2026-13-01'}\n", "test.at", NULL},
        {"- {name: a, expect: permit, alter: {not_after: 1d}}\n", "test.alter", NULL},
        {"- {name: a, expect: permit, alter: {}}\n", "test.alter", NULL},
        {"- {name: a, expect: permit, alter: {serial: xyz}}\n", "test.alter", NULL},
        {"- {name: a, expect: permit, rules: {x: maybe}}\n", "test.rules", NULL},
        {"- {name: a, expect: permit, extensions: [{oid: x, value: '00'}]}\n", "test.oid", NULL},
        {"- {name: a, expect: permit, extensions: [{oid: 1.2.3, value: '0'}]}\n", "test.hex", NULL},
        {"- {name: a, expect: permit, csr: nonsense}\n", "test.csr", NULL},
        {"- {name: a, expect: permit, issuer: {key: Ed25519x}}\n", "test.issuer", NULL},
        {"- {name: a, expect: permit, approvals: [x]}\n", "test.approvals", NULL},
        {"- text\n", "test.case", NULL},
        {"  []\n", "test.cases", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (run(rows[i].cases) == CH_OK) {
            fail_msg("accepted: %s", rows[i].cases);
        }
        if (rows[i].rule != NULL && strcmp(diag.rule, rows[i].rule) != 0 &&
            strncmp(rows[i].rule, "conf.", 5) != 0) {
            fail_msg("%s gave %s: %s", rows[i].cases, diag.rule, diag.text);
        }
        assert_non_null(strstr(diag.field, "tests/web.yaml:"));
        if (rows[i].field != NULL) {
            assert_string_equal(diag.field, rows[i].field);
        }
    }
}

static void coverage_counts_rules_of_the_bundle(void **state)
{
    (void)state;
    expect_pass("- {name: plain, expect: permit}\n");
    assert_int_equal(report.n_profiles, 1);
    assert_true(report.counted > 5);
    assert_int_equal(report.covered, 0);
    size_t counted = report.counted;
    expect_pass("- {name: plain, expect: permit}\n"
                "- {name: key, key: P-384, expect: refuse, fails: [key.type]}\n");
    assert_int_equal(report.covered, 1);
    assert_int_equal(report.counted, counted);
    assert_int_equal(report.profiles[0].cases, 2);
    assert_int_equal(trial_cover_percent(1, 4), 25);
    assert_int_equal(trial_cover_percent(0, 0), 100);
}

static void the_same_files_give_the_same_report(void **state)
{
    (void)state;
    expect_pass("- {name: plain, expect: permit}\n");
    char before[256];
    (void)snprintf(before, sizeof before, "%zu %zu", report.counted, report.profiles[0].n_rules);
    expect_pass("- {name: plain, expect: permit}\n");
    char after[256];
    (void)snprintf(after, sizeof after, "%zu %zu", report.counted, report.profiles[0].n_rules);
    assert_string_equal(before, after);
}

static int done(void **state)
{
    (void)state;
    trial_table_report_clear(&report);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cases_that_hold_pass),
        cmocka_unit_test(altered_certificates_are_refused),
        cmocka_unit_test(cases_that_do_not_hold_say_why),
        cmocka_unit_test(wrong_files_refused_with_their_place),
        cmocka_unit_test(coverage_counts_rules_of_the_bundle),
        cmocka_unit_test(the_same_files_give_the_same_report),
    };
    return cmocka_run_group_tests(tests, NULL, done);
}
