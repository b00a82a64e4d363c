/* Profile key `approvals`: what it may say, when it applies, and each way an approval counts or
 * does not. Officers a to d have identities /user/a to /user/d, e has none; a, b and e are of
 * "security", c and d of "owner", a to d of "policy". */
#include "officers_fix.h"

#include <openssl/x509.h>
#include <stdio.h>

#define NOW FIX_NOW

struct room {
    struct fix f;
    struct officers o;
    struct policy_approval papers[POLICY_APPROVALS_MAX + 1];
};

static struct policy_bundle *compile_with(const struct officers *o, const char *approvals,
                                          const char *tenants, struct diag *d)
{
    static char profile[8192];
    (void)snprintf(profile, sizeof profile, "%s%s", fix_profile_yaml, approvals);
    struct policy_file f[] = {
        {"officers.yaml", slice_str(o->yaml)},
        {"bundle.yaml", slice_str("version: 1\nname: t\ncrl: {max_validity: 8d}\n")},
        {"profiles/test.yaml", slice_str(profile)},
        {"tenants.yaml", slice_str(tenants)}};
    struct policy_bundle *b = NULL;
    return policy_bundle_compile(f, tenants[0] == '\0' ? 3 : 4, &b, d) == CH_OK ? b : NULL;
}

static struct policy_bundle *compile(const struct officers *o, const char *approvals,
                                     struct diag *d)
{
    return compile_with(o, approvals, "", d);
}

/* A permitted certificate of a profile with these approvals. */
static void room_init(struct room *r, const char *approvals)
{
    struct diag d = {.text = ""};
    fix_init(&r->f);
    officers_make(&r->o);
    policy_bundle_free(r->f.bundle);
    r->f.bundle = compile(&r->o, approvals, &d);
    if (r->f.bundle == NULL) {
        fail_msg("%s: %s", d.field, d.text);
    }
    assert_int_equal(policy_bundle_set_trust_domain(r->f.bundle, "chancery.test"), CH_OK);
    r->f.facts.approvals = r->papers;
}

static void room_clear(struct room *r)
{
    officers_clear(&r->o);
    fix_clear(&r->f);
}

/* An approval of the request as it is now for a step, issued a minute ago. */
static struct approval yes(struct room *r, const char *step)
{
    struct approval a = {.purpose = APPROVAL_REQUEST,
                         .decision = APPROVAL_APPROVE,
                         .step = slice_str(step),
                         .issued_at_s = NOW - 60,
                         .expires_at_s = NOW + 3600};
    fix_build(&r->f);
    assert_int_equal(permit_request_digest(&r->f.request, a.subject, NULL), CH_OK);
    return a;
}

static void add(struct room *r, unsigned who, const struct approval *a)
{
    r->papers[r->f.facts.n_approvals++] = officers_sign(&r->o, who, a, &r->f.arena);
}

static void approve(struct room *r, unsigned who, const char *step)
{
    struct approval a = yes(r, step);
    add(r, who, &a);
}

static void judge(struct room *r)
{
    fix_build(&r->f);
    fix_judge(&r->f);
}

static void want(struct room *r, const char *rule, enum policy_outcome outcome)
{
    for (size_t i = 0; i < r->f.v.n; i++) {
        if (strcmp(r->f.v.rules[i].rule, rule) == 0 && r->f.v.rules[i].outcome == outcome) {
            return;
        }
    }
    for (size_t i = 0; i < r->f.v.n; i++) {
        const struct policy_rule *x = &r->f.v.rules[i];
        if (strncmp(x->rule, "approval.", 9) == 0) {
            print_message("  %s %d %s: '%s' of '%s' (%s)\n", x->rule, x->outcome, x->field,
                          x->observed, x->required, x->source);
        }
    }
    fail_msg("%s is not %d", rule, outcome);
}

/* Judges; the verdict passes, or fails by rules of this family alone. */
static void want_verdict(struct room *r, enum policy_outcome outcome)
{
    judge(r);
    for (size_t i = 0; i < r->f.v.n; i++) {
        const struct policy_rule *x = &r->f.v.rules[i];
        if (x->outcome == POLICY_FAIL && strncmp(x->rule, "approval.", 9) != 0) {
            fail_msg("%s fails", x->rule);
        }
    }
    want(r, "approval.needed", outcome);
    assert_int_equal(r->f.v.verdict, outcome == POLICY_NA ? POLICY_PASS : outcome);
}

