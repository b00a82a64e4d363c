/* Every rule: passes (or does not apply) on the base, fails on a certificate changed in one point.
 * The cases stand in rules_FAMILY.c; a rule without a failing case is found here. */
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "rules.h"

static const struct rule_family *const families[] = {
    &rules_frame, &rules_key, &rules_subject, &rules_rows,  &rules_san,
    &rules_names, &rules_ext, &rules_pool,    &rules_extra, &rules_weak};
#define FAMILIES (sizeof families / sizeof *families)

static void base_is_permitted(void **state)
{
    (void)state;
    struct fix f;
    static const struct rule_case none = PLAN("", rules_keep);
    fix_init(&f);
    rules_run(&f, &none);
    rules_print_failures(&f);
    assert_int_equal(f.v.verdict, POLICY_PASS);
    for (size_t i = 0; i < f.v.n; i++) {
        assert_true(f.v.rules[i].outcome == POLICY_PASS || f.v.rules[i].outcome == POLICY_NA);
        assert_true(f.v.rules[i].source[0] != '\0' && f.v.rules[i].field[0] != '\0');
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(f.v.rules[i].rule, f.v.rules[k].rule);
        }
    }
    fix_clear(&f);
}

static void each_case_fails_its_rule(void **state)
{
    (void)state;
    for (size_t k = 0; k < FAMILIES; k++) {
        for (size_t i = 0; i < families[k]->n_bad; i++) {
            const struct rule_case *c = &families[k]->bad[i];
            struct fix f;
            fix_init(&f);
            rules_run(&f, c);
            if (f.v.verdict != POLICY_FAIL || fix_outcome(&f, c->rule) != POLICY_FAIL) {
                rules_print_failures(&f);
                fail_msg("family %zu, case %zu: %s did not fail", k, i, c->rule);
            }
            fix_clear(&f);
        }
    }
}

static void good_variants_are_permitted(void **state)
{
    (void)state;
    for (size_t k = 0; k < FAMILIES; k++) {
        for (size_t i = 0; i < families[k]->n_good; i++) {
            const struct rule_case *c = &families[k]->good[i];
            struct fix f;
            fix_init(&f);
            rules_run(&f, c);
            if (f.v.verdict != POLICY_PASS || fix_outcome(&f, c->rule) != POLICY_PASS) {
                rules_print_failures(&f);
                fail_msg("family %zu, good case %zu: %s did not pass", k, i, c->rule);
            }
            fix_clear(&f);
        }
    }
}

/* Rules whose failing case stops nothing else: the cause alone is reported. */
static const char *const alone[] = {"caller.requester",
                                    "issuer.name",
                                    "serial.entropy",
                                    "validity.issuer",
                                    "key.own",
                                    "rsa.exponent",
                                    "rsa.modulus.small_factor",
                                    "rsa.modulus.close_primes",
                                    "subject.exact",
                                    "san.critical",
                                    "ext.key_usage",
                                    "ext.unknown",
                                    "ext.ocsp_nocheck",
                                    "ext.basic_constraints",
                                    "ext.crl_distribution_points",
                                    "ext.authority_info_access"};

static bool is_alone(const char *rule)
{
    for (size_t k = 0; k < sizeof alone / sizeof *alone; k++) {
        if (strcmp(alone[k], rule) == 0) {
            return true;
        }
    }
    return false;
}

static void single_cause_is_reported_alone(void **state)
{
    (void)state;
    for (size_t k = 0; k < FAMILIES; k++) {
        for (size_t i = 0; i < families[k]->n_bad; i++) {
            const struct rule_case *c = &families[k]->bad[i];
            struct fix f;
            if (!is_alone(c->rule)) {
                continue;
            }
            fix_init(&f);
            rules_run(&f, c);
            for (size_t n = 0; n < f.v.n; n++) {
                /* Lints look at the same bytes a second time. */
                if (f.v.rules[n].outcome == POLICY_FAIL &&
                    strncmp(f.v.rules[n].rule, "lint.", 5) != 0 &&
                    strcmp(f.v.rules[n].rule, c->rule) != 0) {
                    fail_msg("family %zu, case %zu (%s) also fails %s", k, i, c->rule,
                             f.v.rules[n].rule);
                }
            }
            fix_clear(&f);
        }
    }
}

