/* services/policy: what is decided about one item of a Permit call. */
#include "fix.h"

#include "decide.h"
#include "officers_fix.h"

struct case_base {
    struct fix f;
    struct policy_issuers issuers;
    struct policy_decider decider;
    Chancery__Common__V1__Request request;
    Chancery__Common__V1__Evidence evidence;
    Chancery__Common__V1__San sans[8], *san_list[8];
    Chancery__Policy__V1__CertificateItem certificate;
    Chancery__Policy__V1__CrlItem crl;
    Chancery__Policy__V1__PermitItem item;
    struct permit_statement statement;
    struct policy_decision got;
};

static ProtobufCBinaryData bin(struct slice s)
{
    return (ProtobufCBinaryData){s.len, (uint8_t *)(uintptr_t)s.ptr};
}

static char *text(struct case_base *c, struct slice s)
{
    return arena_str(&c->f.arena, s);
}

static void fill_request(struct case_base *c)
{
    const struct permit_request *r = &c->f.request;
    chancery__common__v1__request__init(&c->request);
    chancery__common__v1__evidence__init(&c->evidence);
    c->evidence.protocol = text(c, r->evidence.protocol);
    c->evidence.caller = text(c, r->evidence.caller);
    c->evidence.proof = text(c, r->evidence.proof);
    c->evidence.n_authentication = r->evidence.n_authentication;
    c->evidence.authentication =
        arena_alloc(&c->f.arena, r->evidence.n_authentication * sizeof *c->evidence.authentication);
    for (size_t i = 0; i < r->evidence.n_authentication; i++) {
        c->evidence.authentication[i] = text(c, r->evidence.authentication[i]);
    }
    c->request.request_id = bin(r->request_id);
    c->request.tenant = text(c, r->tenant);
    c->request.profile = text(c, r->profile);
    c->request.requester = text(c, r->requester);
    c->request.spki_sha256 = bin(r->spki_sha256);
    c->request.subject_der = bin(r->subject_der);
    c->request.evidence = &c->evidence;
    for (size_t i = 0; i < r->n_sans; i++) {
        chancery__common__v1__san__init(&c->sans[i]);
        c->sans[i].type = (Chancery__Common__V1__SanType)r->sans[i].type;
        c->sans[i].value = bin(r->sans[i].value);
        c->san_list[i] = &c->sans[i];
    }
    c->request.sans = c->san_list;
    c->request.n_sans = r->n_sans;
}

static void base(struct case_base *c)
{
    memset(c, 0, sizeof *c);
    fix_init(&c->f);
    fix_build(&c->f);
    fill_request(c);
    c->issuers.list[c->issuers.n++] = c->f.issuer;
    c->issuers.own_keys = c->f.own;
    c->issuers.n_own_keys = 2;
    c->decider = (struct policy_decider){c->f.bundle, &c->issuers};
    chancery__policy__v1__certificate_item__init(&c->certificate);
    c->certificate.request = &c->request;
    c->certificate.issuer_id = text(c, slice_str("issuing-1"));
    c->certificate.tbs = bin(c->f.facts.tbs);
    chancery__policy__v1__permit_item__init(&c->item);
    c->item.subject_case = CHANCERY__POLICY__V1__PERMIT_ITEM__SUBJECT_CERTIFICATE;
    c->item.certificate = &c->certificate;
    c->statement.n = 2;
    memset(c->statement.digests[0], 0xee, 32);
    assert_int_equal(permit_request_digest(&c->f.request, c->statement.digests[1], NULL), CH_OK);
}

static void decide(struct case_base *c, const struct permit_statement *s)
{
    assert_int_equal(policy_decide(&c->decider, &c->item, s, FIX_NOW, &c->f.arena, &c->got), CH_OK);
    /* Whatever was decided, the item is canonical and says it. */
    struct permit_item item;
    assert_int_equal(permit_item_read(c->got.item_bytes, &item, NULL), CH_OK);
    assert_int_equal(item.verdict, c->got.err == CH_OK ? PERMIT_ALLOW : PERMIT_REFUSE);
    assert_memory_equal(&item.tbs_sha256, c->got.item.tbs_sha256, 32);
}