static const char TWO[] = "approvals: [{steps: [{role: security, quorum: 1}, "
                          "{role: owner, quorum: 2}]}]\n";
static const char ONE[] = "approvals: [{steps: [{role: policy, quorum: 2}]}]\n";

/* ---- compiling ---- */

static void want_error(const struct officers *o, const char *text, const char *where,
                       const char *rule)
{
    struct diag d = {.text = ""};
    struct policy_bundle *b = compile(o, text, &d);
    if (b != NULL) {
        fail_msg("accepted: %s", text);
    }
    if (strcmp(d.rule, rule) != 0 || strstr(d.field, where) == NULL) {
        fail_msg("%s: %s at %s, wanted %s at %s", text, d.rule, d.field, rule, where);
    }
}

static void errors_name_rule_and_place(void **state)
{
    (void)state;
    struct officers o;
    unsigned line = 1;
    char here[48];
    officers_make(&o);
    for (const char *p = fix_profile_yaml; *p != '\0'; p++) {
        line += *p == '\n' ? 1 : 0;
    }
    (void)snprintf(here, sizeof here, "profiles/test.yaml:%u:", line);
#define BAD(rule, text) want_error(&o, "approvals: " text "\n", here, rule)
#define STEPS "steps: [{role: policy, quorum: 1}]"
    BAD("policy.list", "[]");
    BAD("conf.type", "[x]");
    BAD("conf.type", "{" STEPS "}");
    BAD("conf.required", "[{when: {ca: true}}]");
    BAD("policy.list", "[{steps: []}]");
    BAD("conf.type", "[{steps: [policy]}]");
    BAD("conf.required", "[{steps: [{role: policy}]}]");
    BAD("conf.required", "[{steps: [{quorum: 1}]}]");
    BAD("conf.range", "[{steps: [{role: policy, quorum: 0}]}]");
    BAD("conf.range", "[{steps: [{role: policy, quorum: 17}]}]");
    BAD("approvals.role", "[{steps: [{role: 'Policy', quorum: 1}]}]");
    BAD("approvals.role", "[{steps: [{role: policy, quorum: 1}, {role: policy, quorum: 1}]}]");
    BAD("approvals.quorum", "[{steps: [{role: policy, quorum: 5}]}]");
    BAD("approvals.quorum", "[{steps: [{role: nobody, quorum: 1}]}]");
    BAD("approvals.quorum", "[{steps: [{role: security, quorum: 3}]}]"); /* e has no identity */
    BAD("approvals.quorum", "[{steps: [{role: policy, quorum: 3}, {role: security, quorum: 2}]}]");
    BAD("approvals.quorum", "[{steps: [{role: policy, quorum: 1}, {role: security, quorum: 2}, "
                            "{role: owner, quorum: 2}]}]");
    BAD("approvals.when", "[{when: {wildcard: false}, " STEPS "}]");
    BAD("approvals.when", "[{when: {ca: false}, " STEPS "}]");
    BAD("conf.type", "[{when: {ca: yes}, " STEPS "}]");
    BAD("conf.type", "[{when: [ca], " STEPS "}]");
    BAD("conf.unknown", "[{when: {wildcards: true}, " STEPS "}]");
    BAD("conf.range", "[{when: {names_over: 257}, " STEPS "}]");
    BAD("conf.range", "[{when: {names_over: -1}, " STEPS "}]");
    BAD("conf.type", "[{when: {validity_over: 90}, " STEPS "}]");
    BAD("conf.range", "[{" STEPS ", expires: 31d}]");
    BAD("conf.range", "[{" STEPS ", expires: 59s}]");
    BAD("conf.unknown", "[{" STEPS ", expire: 1d}]");
    BAD("policy.list", "[{" STEPS "}, {" STEPS "}, {" STEPS "}, {" STEPS "}, {" STEPS "}, {" STEPS
                       "}, {" STEPS "}, {" STEPS "}, {" STEPS "}]");
    officers_clear(&o);
}

static void steps_that_distinct_people_can_fill_compile(void **state)
{
    (void)state;
    struct room r;
    /* owner takes c and d, security a and b: policy would need a fifth; one of each is enough. */
    room_init(&r, "approvals: [{steps: [{role: policy, quorum: 1}, {role: security, quorum: 1}, "
                  "{role: owner, quorum: 2}]}]\n");
    room_clear(&r);
}

/* ---- conditions ---- */

