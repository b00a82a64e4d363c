/* officers.yaml: what it may say, errors with position; papers one by one; promotion of a bundle.
 */
#include "officers_fix.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <stdio.h>

#define NOW FIX_NOW

static const char HEAD[] = "version: 1\nname: t\ncrl: {max_validity: 8d}\n";
static const char PROFILE[] = "name: p\nissuer: i\ncallers: ['/user/*']\nkeys: {types: [P-256]}\n"
                              "signature_algorithms: [ecdsa-with-SHA256]\nvalidity: {max: 1d}\n"
                              "subject: {}\nnames: {required: false}\nextensions: {}\n";
static const uint8_t subject[32] = {7, 7};

static struct policy_bundle *compile(const char *officers, struct diag *d)
{
    struct policy_file f[] = {{"officers.yaml", slice_str(officers)},
                              {"bundle.yaml", slice_str(HEAD)},
                              {"profiles/p.yaml", slice_str(PROFILE)}};
    struct policy_bundle *b = NULL;
    return policy_bundle_compile(f, 3, &b, d) == CH_OK ? b : NULL;
}

static struct policy_bundle *good(const struct officers *o)
{
    struct diag d = {.text = ""};
    struct policy_bundle *b = compile(o->yaml, &d);
    if (b == NULL) {
        fail_msg("%s: %s", d.field, d.text);
    }
    assert_int_equal(policy_bundle_set_trust_domain(b, "chancery.test"), CH_OK);
    return b;
}

static void officers_are_found_by_key_and_role(void **state)
{
    (void)state;
    struct officers o;
    officers_make(&o);
    struct policy_bundle *b = good(&o);
    const struct policy_officers *all = policy_officers_of(b);
    assert_int_equal(all->n, OFFICERS);
    assert_true(slice_eq(all->promotion_role, slice_str("policy")));
    assert_int_equal(all->promotion_quorum, 2);
    assert_string_equal(all->promotion_source, "officers.yaml:21");
    for (unsigned i = 0; i < OFFICERS; i++) {
        const struct policy_officer *x = policy_officers_by_key(b, o.hash[i]);
        assert_non_null(x);
        assert_int_equal(x->id[0], 'a' + (int)i);
        assert_int_equal(policy_officer_has_role(x, slice_str("policy")), i < 4);
        assert_false(policy_officer_has_role(x, slice_str("polic")));
    }
    assert_null(policy_officers_by_key(b, subject));
    assert_int_equal(policy_officers_with_role(b, slice_str("security"), false), 3);
    assert_int_equal(policy_officers_with_role(b, slice_str("security"), true), 2);
    assert_int_equal(policy_officers_with_role(b, slice_str("nobody"), false), 0);
    policy_bundle_free(b);
    officers_clear(&o);
}

static void identities_are_paths_of_the_trust_domain(void **state)
{
    (void)state;
    struct officers o;
    struct diag d;
    officers_make(&o);
    struct policy_bundle *b = compile(o.yaml, &d);
    const struct policy_officer *a = policy_officers_by_key(b, o.hash[0]);
    const struct policy_officer *e = policy_officers_by_key(b, o.hash[4]);
    struct slice own = slice_str("spiffe://chancery.test/user/a");
    struct slice other = slice_str("spiffe://partner.test/user/a");
    assert_true(policy_officer_is(b, a, own) && policy_officer_is(b, a, other));
    assert_int_equal(policy_bundle_set_trust_domain(b, "chancery.test"), CH_OK);
    assert_true(policy_officer_is(b, a, own));
    assert_false(policy_officer_is(b, a, other));
    assert_false(policy_officer_is(b, a, slice_str("spiffe://chancery.test/user/ab")));
    assert_false(policy_officer_is(b, a, slice_str("/user/a")));
    assert_false(policy_officer_is(b, a, slice_of(NULL, 0)));
    assert_false(policy_officer_is(b, e, own) || policy_officer_is(b, e, slice_of(NULL, 0)));
    policy_bundle_free(b);
    officers_clear(&o);
}

