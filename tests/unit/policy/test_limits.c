/* Limits: what the bundle may say, and each rule with a passing and a failing fact. */
#include "fix.h"

#include <stdio.h>

#define LIMITS(text) "extensions:\n", "limits: " text "\nextensions:\n"

/* ---- the language ---- */

static void refused(const char *limits, const char *rule)
{
    char profile[1024], field[96];
    struct policy_bundle *b = NULL;
    struct diag d = {0};
    (void)snprintf(profile, sizeof profile,
                   "name: p\nissuer: i\ncallers: ['/user/*']\nkeys: {types: [P-256]}\n"
                   "signature_algorithms: [ecdsa-with-SHA256]\nvalidity: {max: 1d}\n"
                   "subject: {}\nnames: {required: false}\nextensions: {}\nlimits: %s\n",
                   limits);
    const struct policy_file files[] = {
        {"bundle.yaml", slice_str("version: 1\nname: t\ncrl: {max_validity: 8d}\n")},
        {"profiles/p.yaml", slice_str(profile)}};
    if (policy_bundle_compile(files, 2, &b, &d) == CH_OK) {
        fail_msg("accepted: %s", limits);
    }
    (void)snprintf(field, sizeof field, "profiles/p.yaml:10:");
    if (strcmp(d.rule, rule) != 0 || strncmp(d.field, field, strlen(field)) != 0) {
        fail_msg("%s: %s %s %s", limits, d.field, d.rule, d.text);
    }
}

static void nonsense_is_refused_with_its_place(void **state)
{
    (void)state;
    refused("{requester: {rate: 0/1h}}", "conf.range");
    refused("{requester: {rate: 1000001/1h}}", "conf.range");
    refused("{requester: {rate: 5/0s}}", "conf.range");
    refused("{requester: {rate: 5/367d}}", "conf.range");
    refused("{requester: {rate: 5}}", "conf.type");
    refused("{requester: {rate: 5/h}}", "conf.type");
    refused("{requester: {rate: -5/1h}}", "conf.type");
    refused("{requester: {rate: 99999999999999999999/1h}}", "conf.type");
    refused("{requester: {rate: [5/1h]}}", "conf.type");
    refused("{requester: {}}", "policy.limit");
    refused("{requester: {burst: 5}}", "policy.limit");
    refused("{requester: {burst: 5, active: 5}}", "policy.limit");
    refused("{requester: {rate: 5/1h, burst: 0}}", "conf.range");
    refused("{requester: {rate: 5/1h, burst: 1000001}}", "conf.range");
    refused("{requester: {rate: 1/366d, burst: 11}}", "policy.limit"); /* eleven years */
    refused("{requester: {active: 0}}", "conf.range");
    refused("{profile: {active: 1000000001}}", "conf.range");
    refused("{tenant: {active: 5}}", "conf.unknown"); /* stands in tenants.yaml */
    refused("{requester: {activ: 5, rate: 1/1s}}", "conf.unknown");
    refused("{duplicates: never}", "policy.value");
    refused("{key_reuse: never}", "policy.value");
    refused("{renewal_window: 30d}", "policy.limit");
    refused("{duplicates: allow, renewal_window: 30d}", "policy.limit");
    refused("{duplicates: refuse, renewal_window: 30}", "conf.type");
    refused("5", "conf.type");
}