static void expect_refusal(struct case_base *c, enum chancery_err err, const char *rule)
{
    decide(c, &c->statement);
    assert_int_equal(c->got.err, err);
    assert_string_equal(c->got.diag.rule, rule);
    assert_non_null(strstr(c->got.failed, rule));
    assert_true(c->got.n_rules >= 1);
    for (size_t i = 0; i < c->got.n_rules; i++) {
        assert_int_equal(c->got.rules[i]->outcome, CHANCERY__COMMON__V1__OUTCOME__OUTCOME_FAIL);
    }
    fix_clear(&c->f);
}

static void certificate_good_is_permitted(void **state)
{
    (void)state;
    struct case_base c;
    uint8_t tbs[32];
    base(&c);
    decide(&c, &c.statement);
    assert_int_equal(c.got.err, CH_OK);
    assert_int_equal(c.got.n_rules, 0);
    assert_int_equal(c.got.item.purpose, PERMIT_CERTIFICATE);
    crypto_sha256(c.f.facts.tbs, tbs);
    assert_memory_equal(c.got.item.tbs_sha256, tbs, 32);
    assert_memory_equal(c.got.item.request_digest, c.statement.digests[1], 32);
    assert_memory_equal(c.got.item.issuer_spki_sha256, c.f.issuer.spki_sha256, 32);
    fix_clear(&c.f);
}

static void certificate_refusals_name_their_rule(void **state)
{
    (void)state;
    struct case_base c;
    base(&c);
    c.statement.n = 1; /* registration said nothing about this request */
    expect_refusal(&c, CH_REFUSED, "statement.request");
    base(&c);
    c.request.tenant = text(&c, slice_str("other")); /* a field altered after the statement */
    expect_refusal(&c, CH_REFUSED, "statement.request");
    base(&c);
    c.certificate.tbs.len = 0;
    expect_refusal(&c, CH_INVALID, "tbs.missing");
    base(&c);
    c.certificate.issuer_id = text(&c, slice_str("issuing-9"));
    expect_refusal(&c, CH_REFUSED, "issuer.known");
    base(&c);
    c.certificate.tbs.data[c.certificate.tbs.len - 1] ^= 1;
    expect_refusal(&c, CH_REFUSED, "san.exact"); /* the last octet stands in a name */
    base(&c);
    c.certificate.request = NULL;
    expect_refusal(&c, CH_INVALID, "request.missing");
    base(&c);
    c.san_list[0] = c.san_list[1];
    expect_refusal(&c, CH_INVALID, "request.san.order");
    base(&c);
    c.request.request_id.len = 3;
    expect_refusal(&c, CH_INVALID, "request.digest");
}

static void certificate_without_statement_is_refused(void **state)
{
    (void)state;
    struct case_base c;
    base(&c);
    decide(&c, NULL);
    assert_int_equal(c.got.err, CH_REFUSED);
    assert_string_equal(c.got.diag.rule, "statement.request");
    fix_clear(&c.f);
}

/* The base certificate of a profile that wants one approval of "policy". */
static void base_approvals(struct case_base *c, struct officers *o)
{
    static char profile[8192];
    struct diag d = {.text = ""};
    base(c);
    officers_make(o);
    (void)snprintf(profile, sizeof profile, "%s%s", fix_profile_yaml,
                   "approvals: [{steps: [{role: policy, quorum: 1}]}]\n");
    const struct policy_file files[] = {
        {"officers.yaml", slice_str(o->yaml)},
        {"bundle.yaml", slice_str("version: 1\nname: t\ncrl: {max_validity: 8d}\n")},
        {"profiles/test.yaml", slice_str(profile)}};
    policy_bundle_free(c->f.bundle);
    if (policy_bundle_compile(files, 3, &c->f.bundle, &d) != CH_OK) {
        fail_msg("%s: %s", d.field, d.text);
    }
    assert_int_equal(policy_bundle_set_trust_domain(c->f.bundle, "chancery.test"), CH_OK);
    c->decider.bundle = c->f.bundle;
}