static void empty_subject_needs_critical_names(void **state)
{
    (void)state;
    for (int critical = 0; critical < 2; critical++) {
        struct fix f;
        fix_init(&f);
        rules_bundle(&f,
                     "  attributes:\n"
                     "    - {type: C, fixed: XX}\n"
                     "    - {type: O, from: request, required: true}\n"
                     "    - {type: CN, from: request}\n"
                     "  unlisted: refuse\n",
                     "  unlisted: drop\n");
        f.n_subject = 0;
        if (critical == 1) {
            rules_san_critical(&f);
        }
        fix_build(&f);
        fix_judge(&f);
        assert_int_equal(f.v.verdict, critical == 1 ? POLICY_PASS : POLICY_FAIL);
        assert_int_equal(fix_outcome(&f, "san.critical"),
                         critical == 1 ? POLICY_PASS : POLICY_FAIL);
        fix_clear(&f);
    }
}

static void without_trust_domain_nothing_passes(void **state)
{
    (void)state;
    struct fix f;
    fix_init(&f);
    f.bundle->trust_domain = slice_of(NULL, 0);
    fix_build(&f);
    fix_judge(&f);
    assert_int_equal(f.v.verdict, POLICY_FAIL);
    assert_int_equal(fix_outcome(&f, "san.service_name"), POLICY_FAIL);
    fix_clear(&f);
}

static void request_alone_is_judged_without_tbs(void **state)
{
    (void)state;
    struct fix f;
    fix_init(&f);
    fix_build(&f);
    f.facts.tbs = slice_of(NULL, 0);
    fix_judge(&f);
    rules_print_failures(&f);
    assert_int_equal(f.v.verdict, POLICY_PASS);
    assert_int_equal(fix_outcome(&f, "tbs.format"), POLICY_NA);
    assert_int_equal(fix_outcome(&f, "ext.duplicate"), POLICY_NA);
    f.sans[2].value = slice_str("evil.example");
    fix_judge(&f);
    assert_int_equal(f.v.verdict, POLICY_FAIL);
    fix_clear(&f);
}

static bool covered(const char *rule)
{
    for (size_t k = 0; k < FAMILIES; k++) {
        for (size_t i = 0; i < families[k]->n_bad; i++) {
            if (strcmp(families[k]->bad[i].rule, rule) == 0) {
                return true;
            }
        }
    }
    return false;
}

static void facts_without_request_or_issuer_are_refused(void **state)
{
    (void)state;
    struct fix f;
    fix_init(&f);
    fix_build(&f);
    f.facts.issuer = NULL;
    fix_judge(&f);
    assert_int_equal(f.v.verdict, POLICY_FAIL);
    assert_int_equal(fix_outcome(&f, "issuer.known"), POLICY_FAIL);
    f.facts.request = NULL;
    fix_judge(&f);
    assert_int_equal(f.v.verdict, POLICY_FAIL);
    assert_int_equal(fix_outcome(&f, "request.known"), POLICY_FAIL);
    fix_clear(&f);
}

static void every_rule_has_a_failing_case(void **state)
{
    (void)state;
    struct fix f;
    fix_init(&f);
    fix_build(&f);
    fix_judge(&f);
    assert_true(f.v.n > 50);
    for (size_t i = 0; i < f.v.n; i++) {
        bool elsewhere = strncmp(f.v.rules[i].rule, "approval.", 9) == 0 || /* test_approvals.c */
                         strncmp(f.v.rules[i].rule, "lint.", 5) == 0;       /* test_lint.c */
        if (!elsewhere && !covered(f.v.rules[i].rule)) {
            fail_msg("no failing case for %s", f.v.rules[i].rule);
        }
    }
    fix_clear(&f);
}

static void same_facts_give_same_digest(void **state)
{
    (void)state;
    struct fix f;
    uint8_t first[32];
    fix_init(&f);
    fix_build(&f);
    fix_judge(&f);
    memcpy(first, f.v.rules_sha256, 32);
    memset(&f.v, 0xa5, sizeof f.v);
    fix_judge(&f);
    assert_memory_equal(first, f.v.rules_sha256, 32);
    f.facts.now_s++;
    fix_judge(&f);
    assert_memory_not_equal(first, f.v.rules_sha256, 32);
    fix_clear(&f);
}