static void values_become_buckets(void **state)
{
    (void)state;
    struct policy_bundle *b = fix_bundle(
        LIMITS("{requester: {rate: 7/1s}, profile: {rate: 1000000/1s, burst: 20, active: 9}, "
               "duplicates: refuse, renewal_window: 30d, key_reuse: same_requester}"));
    const struct policy_limits *l = &policy_profile_at(b, 0)->limits;
    assert_int_equal(l->requester.interval_ns, 142857143); /* rounded up: never more than 7 */
    assert_int_equal(l->requester.burst, 7);
    assert_int_equal(l->requester.active, 0);
    assert_int_equal(l->whole.interval_ns, 1000);
    assert_int_equal(l->whole.burst, 20);
    assert_int_equal(l->whole.active, 9);
    assert_true(l->duplicates_refused);
    assert_int_equal(l->renewal_window_s, 30 * 86400);
    assert_int_equal(l->key_reuse, POLICY_KEY_SAME_REQUESTER);
    struct policy_applied a;
    policy_limits_applied(b, policy_profile_at(b, 0), slice_str("default"), &a);
    assert_true(a.any && a.counts);
    assert_ptr_equal(a.scopes[POLICY_SCOPE_REQUESTER], &l->requester);
    assert_ptr_equal(a.scopes[POLICY_SCOPE_PROFILE], &l->whole);
    assert_null(a.scopes[POLICY_SCOPE_TENANT]);
    policy_bundle_free(b);
    b = fix_bundle("", "");
    policy_limits_applied(b, policy_profile_at(b, 0), slice_str("default"), &a);
    assert_false(a.any || a.counts);
    policy_bundle_free(b);
    b = fix_bundle(LIMITS("{profile: {rate: 5/1h}}"));
    policy_limits_applied(b, policy_profile_at(b, 0), slice_str("default"), &a);
    assert_true(a.any && !a.counts); /* a rate needs no record */
    policy_bundle_free(b);
}

/* ---- the rules ---- */

static const struct policy_usage unused = {
    .state = POLICY_USAGE_KNOWN, .scopes = {{true, 0, 0}, {true, 0, 0}}, .recorded = true};

static void judge(struct fix *f, const struct policy_usage *u)
{
    f->facts.usage = u;
    fix_build(f);
    fix_judge(f);
}

/* Judges with `limits` and `u`: the verdict, and the outcome of `rule`. */
static void expect(const char *limits, const struct policy_usage *u, const char *rule,
                   enum policy_outcome outcome)
{
    struct fix f;
    char text[512];
    fix_init(&f);
    policy_bundle_free(f.bundle);
    (void)snprintf(text, sizeof text, "limits: %s\nextensions:\n", limits);
    f.bundle = fix_bundle("extensions:\n", text);
    judge(&f, u);
    if (fix_outcome(&f, rule) != outcome ||
        f.v.verdict != (outcome == POLICY_FAIL ? POLICY_FAIL : POLICY_PASS)) {
        fail_msg("%s: outcome %d, verdict %d", rule, (int)fix_outcome(&f, rule), (int)f.v.verdict);
    }
    fix_clear(&f);
}

static void profile_without_limits_has_no_results_and_needs_no_facts(void **state)
{
    (void)state;
    struct fix f;
    fix_init(&f);
    judge(&f, NULL);
    assert_int_equal(f.v.verdict, POLICY_PASS);
    for (size_t i = 0; i < f.v.n; i++) {
        assert_true(strncmp(f.v.rules[i].rule, "limit.", 6) != 0);
    }
    fix_clear(&f);
}

static void rates(void **state)
{
    (void)state;
    struct policy_usage u = unused;
    expect("{requester: {rate: 5/1h}}", &u, "limit.requester.rate", POLICY_PASS);
    expect("{profile: {rate: 5/1h}}", &u, "limit.profile.rate", POLICY_PASS);
    u.scopes[POLICY_SCOPE_REQUESTER] = (struct policy_scope_usage){false, 12, 0};
    expect("{requester: {rate: 5/1h}}", &u, "limit.requester.rate", POLICY_FAIL);
    expect("{profile: {rate: 5/1h}}", &u, "limit.profile.rate", POLICY_PASS);
    u.scopes[POLICY_SCOPE_PROFILE] = (struct policy_scope_usage){false, 700, 0};
    expect("{profile: {rate: 5/1h}}", &u, "limit.profile.rate", POLICY_FAIL);
}