static void expect_err(struct case_base *c, enum chancery_err err, const char *rule)
{
    decide(c, &c->statement);
    assert_int_equal(c->got.err, err);
    assert_string_equal(c->got.diag.rule, rule);
    assert_true(c->got.n_rules >= 1);
}

static void certificate_waits_for_its_approvals(void **state)
{
    (void)state;
    struct case_base c;
    struct officers o;
    base_approvals(&c, &o);
    expect_err(&c, CH_PRECONDITION, "approval.pending");
    assert_string_equal(c.got.failed, "approval.quorum,approval.needed");
    struct approval a = {.purpose = APPROVAL_REQUEST,
                         .decision = APPROVAL_APPROVE,
                         .step = slice_str("policy"),
                         .issued_at_s = FIX_NOW,
                         .expires_at_s = FIX_NOW + 60};
    memcpy(a.subject, c.statement.digests[1], 32);
    struct policy_approval good = officers_sign(&o, 2, &a, &c.f.arena);
    a.decision = APPROVAL_REJECT;
    struct policy_approval no = officers_sign(&o, 3, &a, &c.f.arena);
    Chancery__Common__V1__Approval m[2] = {CHANCERY__COMMON__V1__APPROVAL__INIT,
                                           CHANCERY__COMMON__V1__APPROVAL__INIT};
    Chancery__Common__V1__Approval *list[] = {&m[0], &m[1]};
    m[0].approval = bin(good.bytes);
    m[0].signature = bin(no.signature); /* forged */
    c.certificate.approvals = list;
    c.certificate.n_approvals = 1;
    expect_err(&c, CH_PRECONDITION, "approval.pending");
    m[0].signature = bin(good.signature);
    decide(&c, &c.statement);
    assert_int_equal(c.got.err, CH_OK);
    m[1].approval = bin(no.bytes);
    m[1].signature = bin(no.signature);
    c.certificate.n_approvals = 2;
    expect_err(&c, CH_REFUSED, "approval.rejected"); /* for good */
    /* Another fault beside missing approvals refuses for good as well. */
    c.certificate.n_approvals = 0;
    memcpy(c.f.own[0], c.f.request.spki_sha256.ptr, 32);
    expect_err(&c, CH_REFUSED, "key.own");
    officers_clear(&o);
    fix_clear(&c.f);
}

static void base_crl(struct case_base *c)
{
    static const uint8_t digest[32] = {9};
    base(c);
    chancery__policy__v1__crl_item__init(&c->crl);
    c->crl.issuer_id = text(c, slice_str("issuing-1"));
    c->crl.shard = 5;
    c->crl.number = 12;
    c->crl.this_update_s = FIX_NOW;
    c->crl.next_update_s = FIX_NOW + 86400;
    c->crl.tbs_sha256 = bin(slice_of(digest, 32));
    c->item.subject_case = CHANCERY__POLICY__V1__PERMIT_ITEM__SUBJECT_CRL;
    c->item.crl = &c->crl;
}

static void crl_items_are_decided(void **state)
{
    (void)state;
    struct case_base c;
    base_crl(&c);
    decide(&c, NULL);
    assert_int_equal(c.got.err, CH_OK);
    assert_int_equal(c.got.item.purpose, PERMIT_CRL);
    assert_int_equal(c.got.item.crl_shard, 5);
    assert_int_equal(c.got.item.crl_number, 12);
    assert_int_equal(c.got.item.crl_this_update_s, FIX_NOW);
    fix_clear(&c.f);
    base_crl(&c);
    c.crl.tbs_sha256.len = 31;
    expect_refusal(&c, CH_INVALID, "crl.tbs");
    base_crl(&c);
    c.crl.issuer_id = text(&c, slice_str("root"));
    expect_refusal(&c, CH_REFUSED, "issuer.known");
    base_crl(&c);
    c.crl.shard = 64;
    expect_refusal(&c, CH_REFUSED, "crl.shard");
}