/* The same certificate written by OpenSSL instead of lib/x509. */
static void tbs_written_by_openssl_is_permitted(void **state)
{
    (void)state;
    struct fix f;
    fix_init(&f);
    fix_build(&f);
    X509 *x = X509_new();
    const uint8_t *p = f.t.spki.ptr;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &p, (long)f.t.spki.len), *signer = EVP_EC_gen("P-256");
    BIGNUM *serial = BN_bin2bn(f.serial, 16, NULL);
    assert_int_equal(X509_set_version(x, 2), 1);
    assert_non_null(BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(x)));
    p = f.issuer.subject.ptr;
    X509_NAME *name = d2i_X509_NAME(NULL, &p, (long)f.issuer.subject.len);
    assert_int_equal(X509_set_issuer_name(x, name), 1);
    X509_NAME_free(name);
    name = X509_NAME_new();
    assert_int_equal(
        X509_NAME_add_entry_by_txt(name, "C", MBSTRING_ASC, (const uint8_t *)"XX", -1, -1, 0), 1);
    assert_int_equal(X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8,
                                                (const uint8_t *)"Example Ltd", -1, -1, 0),
                     1);
    assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                                (const uint8_t *)"a.example.test", -1, -1, 0),
                     1);
    assert_int_equal(X509_set_subject_name(x, name), 1);
    X509_NAME_free(name);
    assert_non_null(ASN1_TIME_set(X509_getm_notBefore(x), f.t.not_before_s));
    assert_non_null(ASN1_TIME_set(X509_getm_notAfter(x), f.t.not_after_s));
    assert_int_equal(X509_set_pubkey(x, key), 1);
    for (size_t i = 0; i < f.n_ext; i++) {
        ASN1_OCTET_STRING *v = ASN1_OCTET_STRING_new();
        char oid[64];
        struct buf text CLEANUP(buf_clear);
        buf_init(&text, 64);
        assert_int_equal(der_oid_text(f.ext[i].oid, &text), CH_OK);
        (void)snprintf(oid, sizeof oid, "%.*s", (int)text.len, (const char *)text.ptr);
        ASN1_OBJECT *o = OBJ_txt2obj(oid, 1);
        assert_int_equal(ASN1_OCTET_STRING_set(v, f.ext[i].value.ptr, (int)f.ext[i].value.len), 1);
        X509_EXTENSION *e = X509_EXTENSION_create_by_OBJ(NULL, o, f.ext[i].critical, v);
        assert_int_equal(X509_add_ext(x, e, -1), 1);
        X509_EXTENSION_free(e);
        ASN1_OBJECT_free(o);
        ASN1_OCTET_STRING_free(v);
    }
    assert_true(X509_sign(x, signer, EVP_sha256()) > 0);
    uint8_t *der = NULL;
    int n = i2d_re_X509_tbs(x, &der);
    assert_true(n > 0);
    f.facts.tbs = slice_of(der, (size_t)n);
    fix_judge(&f);
    rules_print_failures(&f);
    assert_int_equal(f.v.verdict, POLICY_PASS);
    OPENSSL_free(der);
    BN_free(serial);
    EVP_PKEY_free(key);
    EVP_PKEY_free(signer);
    X509_free(x);
    fix_clear(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base_is_permitted),
        cmocka_unit_test(each_case_fails_its_rule),
        cmocka_unit_test(single_cause_is_reported_alone),
        cmocka_unit_test(good_variants_are_permitted),
        cmocka_unit_test(empty_subject_needs_critical_names),
        cmocka_unit_test(without_trust_domain_nothing_passes),
        cmocka_unit_test(request_alone_is_judged_without_tbs),
        cmocka_unit_test(facts_without_request_or_issuer_are_refused),
        cmocka_unit_test(every_rule_has_a_failing_case),
        cmocka_unit_test(same_facts_give_same_digest),
        cmocka_unit_test(tbs_written_by_openssl_is_permitted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