static void active_certificates(void **state)
{
    (void)state;
    struct policy_usage u = unused;
    u.scopes[POLICY_SCOPE_REQUESTER].active = 4;
    u.scopes[POLICY_SCOPE_PROFILE].active = 4;
    expect("{requester: {active: 5}}", &u, "limit.requester.active", POLICY_PASS);
    expect("{requester: {active: 4}}", &u, "limit.requester.active", POLICY_FAIL);
    expect("{profile: {active: 5}}", &u, "limit.profile.active", POLICY_PASS);
    expect("{profile: {active: 4}}", &u, "limit.profile.active", POLICY_FAIL);
    expect("{requester: {active: 5}}", &u, "limit.requester.rate", POLICY_NONE);
    u.scopes[POLICY_SCOPE_REQUESTER].active = 0;
    expect("{requester: {active: 1}}", &u, "limit.requester.active", POLICY_PASS);
    u.scopes[POLICY_SCOPE_REQUESTER].active = 1;
    expect("{requester: {active: 1}}", &u, "limit.requester.active", POLICY_FAIL);
}

static void duplicates_are_allowed_late_in_life(void **state)
{
    (void)state;
    struct policy_usage u = unused;
    expect("{duplicates: refuse}", &u, "limit.duplicate", POLICY_PASS);
    expect("{duplicates: allow}", &u, "limit.duplicate", POLICY_NONE);
    u.duplicate_not_after_s = FIX_NOW + 1; /* without a window: until its last second */
    expect("{duplicates: refuse}", &u, "limit.duplicate", POLICY_FAIL);
    u.duplicate_not_after_s = FIX_NOW;
    expect("{duplicates: refuse}", &u, "limit.duplicate", POLICY_PASS);
    u.duplicate_not_after_s = FIX_NOW + 10 * 86400;
    expect("{duplicates: refuse}", &u, "limit.duplicate", POLICY_FAIL);
    expect("{duplicates: refuse, renewal_window: 10d}", &u, "limit.duplicate", POLICY_PASS);
    u.duplicate_not_after_s++;
    expect("{duplicates: refuse, renewal_window: 10d}", &u, "limit.duplicate", POLICY_FAIL);
    u.duplicate_not_after_s = INT64_MAX;
    expect("{duplicates: refuse, renewal_window: 10d}", &u, "limit.duplicate", POLICY_FAIL);
}

static void keys_are_used_once_or_by_one(void **state)
{
    (void)state;
    struct policy_usage u = unused;
    expect("{key_reuse: refuse}", &u, "limit.key_reuse", POLICY_PASS);
    u.key_same = true;
    expect("{key_reuse: refuse}", &u, "limit.key_reuse", POLICY_FAIL);
    expect("{key_reuse: same_requester}", &u, "limit.key_reuse", POLICY_PASS);
    expect("{key_reuse: allow}", &u, "limit.key_reuse", POLICY_NONE);
    u.key_other = true;
    expect("{key_reuse: same_requester}", &u, "limit.key_reuse", POLICY_FAIL);
    u.key_same = false;
    expect("{key_reuse: refuse}", &u, "limit.key_reuse", POLICY_FAIL);
}

static void what_counts_is_recorded(void **state)
{
    (void)state;
    struct policy_usage u = unused;
    expect("{requester: {active: 5}}", &u, "limit.recorded", POLICY_PASS);
    expect("{requester: {active: 5}}", &u, "limit.attempts", POLICY_PASS);
    expect("{requester: {rate: 5/1h}}", &u, "limit.recorded", POLICY_NONE);
    u.recorded = false;
    expect("{requester: {active: 5}}", &u, "limit.recorded", POLICY_FAIL);
    expect("{requester: {rate: 5/1h}}", &u, "limit.requester.rate", POLICY_PASS);
    u = unused;
    u.attempts = POLICY_ATTEMPTS_MAX - 1;
    expect("{requester: {active: 5}}", &u, "limit.attempts", POLICY_PASS);
    u.attempts++;
    expect("{requester: {active: 5}}", &u, "limit.attempts", POLICY_FAIL);
}