static void want_needed(const char *when, bool needed, void (*change)(struct room *r))
{
    struct room r;
    char text[256];
    (void)snprintf(text, sizeof text,
                   "approvals: [{when: {%s}, steps: [{role: policy, quorum: 1}]}]\n", when);
    room_init(&r, text);
    if (change != NULL) {
        change(&r);
    }
    judge(&r);
    if ((fix_outcome(&r.f, "approval.needed") == POLICY_FAIL) != needed) {
        fail_msg("%s: wrongly %sneeded", when, needed ? "not " : "");
    }
    if (!needed) {
        want_verdict(&r, POLICY_NA);
    }
    room_clear(&r);
}

static void no_wildcard(struct room *r)
{
    r->f.sans[1].value = slice_str("0.example.test"); /* keeps the order */
    fix_san_ext(&r->f);
}

static void request_only(struct room *r)
{
    fix_build(&r->f);
    r->f.facts.tbs = slice_of(NULL, 0);
}

static void profile_without_approvals_needs_none(void **state)
{
    (void)state;
    struct room r;
    room_init(&r, "");
    judge(&r);
    assert_int_equal(r.f.v.verdict, POLICY_PASS);
    want(&r, "approval.needed", POLICY_NA);
    assert_int_equal(fix_outcome(&r.f, "approval.quorum"), POLICY_NONE);
    room_clear(&r);
}

static void conditions_decide_whether_approvals_are_needed(void **state)
{
    (void)state;
    want_needed("", true, NULL);
    want_needed("wildcard: true", true, NULL);
    want_needed("names_over: 4", true, NULL); /* five names */
    want_needed("names_over: 5", false, NULL);
    want_needed("names_over: 0", true, NULL);
    want_needed("validity_over: 29d23h59m59s", true, NULL); /* 30 d from now on */
    want_needed("validity_over: 30d", false, NULL);
    want_needed("ca: true", false, NULL);
    want_needed("wildcard: true, names_over: 4", true, NULL); /* all must hold */
    want_needed("wildcard: true, names_over: 5", false, NULL);
    want_needed("wildcard: true", false, no_wildcard);
}