static void bundle_without_officers_has_none(void **state)
{
    (void)state;
    struct policy_file f[] = {{"bundle.yaml", slice_str(HEAD)},
                              {"profiles/p.yaml", slice_str(PROFILE)}};
    struct policy_bundle *b = NULL;
    struct policy_promotion report;
    assert_int_equal(policy_bundle_compile(f, 2, &b, NULL), CH_OK);
    assert_int_equal(policy_officers_of(b)->n, 0);
    assert_null(policy_officers_by_key(b, subject));
    assert_int_equal(policy_officers_promotion(b, NULL, 0, subject, NULL, NOW, &report),
                     POLICY_FAIL);
    assert_string_equal(report.rule, "promotion.none");
    policy_bundle_free(b);
}

static void file_given_twice_is_refused(void **state)
{
    (void)state;
    struct policy_file f[] = {{"bundle.yaml", slice_str(HEAD)},
                              {"profiles/p.yaml", slice_str(PROFILE)},
                              {"bundle.yaml", slice_str(HEAD)}};
    struct policy_bundle *b = NULL;
    struct diag d = {.text = ""};
    assert_int_equal(policy_bundle_compile(f, 3, &b, &d), CH_INVALID);
    assert_string_equal(d.rule, "policy.file");
    assert_string_equal(d.field, "bundle.yaml");
}

/* One officer's entry and promotion with one text replaced. */
static void want_error(const struct officers *o, const char *from, const char *to,
                       const char *where, const char *rule)
{
    static char text[16384];
    char base[2048];
    struct diag d = {.text = ""};
    (void)snprintf(base, sizeof base,
                   "officers:\n"
                   "  - {id: a, identity: /user/a, key: %s, roles: [policy]}\n"
                   "  - {id: b, identity: 'spiffe://chancery.test/user/b', key: %s, roles: "
                   "[policy]}\n"
                   "promotion: {role: policy, quorum: 2}\n",
                   o->b64[0], o->b64[1]);
    const char *at = strstr(base, from);
    assert_non_null(at);
    (void)snprintf(text, sizeof text, "%.*s%s%s", (int)(at - base), base, to, at + strlen(from));
    struct policy_bundle *b = compile(text, &d);
    if (b != NULL) {
        fail_msg("accepted: %s", to);
    }
    assert_string_equal(d.rule, rule);
    if (strncmp(d.field, where, strlen(where)) != 0) {
        fail_msg("%s: found at %s, wanted %s", to, d.field, where);
    }
}

static void errors_name_rule_and_place(void **state)
{
    (void)state;
    struct officers o;
    officers_make(&o);
    static const char a[] = "officers.yaml:2:", b[] = "officers.yaml:3:", p[] = "officers.yaml:4:";
    want_error(&o, "id: a,", "id: A,", a, "officers.id");
    want_error(&o, "id: a,", "", a, "conf.required");
    want_error(&o, "id: a,", "id: a, name: x,", a, "conf.unknown");
    want_error(&o, "id: b,", "id: a,", b, "officers.duplicate");
    want_error(&o, o.b64[1], o.b64[0], b, "officers.duplicate");
    want_error(&o, "'spiffe://chancery.test/user/b'", "/user/a", b, "officers.duplicate");
    want_error(&o, "'spiffe://chancery.test/user/b'", "'spiffe://x.test/user/a'", b,
               "officers.duplicate");
    want_error(&o, "/user/a", "/user/b", b, "officers.duplicate"); /* b's is written in full */
    want_error(&o, "/user/a", "/user/*", a, "officers.identity");
    want_error(&o, "/user/a", "user/a", a, "officers.identity");
    want_error(&o, "/user/a", "/user//a", a, "officers.identity");
    want_error(&o, "/user/a", "'spiffe://x.test'", a, "officers.identity");
    want_error(&o, "/user/a", "/", a, "officers.identity");
    want_error(&o, o.b64[0], "'MFk*'", a, "officers.key");
    want_error(&o, o.b64[0], "MFkw", a, "officers.key");
    want_error(&o, o.b64[0], "''", a, "officers.key");
    want_error(&o, "roles: [policy]", "roles: []", a, "policy.list");
    want_error(&o, "roles: [policy]", "roles: [policy, policy]", a, "policy.duplicate");
    want_error(&o, "roles: [policy]", "roles: ['a b']", a, "policy.value");
    want_error(&o, "quorum: 2", "quorum: 3", p, "officers.quorum");
    want_error(&o, "quorum: 2", "quorum: 0", p, "conf.range");
    want_error(&o, "quorum: 2", "quorum: 17", p, "conf.range");
    want_error(&o, "role: policy,", "role: other,", p, "officers.quorum");
    want_error(&o, "promotion:", "promotions:", p, "conf.unknown");
    want_error(&o, "  - {id: a", "  - x\n  - {id: a", a, "conf.type");
    officers_clear(&o);
}