static void unknown_usage_fails_closed(void **state)
{
    (void)state;
    const struct policy_usage unknown = {.state = POLICY_USAGE_UNKNOWN};
    const struct policy_usage aside = {.state = POLICY_USAGE_ASIDE};
    expect("{requester: {rate: 5/1h}}", NULL, "limit.usage", POLICY_FAIL);
    expect("{requester: {rate: 5/1h}}", &unknown, "limit.usage", POLICY_FAIL);
    expect("{requester: {rate: 5/1h}}", &aside, "limit.usage", POLICY_NA);
}

static const struct policy_rule *rule_of(const struct fix *f, const char *id)
{
    for (size_t i = 0; i < f->v.n; i++) {
        if (strcmp(f->v.rules[i].rule, id) == 0) {
            return &f->v.rules[i];
        }
    }
    return NULL;
}

static void results_say_what_was_seen_and_wanted(void **state)
{
    (void)state;
    struct fix f;
    struct policy_usage u = unused;
    fix_init(&f);
    policy_bundle_free(f.bundle);
    f.bundle =
        fix_bundle(LIMITS("{requester: {rate: 5/1h, burst: 3, active: 7}, key_reuse: refuse}"));
    u.attempts = POLICY_ATTEMPTS_MAX;
    judge(&f, &u);
    assert_string_equal(rule_of(&f, "limit.requester.rate")->observed, "a token is free");
    assert_string_equal(rule_of(&f, "limit.requester.rate")->required, "5 per 3600 s, burst 3");
    assert_string_equal(rule_of(&f, "limit.requester.active")->required, "at most 7");
    assert_string_equal(rule_of(&f, "limit.requester.active")->observed, "0");
    assert_string_equal(rule_of(&f, "limit.key_reuse")->observed, "not used before");
    assert_int_equal(rule_of(&f, "limit.recorded")->outcome, POLICY_NA); /* too many attempts */
    u = unused;
    u.scopes[POLICY_SCOPE_REQUESTER] = (struct policy_scope_usage){false, 1, 7};
    u.key_same = true;
    judge(&f, &u);
    int64_t after = 0;
    assert_string_equal(rule_of(&f, "limit.requester.rate")->observed, "none free for 1 s");
    assert_string_equal(rule_of(&f, "limit.key_reuse")->observed, "used by this requester");
    assert_int_equal(rule_of(&f, "limit.recorded")->outcome, POLICY_NA);
    u.key_same = false;
    u.scopes[POLICY_SCOPE_REQUESTER].active = 0;
    judge(&f, &u);
    assert_true(policy_limits_retry(&f.v, &u, &after));
    assert_int_equal(after, 1);
    fix_clear(&f);
}

/* ---- tenants ---- */

static struct policy_bundle *bundle_of_tenants(const char *limits)
{
    char tenants[512];
    struct diag d = {0};
    (void)snprintf(tenants, sizeof tenants,
                   "tenants:\n  - name: default\n    limits: %s\n  - name: other\n", limits);
    const struct policy_file more[] = {{"tenants.yaml", slice_str(tenants)}};
    struct policy_bundle *b = fix_bundle_with("", "", more, 1, &d);
    if (b == NULL) {
        fail_msg("%s %s %s", d.field, d.rule, d.text);
    }
    return b;
}

static void expect_tenant(const char *limits, const struct policy_usage *u, const char *rule,
                          enum policy_outcome outcome)
{
    struct fix f;
    fix_init(&f);
    policy_bundle_free(f.bundle);
    f.bundle = bundle_of_tenants(limits);
    judge(&f, u);
    if (fix_outcome(&f, rule) != outcome) {
        fail_msg("%s: outcome %d", rule, (int)fix_outcome(&f, rule));
    }
    assert_int_equal(f.v.verdict, outcome == POLICY_FAIL ? POLICY_FAIL : POLICY_PASS);
    fix_clear(&f);
}