static void life_of_a_request_alone_follows_request_and_profile(void **state)
{
    (void)state;
    static const struct {
        uint32_t asked_s;
        const char *over;
        bool needed;
    } cases[] = {{0, "29d", true},    {0, "30d", false},           {86400, "1d", false},
                 {86401, "1d", true}, {400 * 86400, "90d", false}, {400 * 86400, "89d", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct room r;
        char text[128];
        (void)snprintf(text, sizeof text,
                       "approvals: [{when: {validity_over: %s}, steps: [{role: policy, quorum: "
                       "1}]}]\n",
                       cases[i].over);
        room_init(&r, text);
        r.f.request.max_validity_s = cases[i].asked_s;
        request_only(&r);
        fix_judge(&r.f);
        assert_int_equal(fix_outcome(&r.f, "approval.needed"),
                         cases[i].needed ? POLICY_FAIL : POLICY_NA);
        room_clear(&r);
    }
}

/* ---- quorum and order ---- */

static void quorum_of_distinct_officers_permits(void **state)
{
    (void)state;
    struct room r;
    room_init(&r, ONE);
    want_verdict(&r, POLICY_FAIL);
    want(&r, "approval.quorum", POLICY_FAIL);
    assert_true(policy_approvals_wait(&r.f.v));
    approve(&r, 0, "policy");
    want_verdict(&r, POLICY_FAIL);
    approve(&r, 0, "policy"); /* the same once more */
    want_verdict(&r, POLICY_FAIL);
    want(&r, "approval.superseded", POLICY_FAIL);
    approve(&r, 2, "policy");
    want_verdict(&r, POLICY_PASS);
    want(&r, "approval.quorum", POLICY_PASS);
    want(&r, "approval.superseded", POLICY_NA);
    assert_false(policy_approvals_wait(&r.f.v));
    approve(&r, 3, "policy"); /* one too many is no fault */
    want_verdict(&r, POLICY_PASS);
    room_clear(&r);
}

static void results_name_step_number_and_source(void **state)
{
    (void)state;
    struct room r;
    room_init(&r, TWO);
    approve(&r, 0, "security");
    approve(&r, 2, "owner");
    judge(&r);
    const struct policy_rule *found[2] = {NULL};
    size_t n = 0;
    for (size_t i = 0; i < r.f.v.n; i++) {
        if (strcmp(r.f.v.rules[i].rule, "approval.quorum") == 0 && n < 2) {
            found[n++] = &r.f.v.rules[i];
        }
    }
    assert_int_equal(n, 2);
    assert_int_equal(found[0]->outcome, POLICY_PASS);
    assert_string_equal(found[0]->field, "approvals.security");
    assert_string_equal(found[0]->observed, "1");
    assert_int_equal(found[1]->outcome, POLICY_FAIL);
    assert_string_equal(found[1]->field, "approvals.owner");
    assert_string_equal(found[1]->observed, "1");
    assert_string_equal(found[1]->required, "2 of owner");
    assert_non_null(strstr(found[1]->source, "profiles/test.yaml:"));
    room_clear(&r);
}

static void later_step_begins_when_the_earlier_is_complete(void **state)
{
    (void)state;
    struct room r;
    room_init(&r, TWO);
    struct approval owner = yes(&r, "owner");
    add(&r, 2, &owner);
    owner.issued_at_s--; /* a second before the first step was complete */
    add(&r, 3, &owner);
    approve(&r, 0, "security");
    want_verdict(&r, POLICY_FAIL);
    want(&r, "approval.order", POLICY_FAIL);
    owner.issued_at_s += 2;
    add(&r, 3, &owner); /* signs again */
    want_verdict(&r, POLICY_PASS);
    want(&r, "approval.order", POLICY_PASS);
    room_clear(&r);
}

static void later_step_alone_does_not_count(void **state)
{
    (void)state;
    struct room r;
    room_init(&r, TWO);
    approve(&r, 2, "owner");
    approve(&r, 3, "owner");
    want_verdict(&r, POLICY_FAIL);
    want(&r, "approval.order", POLICY_FAIL);
    room_clear(&r);
}

static void nobody_counts_in_two_steps(void **state)
{
    (void)state;
    struct room r;
    room_init(&r,
              "approvals: [{steps: [{role: security, quorum: 1}, {role: policy, quorum: 1}]}]\n");
    approve(&r, 0, "security");
    approve(&r, 0, "policy");
    want_verdict(&r, POLICY_FAIL);
    want(&r, "approval.twice", POLICY_FAIL);
    approve(&r, 1, "policy");
    want_verdict(&r, POLICY_PASS);
    want(&r, "approval.twice", POLICY_NA);
    room_clear(&r);
}

static void every_entry_that_applies_must_be_satisfied(void **state)
{
    (void)state;
    struct room r;
    room_init(&r, "approvals:\n"
                  "  - {when: {wildcard: true}, steps: [{role: policy, quorum: 1}]}\n"
                  "  - {when: {ca: true}, steps: [{role: policy, quorum: 4}]}\n"
                  "  - {when: {names_over: 2}, steps: [{role: owner, quorum: 1}]}\n");
    approve(&r, 2, "policy");
    want_verdict(&r, POLICY_FAIL);
    approve(&r, 2, "owner"); /* in another entry one officer may count again */
    want_verdict(&r, POLICY_PASS);
    room_clear(&r);
}

/* ---- papers that do not count ---- */

/* With a's good approval for "policy" before: the paper added last is faulty by `rule`. */
static void want_fault(struct room *r, const char *rule)
{
    want_verdict(r, POLICY_FAIL);
    want(r, rule, POLICY_FAIL);
    approve(r, 3, "policy"); /* complete without it: it does no harm */
    want_verdict(r, POLICY_PASS);
    want(r, rule, POLICY_NA);
    r->f.facts.n_approvals = 1;
    want_verdict(r, POLICY_FAIL);
    want(r, rule, POLICY_PASS);
}

static void faulty_papers_say_why_and_do_no_harm(void **state)
{
    (void)state;
    struct room r;
    room_init(&r, ONE);
    approve(&r, 0, "policy");
    struct approval a = yes(&r, "policy");
    a.subject[0] ^= 1; /* another request's */
    add(&r, 1, &a);
    want_fault(&r, "approval.subject");
    a = yes(&r, APPROVAL_STEP_PROMOTION);
    a.purpose = APPROVAL_BUNDLE;
    add(&r, 1, &a);
    want_fault(&r, "approval.subject");
    a = yes(&r, "policy");
    a.expires_at_s = NOW;
    add(&r, 1, &a);
    want_fault(&r, "approval.expired");
    a.expires_at_s = NOW + 3600;
    a.issued_at_s = NOW - 7 * 86400; /* the profile's own limit */
    add(&r, 1, &a);
    want_fault(&r, "approval.expired");
    a.issued_at_s = NOW + 6;
    add(&r, 1, &a);
    want_fault(&r, "approval.future");
    approve(&r, 1, "security");
    want_fault(&r, "approval.step");
    approve(&r, 4, "policy");
    want_fault(&r, "approval.role");
    approve(&r, 1, "policy");
    r.papers[1].signature = r.papers[0].signature;
    want_fault(&r, "approval.signature");
    approve(&r, 1, "policy");
    r.papers[1].bytes.len--;
    want_fault(&r, "approval.format");
    memset(r.o.hash[1], 9, 32); /* nobody's key */
    approve(&r, 1, "policy");
    want_fault(&r, "approval.officer");
    room_clear(&r);
}

/* Officer b belongs to another tenant: neither a yes nor a no of hers is heard in this one. */
static void officers_of_another_tenant_have_no_say(void **state)
{
    (void)state;
    struct room r;
    struct diag d = {.text = ""};
    room_init(&r, ONE);
    policy_bundle_free(r.f.bundle);
    r.f.bundle = compile_with(&r.o, ONE, "tenants: [{name: default, officers: [a, c, d]}]\n", &d);
    if (r.f.bundle == NULL) {
        fail_msg("%s: %s", d.field, d.text);
    }
    assert_int_equal(policy_bundle_set_trust_domain(r.f.bundle, "chancery.test"), CH_OK);
    approve(&r, 0, "policy");
    approve(&r, 1, "policy");
    want_fault(&r, "approval.tenant");
    r.f.facts.n_approvals = 0;
    approve(&r, 0, "policy");
    approve(&r, 2, "policy");
    struct approval a = yes(&r, "policy");
    a.decision = APPROVAL_REJECT;
    add(&r, 1, &a);
    want_verdict(&r, POLICY_PASS);
    r.f.facts.n_approvals = 2;
    add(&r, 3, &a); /* an officer of the tenant is heard */
    judge(&r);
    want(&r, "approval.rejected", POLICY_FAIL);
    room_clear(&r);
}

static void expiry_is_exact(void **state)
{
    (void)state;
    struct room r;
    room_init(&r, "approvals: [{steps: [{role: policy, quorum: 1}], expires: 1h}]\n");
    struct approval a = yes(&r, "policy");
    a.issued_at_s = NOW - 3599;
    a.expires_at_s = NOW + 1;
    add(&r, 0, &a);
    want_verdict(&r, POLICY_PASS);
    r.f.facts.n_approvals = 0;
    a.issued_at_s--;
    add(&r, 0, &a);
    want_verdict(&r, POLICY_FAIL);
    room_clear(&r);
}

/* The officer at place `who` is the requester, however that shows. */
static void want_self(void (*change)(struct room *r))
{
    struct room r;
    room_init(&r, ONE);
    change(&r);
    approve(&r, 0, "policy");
    approve(&r, 1, "policy");
    want_verdict(&r, POLICY_FAIL);
    want(&r, "approval.self", POLICY_FAIL);
    approve(&r, 2, "policy");
    want_verdict(&r, POLICY_PASS);
    room_clear(&r);
}

static void requester_is_officer(struct room *r)
{
    r->f.request.requester = r->f.request.evidence.caller =
        slice_str("spiffe://chancery.test/user/a");
}

static void gateway_asks_for_officer(struct room *r)
{
    r->f.request.requester = slice_str("spiffe://chancery.test/user/b");
    r->f.request.evidence.caller = slice_str("spiffe://chancery.test/chancery/acme");
}

static void officers_key_is_certified(struct room *r)
{
    uint8_t *der = NULL;
    int n = i2d_PUBKEY(r->o.keys[0], &der);
    assert_true(n > 0);
    fix_key(&r->f, slice_of(arena_copy(&r->f.arena, slice_of(der, (size_t)n)), (size_t)n));
    OPENSSL_free(der);
}

static void requester_never_counts(void **state)
{
    (void)state;
    want_self(requester_is_officer);
    want_self(gateway_asks_for_officer);
    want_self(officers_key_is_certified);
}

static void officer_without_identity_never_counts(void **state)
{
    (void)state;
    struct room r;
    room_init(&r, "approvals: [{steps: [{role: security, quorum: 1}]}]\n");
    approve(&r, 4, "security");
    want_verdict(&r, POLICY_FAIL);
    want(&r, "approval.identity", POLICY_FAIL);
    approve(&r, 0, "security");
    want_verdict(&r, POLICY_PASS);
    want(&r, "approval.identity", POLICY_NA);
    room_clear(&r);
}

/* ---- rejection, flood ---- */

static void rejection_refuses_whatever_else_is_there(void **state)
{
    (void)state;
    struct room r;
    room_init(&r, ONE);
    approve(&r, 0, "policy");
    approve(&r, 1, "policy");
    struct approval no = yes(&r, "policy");
    no.decision = APPROVAL_REJECT;
    no.issued_at_s = NOW - 7200;
    no.expires_at_s = NOW - 7100; /* holds on after its expiry */
    add(&r, 2, &no);
    judge(&r);
    assert_int_equal(r.f.v.verdict, POLICY_FAIL);
    want(&r, "approval.rejected", POLICY_FAIL);
    want(&r, "approval.quorum", POLICY_PASS);
    assert_false(policy_approvals_wait(&r.f.v));
    approve(&r, 2, "policy"); /* takes it back */
    want_verdict(&r, POLICY_PASS);
    want(&r, "approval.rejected", POLICY_PASS);
    room_clear(&r);
}

static void rejection_by_one_who_was_not_asked_is_not_heard(void **state)
{
    (void)state;
    struct room r;
    room_init(&r, ONE);
    approve(&r, 0, "policy");
    approve(&r, 1, "policy");
    struct approval no = yes(&r, "policy");
    no.decision = APPROVAL_REJECT;
    add(&r, 4, &no); /* has not the role */
    no.step = slice_str("security");
    add(&r, 4, &no); /* is no step of this request */
    no.step = slice_str("policy");
    no.subject[0] ^= 1;
    add(&r, 2, &no); /* another request */
    want_verdict(&r, POLICY_PASS);
    want(&r, "approval.rejected", POLICY_PASS);
    room_clear(&r);
}

static void flood_of_papers_is_bounded(void **state)
{
    (void)state;
    struct room r;
    room_init(&r, ONE);
    approve(&r, 0, "policy");
    approve(&r, 1, "policy");
    for (size_t i = 2; i <= POLICY_APPROVALS_MAX; i++) {
        r.papers[i] = (struct policy_approval){.bytes = slice_str("junk")};
    }
    r.f.facts.n_approvals = POLICY_APPROVALS_MAX;
    want_verdict(&r, POLICY_PASS);
    want(&r, "approval.count", POLICY_PASS);
    want(&r, "approval.format", POLICY_NA);
    r.f.facts.n_approvals++;
    judge(&r);
    assert_int_equal(r.f.v.verdict, POLICY_FAIL);
    want(&r, "approval.count", POLICY_FAIL);
    room_clear(&r);
}

static void same_facts_give_the_same_verdict(void **state)
{
    (void)state;
    struct room r;
    uint8_t first[32];
    room_init(&r, TWO);
    approve(&r, 0, "security");
    approve(&r, 2, "owner");
    judge(&r);
    memcpy(first, r.f.v.rules_sha256, 32);
    judge(&r);
    assert_memory_equal(first, r.f.v.rules_sha256, 32);
    room_clear(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_name_rule_and_place),
        cmocka_unit_test(steps_that_distinct_people_can_fill_compile),
        cmocka_unit_test(profile_without_approvals_needs_none),
        cmocka_unit_test(conditions_decide_whether_approvals_are_needed),
        cmocka_unit_test(life_of_a_request_alone_follows_request_and_profile),
        cmocka_unit_test(quorum_of_distinct_officers_permits),
        cmocka_unit_test(results_name_step_number_and_source),
        cmocka_unit_test(later_step_begins_when_the_earlier_is_complete),
        cmocka_unit_test(later_step_alone_does_not_count),
        cmocka_unit_test(nobody_counts_in_two_steps),
        cmocka_unit_test(every_entry_that_applies_must_be_satisfied),
        cmocka_unit_test(faulty_papers_say_why_and_do_no_harm),
        cmocka_unit_test(officers_of_another_tenant_have_no_say),
        cmocka_unit_test(expiry_is_exact),
        cmocka_unit_test(requester_never_counts),
        cmocka_unit_test(officer_without_identity_never_counts),
        cmocka_unit_test(rejection_refuses_whatever_else_is_there),
        cmocka_unit_test(rejection_by_one_who_was_not_asked_is_not_heard),
        cmocka_unit_test(flood_of_papers_is_bounded),
        cmocka_unit_test(same_facts_give_the_same_verdict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