static EVP_PKEY *rsa_key(unsigned bits, unsigned long e)
{
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    BIGNUM *exponent = BN_new();
    EVP_PKEY *out = NULL;
    assert_int_equal(BN_set_word(exponent, e), 1);
    assert_int_equal(EVP_PKEY_keygen_init(c), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_bits(c, (int)bits), 1);
    assert_int_equal(EVP_PKEY_CTX_set1_rsa_keygen_pubexp(c, exponent), 1);
    assert_int_equal(EVP_PKEY_generate(c, &out), 1);
    BN_free(exponent);
    EVP_PKEY_CTX_free(c);
    return out;
}

/* RSA whose primes are neighbours: a modulus that Fermat's method takes apart at once. */
static EVP_PKEY *close_primes(void)
{
    BIGNUM *p = BN_new(), *q = BN_new(), *n = BN_new(), *two = BN_new(), *e = BN_new();
    BN_CTX *ctx = BN_CTX_new();
    assert_int_equal(BN_generate_prime_ex(p, 1024, 0, NULL, NULL, NULL), 1);
    assert_int_equal(BN_set_word(two, 2) & BN_set_word(e, 65537), 1);
    assert_int_equal(BN_add(q, p, two), 1);
    while (BN_check_prime(q, ctx, NULL) != 1) {
        assert_int_equal(BN_add(q, q, two), 1);
    }
    assert_int_equal(BN_mul(n, p, q, ctx), 1);
    OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
    assert_int_equal(OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, n), 1);
    assert_int_equal(OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_E, e), 1);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(b);
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY *out = NULL;
    assert_int_equal(EVP_PKEY_fromdata_init(c), 1);
    assert_int_equal(EVP_PKEY_fromdata(c, &out, EVP_PKEY_PUBLIC_KEY, params), 1);
    EVP_PKEY_CTX_free(c);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(b);
    BN_CTX_free(ctx);
    BN_free(p), BN_free(q), BN_free(n), BN_free(two), BN_free(e);
    return out;
}

static void weak_keys_are_refused(void **state)
{
    (void)state;
    struct officers o;
    officers_make(&o);
    EVP_PKEY *keys[] = {rsa_key(1024, 65537), rsa_key(2048, 3), EVP_EC_gen("P-521"),
                        EVP_EC_gen("secp256k1"), close_primes()};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        char text[1024];
        officers_b64(keys[i], text, sizeof text, NULL);
        want_error(&o, o.b64[0], text, "officers.yaml:2:", "officers.key");
        EVP_PKEY_free(keys[i]);
    }
    officers_clear(&o);
}

/* One officer with the key: compiled or refused. */
static bool key_accepted(EVP_PKEY *key)
{
    char text[1024], yaml[2048];
    struct diag d = {.text = ""};
    officers_b64(key, text, sizeof text, NULL);
    (void)snprintf(yaml, sizeof yaml, "officers: [{id: a, key: %s, roles: [policy]}]\n", text);
    struct policy_bundle *b = compile(yaml, &d);
    policy_bundle_free(b);
    return b != NULL;
}

static void sound_keys_of_every_kind_are_accepted(void **state)
{
    (void)state;
    EVP_PKEY *keys[] = {rsa_key(2048, 65537), EVP_EC_gen("P-256"), EVP_EC_gen("P-384"),
                        EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        assert_true(key_accepted(keys[i]));
        EVP_PKEY_free(keys[i]);
    }
}

/* ---- promotion ---- */

struct poll {
    struct officers o;
    struct policy_bundle *b;
    struct arena arena;
    struct policy_approval papers[POLICY_APPROVALS_MAX + 1];
    size_t n;
    struct policy_promotion report;
};