static void tenants_have_limits_over_all_their_profiles(void **state)
{
    (void)state;
    struct policy_usage u = {.state = POLICY_USAGE_KNOWN,
                             .scopes = {{true, 0, 0}, {true, 0, 0}, {true, 0, 2}, {true, 0, 8}},
                             .recorded = true};
    struct policy_applied a;
    expect_tenant("{requester: {rate: 5/1h}}", &u, "limit.tenant_requester.rate", POLICY_PASS);
    expect_tenant("{requester: {active: 3}}", &u, "limit.tenant_requester.active", POLICY_PASS);
    expect_tenant("{requester: {active: 2}}", &u, "limit.tenant_requester.active", POLICY_FAIL);
    expect_tenant("{tenant: {rate: 5/1h}}", &u, "limit.tenant.rate", POLICY_PASS);
    expect_tenant("{tenant: {active: 9}}", &u, "limit.tenant.active", POLICY_PASS);
    expect_tenant("{tenant: {active: 8}}", &u, "limit.tenant.active", POLICY_FAIL);
    u.scopes[POLICY_SCOPE_TENANT_REQUESTER].granted = false;
    expect_tenant("{requester: {rate: 5/1h}}", &u, "limit.tenant_requester.rate", POLICY_FAIL);
    u.scopes[POLICY_SCOPE_TENANT].granted = false;
    expect_tenant("{tenant: {rate: 5/1h}}", &u, "limit.tenant.rate", POLICY_FAIL);
    struct policy_bundle *b = bundle_of_tenants("{tenant: {rate: 5/1h}}");
    assert_true(policy_limits_used(b));
    policy_limits_applied(b, policy_profile_at(b, 0), slice_str("other"), &a);
    assert_false(a.any);
    policy_limits_applied(b, policy_profile_at(b, 0), slice_str("default"), &a);
    assert_true(a.any && !a.counts);
    policy_bundle_free(b);
    b = fix_bundle("", "");
    assert_false(policy_limits_used(b));
    policy_bundle_free(b);
    b = fix_bundle(LIMITS("{profile: {rate: 5/1h}}"));
    assert_true(policy_limits_used(b));
    policy_bundle_free(b);
}

/* ---- in two steps, as the service judges ---- */

static const struct policy_usage open_usage = {.state = POLICY_USAGE_OPEN};

static void open_fix(struct fix *f, const char *limits)
{
    char text[512];
    fix_init(f);
    policy_bundle_free(f->bundle);
    (void)snprintf(text, sizeof text, "limits: %s\nextensions:\n", limits);
    f->bundle = fix_bundle("extensions:\n", text);
    judge(f, &open_usage);
}

static void open_limits_make_no_permit_until_judged(void **state)
{
    (void)state;
    struct fix f;
    struct policy_usage u = unused;
    open_fix(&f, "{requester: {rate: 5/1h, active: 2}}");
    assert_int_equal(f.v.verdict, POLICY_NA);
    policy_judge_limits(f.bundle, &f.facts, &f.v); /* still open: nobody looked */
    assert_int_equal(f.v.verdict, POLICY_FAIL);
    fix_clear(&f);

    open_fix(&f, "{requester: {rate: 5/1h, active: 2}}");
    f.facts.usage = &u;
    policy_judge_limits(f.bundle, &f.facts, &f.v);
    assert_int_equal(f.v.verdict, POLICY_PASS);
    size_t n = f.v.n;
    uint8_t results[32];
    memcpy(results, f.v.rules_sha256, 32);
    judge(&f, &u); /* both ways give the same octets */
    assert_int_equal(f.v.n, n);
    assert_memory_equal(f.v.rules_sha256, results, 32);

    judge(&f, &open_usage);
    u.scopes[POLICY_SCOPE_REQUESTER].active = 2;
    f.facts.usage = &u;
    policy_judge_limits(f.bundle, &f.facts, &f.v);
    assert_int_equal(f.v.verdict, POLICY_FAIL);
    fix_clear(&f);
}