static void permit_covers_all_items(void **state)
{
    (void)state;
    struct case_base c, d;
    struct buf b CLEANUP(buf_clear);
    struct permit p;
    uint8_t root[32];
    buf_init(&b, 4096);
    base(&c);
    decide(&c, &c.statement);
    base(&d);
    d.statement.n = 1;
    decide(&d, &d.statement);
    struct policy_decision items[] = {c.got, d.got};
    const struct slice leaves[] = {c.got.item_bytes, d.got.item_bytes};
    assert_int_equal(policy_decide_permit(c.f.bundle, items, 0, FIX_NOW, &b), CH_LIMIT);
    assert_int_equal(policy_decide_permit(c.f.bundle, items, 2, FIX_NOW, &b), CH_OK);
    assert_int_equal(permit_read(buf_slice(&b), &p, NULL), CH_OK);
    assert_int_equal(p.n, 2);
    assert_int_equal(p.expires_at_s, FIX_NOW + PERMIT_TTL_S);
    assert_memory_equal(p.bundle_sha256, policy_bundle_hash(c.f.bundle), 32);
    permit_root(leaves, 2, root);
    assert_memory_equal(p.root, root, 32);
    fix_clear(&c.f);
    fix_clear(&d.f);
}

static void limit(struct case_base *c)
{
    base(c);
    policy_bundle_free(c->f.bundle);
    c->f.bundle =
        fix_bundle("extensions:\n", "limits: {requester: {rate: 5/1h, active: 3}, duplicates: "
                                    "refuse}\nextensions:\n");
    c->decider.bundle = c->f.bundle;
    assert_int_equal(
        policy_decide(&c->decider, &c->item, &c->statement, FIX_NOW, &c->f.arena, &c->got), CH_OK);
}

static void end_limit(struct case_base *c, const struct policy_usage *usage)
{
    struct permit_item item;
    assert_int_equal(policy_decide_limits(&c->decider, usage, &c->f.arena, &c->got), CH_OK);
    assert_null(c->got.open);
    assert_int_equal(permit_item_read(c->got.item_bytes, &item, NULL), CH_OK);
    assert_int_equal(item.verdict, c->got.err == CH_OK ? PERMIT_ALLOW : PERMIT_REFUSE);
}

static void limits_are_decided_with_what_was_used(void **state)
{
    (void)state;
    struct case_base c;
    struct policy_usage u = {.state = POLICY_USAGE_KNOWN,
                             .scopes[POLICY_SCOPE_REQUESTER] = {.granted = true, .active = 2},
                             .recorded = true};
    limit(&c);
    assert_non_null(c.got.open);
    assert_int_not_equal(c.got.err, CH_OK); /* waiting is not permitted */
    const struct policy_ask ask = policy_ask_of(c.got.open);
    assert_memory_equal(ask.digest, c.statement.digests[1], 32);
    assert_memory_equal(ask.tbs_sha256, c.got.item.tbs_sha256, 32);
    assert_true(slice_eq(ask.serial, slice_of(c.f.serial, 16)));
    assert_int_equal(ask.not_after_s, c.f.t.not_after_s);
    assert_string_equal(ask.issuer_id, "issuing-1");
    assert_true(ask.limits->counts);
    end_limit(&c, &u);
    assert_int_equal(c.got.err, CH_OK);
    fix_clear(&c.f);
    limit(&c);
    u.scopes[POLICY_SCOPE_REQUESTER].active = 3;
    end_limit(&c, &u);
    assert_int_equal(c.got.err, CH_REFUSED);
    assert_string_equal(c.got.failed, "limit.requester.active");
    assert_int_equal(c.got.diag.retry_after_s, 0);
    fix_clear(&c.f);
}