static void poll_init(struct poll *p)
{
    *p = (struct poll){.n = 0};
    officers_make(&p->o);
    p->b = good(&p->o);
}

static void poll_clear(struct poll *p)
{
    policy_bundle_free(p->b);
    officers_clear(&p->o);
    arena_clear(&p->arena);
}

static struct approval ballot(void)
{
    struct approval a = {.purpose = APPROVAL_BUNDLE,
                         .decision = APPROVAL_APPROVE,
                         .step = slice_str(APPROVAL_STEP_PROMOTION),
                         .issued_at_s = NOW - 60,
                         .expires_at_s = NOW + 3600};
    memcpy(a.subject, subject, 32);
    return a;
}

static void vote(struct poll *p, unsigned who, const struct approval *a)
{
    struct approval standard = ballot();
    p->papers[p->n++] = officers_sign(&p->o, who, a == NULL ? &standard : a, &p->arena);
}

static void want_promotion(struct poll *p, const struct policy_author *author, unsigned counted,
                           const char *rule)
{
    enum policy_outcome got =
        policy_officers_promotion(p->b, p->papers, p->n, subject, author, NOW, &p->report);
    assert_string_equal(p->report.rule, rule);
    assert_int_equal(got, rule[0] == '\0' ? POLICY_PASS : POLICY_FAIL);
    assert_int_equal(p->report.counted, counted);
    assert_int_equal(p->report.needed, 2);
}

static void quorum_promotes(void **state)
{
    (void)state;
    struct poll p;
    poll_init(&p);
    want_promotion(&p, NULL, 0, "promotion.quorum");
    vote(&p, 0, NULL);
    want_promotion(&p, NULL, 1, "promotion.quorum");
    vote(&p, 2, NULL);
    want_promotion(&p, NULL, 2, "");
    assert_int_equal(p.report.n, 2);
    assert_string_equal(p.report.papers[1].officer, "c");
    assert_string_equal(p.report.papers[1].rule, "");
    vote(&p, 3, NULL);
    want_promotion(&p, NULL, 3, "");
    poll_clear(&p);
}

static void one_officer_counts_once(void **state)
{
    (void)state;
    struct poll p;
    poll_init(&p);
    struct approval again = ballot();
    again.issued_at_s--;
    vote(&p, 0, NULL);
    vote(&p, 0, NULL);
    vote(&p, 0, &again);
    want_promotion(&p, NULL, 1, "promotion.quorum");
    assert_string_equal(p.report.papers[0].rule, "");
    assert_string_equal(p.report.papers[1].rule, "approval.superseded");
    assert_string_equal(p.report.papers[2].rule, "approval.superseded");
    again.issued_at_s += 2; /* later than the first paper: that one falls */
    vote(&p, 0, &again);
    want_promotion(&p, NULL, 1, "promotion.quorum");
    assert_string_equal(p.report.papers[0].rule, "approval.superseded");
    assert_string_equal(p.report.papers[3].rule, "");
    poll_clear(&p);
}

static void author_does_not_count(void **state)
{
    (void)state;
    struct poll p;
    poll_init(&p);
    vote(&p, 0, NULL);
    vote(&p, 1, NULL);
    struct policy_author by_identity = {.identity = slice_str("spiffe://chancery.test/user/a")};
    struct policy_author by_key = {.key_sha256 = p.o.hash[1]};
    struct policy_author stranger = {.identity = slice_str("spiffe://chancery.test/user/x"),
                                     .key_sha256 = subject};
    want_promotion(&p, &by_identity, 1, "promotion.quorum");
    assert_string_equal(p.report.papers[0].rule, "approval.self");
    want_promotion(&p, &by_key, 1, "promotion.quorum");
    assert_string_equal(p.report.papers[1].rule, "approval.self");
    want_promotion(&p, &stranger, 2, "");
    poll_clear(&p);
}