static void a_refused_request_stays_refused(void **state)
{
    (void)state;
    struct fix f;
    struct policy_usage u = unused;
    open_fix(&f, "{requester: {rate: 5/1h}}");
    f.request.tenant = slice_str("other");
    judge(&f, &open_usage);
    assert_int_equal(f.v.verdict, POLICY_FAIL);
    size_t n = f.v.n;
    f.facts.usage = &u;
    policy_judge_limits(f.bundle, &f.facts, &f.v);
    assert_int_equal(f.v.verdict, POLICY_FAIL);
    assert_int_equal(f.v.n, n);
    f.request.tenant = slice_str("default");
    judge(&f, NULL);
    assert_int_equal(f.v.verdict, POLICY_FAIL);
    fix_clear(&f);
}

static void retry_is_told_when_rates_alone_refuse(void **state)
{
    (void)state;
    struct fix f;
    int64_t after = 0;
    struct policy_usage u = unused;
    open_fix(&f, "{requester: {rate: 5/1h, active: 3}, profile: {rate: 5/1h}}");
    f.facts.usage = &u;
    u.scopes[POLICY_SCOPE_REQUESTER] = (struct policy_scope_usage){false, 12, 0};
    u.scopes[POLICY_SCOPE_PROFILE] = (struct policy_scope_usage){false, 700, 0};
    policy_judge_limits(f.bundle, &f.facts, &f.v);
    assert_true(policy_limits_retry(&f.v, &u, &after));
    assert_int_equal(after, 700);
    u.scopes[POLICY_SCOPE_REQUESTER].active = 3;
    judge(&f, &u);
    assert_false(policy_limits_retry(&f.v, &u, &after)); /* waiting is no help */
    judge(&f, &unused);
    assert_false(policy_limits_retry(&f.v, &unused, &after));
    fix_clear(&f);
}

static void names_digest_covers_each_part(void **state)
{
    (void)state;
    struct fix f;
    uint8_t base[32], other[32];
    fix_init(&f);
    fix_build(&f);
    assert_int_equal(policy_limits_names(&f.request, base), CH_OK);
    struct slice *const parts[] = {&f.request.tenant, &f.request.profile, &f.request.requester,
                                   &f.request.subject_der, &f.sans[0].value};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        struct slice was = *parts[i];
        parts[i]->len--;
        assert_int_equal(policy_limits_names(&f.request, other), CH_OK);
        assert_memory_not_equal(base, other, 32);
        *parts[i] = was;
    }
    f.request.n_sans--;
    assert_int_equal(policy_limits_names(&f.request, other), CH_OK);
    assert_memory_not_equal(base, other, 32);
    f.request.n_sans++;
    uint8_t key[32] = {1};
    f.request.spki_sha256 = slice_of(key, 32); /* another key is the same names */
    assert_int_equal(policy_limits_names(&f.request, other), CH_OK);
    assert_memory_equal(base, other, 32);
    fix_clear(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nonsense_is_refused_with_its_place),
        cmocka_unit_test(values_become_buckets),
        cmocka_unit_test(profile_without_limits_has_no_results_and_needs_no_facts),
        cmocka_unit_test(rates),
        cmocka_unit_test(active_certificates),
        cmocka_unit_test(duplicates_are_allowed_late_in_life),
        cmocka_unit_test(keys_are_used_once_or_by_one),
        cmocka_unit_test(what_counts_is_recorded),
        cmocka_unit_test(unknown_usage_fails_closed),
        cmocka_unit_test(results_say_what_was_seen_and_wanted),
        cmocka_unit_test(tenants_have_limits_over_all_their_profiles),
        cmocka_unit_test(open_limits_make_no_permit_until_judged),
        cmocka_unit_test(a_refused_request_stays_refused),
        cmocka_unit_test(retry_is_told_when_rates_alone_refuse),
        cmocka_unit_test(names_digest_covers_each_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