static void rate_refuses_for_now(void **state)
{
    (void)state;
    struct case_base c;
    const struct policy_usage u = {
        .state = POLICY_USAGE_KNOWN,
        .scopes[POLICY_SCOPE_REQUESTER] = {.retry_after_s = 36, .active = 2}};
    limit(&c);
    end_limit(&c, &u);
    assert_int_equal(c.got.err, CH_BUSY);
    assert_int_equal(c.got.diag.retry_after_s, 36);
    assert_string_equal(c.got.diag.rule, "limit.requester.rate");
    assert_false(c.got.undecided); /* audited */
    assert_true(c.got.judged);
    fix_clear(&c.f);
}

static void unknown_usage_leaves_it_undecided(void **state)
{
    (void)state;
    struct case_base c;
    limit(&c);
    end_limit(&c, NULL);
    assert_int_equal(c.got.err, CH_UNAVAILABLE);
    assert_true(c.got.undecided);
    assert_false(c.got.judged);
    fix_clear(&c.f);
    /* What fails for another reason is refused, and takes no token. */
    limit(&c);
    fix_clear(&c.f);
    base(&c);
    policy_bundle_free(c.f.bundle);
    c.f.bundle = fix_bundle("extensions:\n", "limits: {profile: {rate: 5/1h}}\nextensions:\n");
    c.decider.bundle = c.f.bundle;
    c.f.issuer.not_after_s = FIX_NOW;
    c.issuers.list[0] = c.f.issuer;
    decide(&c, &c.statement);
    assert_null(c.got.open);
    assert_int_equal(c.got.err, CH_REFUSED);
    assert_string_equal(c.got.diag.rule, "validity.issuer");
    fix_clear(&c.f);
}

static void evaluate_explains_all_rules(void **state)
{
    (void)state;
    struct case_base c;
    struct policy_open o;
    struct diag d = {.field = ""};
    Chancery__Policy__V1__EvaluateRequest in = CHANCERY__POLICY__V1__EVALUATE_REQUEST__INIT;
    Chancery__Common__V1__RuleResult **rules;
    size_t n = 0;
    char none[] = "", unknown[] = "nobody";
    base(&c);
    in.request = &c.request;
    in.issuer_id = none;
    assert_int_equal(policy_decide_request(&c.decider, &in, FIX_NOW, &c.f.arena, &o, &d), CH_OK);
    assert_int_equal(o.verdict.verdict, POLICY_PASS);
    assert_int_equal(policy_decide_rules(&o.verdict, POLICY_NONE, &c.f.arena, &rules, &n), CH_OK);
    assert_int_equal(n, o.verdict.n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal((int)rules[i]->outcome, (int)o.verdict.rules[i].outcome);
        assert_string_equal(rules[i]->rule, o.verdict.rules[i].rule);
    }
    in.tbs = c.certificate.tbs;
    assert_int_equal(policy_decide_request(&c.decider, &in, FIX_NOW, &c.f.arena, &o, &d), CH_OK);
    assert_int_equal(o.verdict.verdict, POLICY_PASS);
    in.issuer_id = unknown;
    assert_int_equal(policy_decide_request(&c.decider, &in, FIX_NOW, &c.f.arena, &o, &d),
                     CH_NOT_FOUND);
    in.issuer_id = none;
    c.request.profile = unknown;
    assert_int_equal(policy_decide_request(&c.decider, &in, FIX_NOW, &c.f.arena, &o, &d),
                     CH_NOT_FOUND);
    assert_string_equal(d.rule, "profile.known");
    in.request = NULL;
    assert_int_equal(policy_decide_request(&c.decider, &in, FIX_NOW, &c.f.arena, &o, &d),
                     CH_INVALID);
    fix_clear(&c.f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificate_good_is_permitted),
        cmocka_unit_test(limits_are_decided_with_what_was_used),
        cmocka_unit_test(rate_refuses_for_now),
        cmocka_unit_test(unknown_usage_leaves_it_undecided),
        cmocka_unit_test(certificate_refusals_name_their_rule),
        cmocka_unit_test(certificate_without_statement_is_refused),
        cmocka_unit_test(certificate_waits_for_its_approvals),
        cmocka_unit_test(crl_items_are_decided),
        cmocka_unit_test(permit_covers_all_items),
        cmocka_unit_test(evaluate_explains_all_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