static void rejection_vetoes_until_taken_back(void **state)
{
    (void)state;
    struct poll p;
    poll_init(&p);
    struct approval no = ballot();
    no.decision = APPROVAL_REJECT;
    no.expires_at_s = NOW; /* a rejection holds on */
    vote(&p, 0, NULL);
    vote(&p, 1, NULL);
    vote(&p, 2, &no);
    want_promotion(&p, NULL, 2, "promotion.rejected");
    struct approval yes = ballot();
    vote(&p, 2, &yes); /* in the same second: the rejection stands */
    want_promotion(&p, NULL, 2, "promotion.rejected");
    yes.issued_at_s++;
    vote(&p, 2, &yes);
    want_promotion(&p, NULL, 3, "");
    /* A rejection by one without the role is not heard. */
    vote(&p, 4, &no);
    want_promotion(&p, NULL, 3, "");
    assert_string_equal(p.report.papers[5].rule, "approval.role");
    poll_clear(&p);
}

/* A paper that does not count, and the reason that is given for it. */
static void want_ignored(struct poll *p, const struct approval *a, const char *rule)
{
    p->n = 1;
    vote(p, 1, a);
    want_promotion(p, NULL, 1, "promotion.quorum");
    assert_string_equal(p->report.papers[1].rule, rule);
}

static void papers_that_do_not_count_say_why(void **state)
{
    (void)state;
    struct poll p;
    poll_init(&p);
    vote(&p, 0, NULL);
    struct approval a = ballot();
    a.subject[31] = 1;
    want_ignored(&p, &a, "approval.subject");
    a = ballot();
    a.purpose = APPROVAL_REQUEST;
    want_ignored(&p, &a, "approval.subject");
    a = ballot();
    a.expires_at_s = NOW;
    want_ignored(&p, &a, "approval.expired");
    a = ballot();
    a.issued_at_s = NOW + 6;
    want_ignored(&p, &a, "approval.future");
    p.n = 1;
    vote(&p, 4, NULL);
    want_promotion(&p, NULL, 1, "promotion.quorum");
    assert_string_equal(p.report.papers[1].rule, "approval.role");
    p.n = 1;
    vote(&p, 1, NULL);
    p.papers[1].signature = p.papers[0].signature;
    want_promotion(&p, NULL, 1, "promotion.quorum");
    assert_string_equal(p.report.papers[1].rule, "approval.signature");
    p.papers[1].signature = slice_of(NULL, 0);
    want_promotion(&p, NULL, 1, "promotion.quorum");
    assert_string_equal(p.report.papers[1].rule, "approval.signature");
    p.papers[1].bytes.len--;
    want_promotion(&p, NULL, 1, "promotion.quorum");
    assert_string_equal(p.report.papers[1].rule, "approval.format");
    p.papers[1].bytes.len = 0;
    want_promotion(&p, NULL, 1, "promotion.quorum");
    assert_string_equal(p.report.papers[1].rule, "approval.format");
    memcpy(p.o.hash[1], subject, 32); /* signed in the name of a key that is nobody's */
    p.n = 1;
    vote(&p, 1, NULL);
    want_promotion(&p, NULL, 1, "promotion.quorum");
    assert_string_equal(p.report.papers[1].rule, "approval.officer");
    poll_clear(&p);
}

static void more_papers_than_are_read_fail(void **state)
{
    (void)state;
    struct poll p;
    poll_init(&p);
    vote(&p, 0, NULL);
    vote(&p, 1, NULL);
    while (p.n < POLICY_APPROVALS_MAX) {
        p.papers[p.n] = (struct policy_approval){.bytes = slice_str("junk")};
        p.n++;
    }
    want_promotion(&p, NULL, 2, "");
    p.papers[p.n++] = (struct policy_approval){.bytes = slice_str("junk")};
    want_promotion(&p, NULL, 2, "promotion.count");
    poll_clear(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(officers_are_found_by_key_and_role),
        cmocka_unit_test(identities_are_paths_of_the_trust_domain),
        cmocka_unit_test(bundle_without_officers_has_none),
        cmocka_unit_test(file_given_twice_is_refused),
        cmocka_unit_test(errors_name_rule_and_place),
        cmocka_unit_test(weak_keys_are_refused),
        cmocka_unit_test(sound_keys_of_every_kind_are_accepted),
        cmocka_unit_test(quorum_promotes),
        cmocka_unit_test(one_officer_counts_once),
        cmocka_unit_test(author_does_not_count),
        cmocka_unit_test(rejection_vetoes_until_taken_back),
        cmocka_unit_test(papers_that_do_not_count_say_why),
        cmocka_unit_test(more_papers_than_are_read_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
