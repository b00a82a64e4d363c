/* Lints: each has an object that passes and one with its fault; clean objects have no finding. */
#include <openssl/ocsp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>

#include "lint_der.h"

#define CABF POLICY_LINT_SET_CABF_SERVER

static struct policy_lint_result results[POLICY_LINT_MAX];

static void run(enum policy_lint_kind kind, const char *const *parts, unsigned set)
{
    struct buf der CLEANUP(buf_clear);
    uint8_t severity[POLICY_LINT_MAX];
    buf_init(&der, 1 << 20);
    lint_der(kind, parts, &der);
    policy_lint_defaults(set, severity);
    memset(results, 0, sizeof results);
    policy_lint_run(kind, buf_slice(&der), severity, results);
    /* What was seen borrows from the input, which goes; tests ask for outcomes only. */
}

static enum policy_outcome outcome(const char *id)
{
    size_t i = policy_lint_find(slice_str(id));
    assert_true(i < policy_lint_count());
    return results[i].outcome;
}

static void every_lint_has_one_case(void **state)
{
    (void)state;
    assert_int_equal(policy_lint_count(), LINT_CASES_COUNT);
    assert_true(policy_lint_count() <= POLICY_LINT_MAX);
    for (size_t i = 0; i < policy_lint_count(); i++) {
        assert_string_equal(policy_lint_at(i)->id, LINT_CASES[i].id);
    }
    assert_null(policy_lint_at(policy_lint_count()));
}

static void good_object_passes_its_lint(void **state)
{
    (void)state;
    unsigned bad = 0;
    for (size_t i = 0; i < LINT_CASES_COUNT; i++) {
        run(lint_kind(LINT_CASES[i].id), LINT_CASES[i].good, CABF);
        if (outcome(LINT_CASES[i].id) != POLICY_PASS) {
            print_error("%s: outcome %d of the good object\n", LINT_CASES[i].id,
                        outcome(LINT_CASES[i].id));
            bad++;
        }
    }
    assert_int_equal(bad, 0);
}

static void planted_fault_is_found_and_named(void **state)
{
    (void)state;
    unsigned bad = 0;
    for (size_t i = 0; i < LINT_CASES_COUNT; i++) {
        run(lint_kind(LINT_CASES[i].id), LINT_CASES[i].bad, CABF);
        if (outcome(LINT_CASES[i].id) != POLICY_FAIL) {
            print_error("%s: outcome %d of the bad object\n", LINT_CASES[i].id,
                        outcome(LINT_CASES[i].id));
            bad++;
        }
    }
    assert_int_equal(bad, 0);
    assert_true(LINT_CASES_COUNT >= 100);
}

static void no_findings(enum policy_lint_kind kind, const char *const *parts, unsigned set)
{
    run(kind, parts, set);
    for (size_t i = 0; i < policy_lint_count(); i++) {
        if (results[i].outcome == POLICY_FAIL) {
            fail_msg("%s in a clean object (%s)", policy_lint_at(i)->id,
                     parts[0] == NULL ? "" : parts[0]);
        }
    }
}

static void clean_objects_have_no_finding(void **state)
{
    (void)state;
    static const char *const none[] = {NULL}, *const ca[] = {"@ca", NULL};
    static const char *const ocsp[] = {"@ocsp", NULL}, *const whole[] = {"@whole", NULL};
    no_findings(POLICY_LINT_CERTIFICATE, none, CABF);
    no_findings(POLICY_LINT_CERTIFICATE, ca, CABF);
    no_findings(POLICY_LINT_CERTIFICATE, ocsp, CABF);
    no_findings(POLICY_LINT_CRL, none, CABF);
    no_findings(POLICY_LINT_OCSP, none, CABF);
    no_findings(POLICY_LINT_OCSP, whole, CABF);
}

/* The bases are what they claim to be for another reader, too. */
static void clean_objects_are_read_by_openssl(void **state)
{
    (void)state;
    static const char *const whole[] = {"@whole", NULL};
    for (int kind = POLICY_LINT_CERTIFICATE; kind <= POLICY_LINT_OCSP; kind++) {
        struct buf der CLEANUP(buf_clear);
        buf_init(&der, 1 << 16);
        lint_der((enum policy_lint_kind)kind, whole, &der);
        const uint8_t *p = der.ptr;
        if (kind == POLICY_LINT_CERTIFICATE) {
            X509 *x = d2i_X509(NULL, &p, (long)der.len);
            assert_non_null(x);
            X509_free(x);
        } else if (kind == POLICY_LINT_CRL) {
            X509_CRL *x = d2i_X509_CRL(NULL, &p, (long)der.len);
            assert_non_null(x);
            X509_CRL_free(x);
        } else {
            OCSP_RESPONSE *x = d2i_OCSP_RESPONSE(NULL, &p, (long)der.len);
            OCSP_BASICRESP *b = OCSP_response_get1_basic(x);
            assert_non_null(b);
            OCSP_BASICRESP_free(b);
            OCSP_RESPONSE_free(x);
        }
        assert_int_equal(policy_lint_kind_of(buf_slice(&der)), kind);
    }
}

/* Many shapes that are right; a lint that shouts at one of them would be switched off. */
static void other_shapes_have_no_finding(void **state)
{
    (void)state;
    static const char *const shapes[][LINT_PARTS] = {
        {"key=30{30{06{2b6570}}03{00#32:11}}", "algorithm=30{06{2b6570}}", NULL},
        {"key=30{30{06{2a864886f70d010101}0500}03{0030{02{00c1#383:c1}02{010001}}}}",
         "ku=30{06{551d0f}0101ff04{030205a0}}", "algorithm=30{06{2a864886f70d01010c}0500}", NULL},
        {"key=30{30{06{2a8648ce3d0201}06{2b81040022}}03{0004#96:11}}", NULL},
        {"subject=30{}", "san=30{06{551d11}0101ff04{30{86{'spiffe://a.test/b'}}}}", NULL},
        {"san=30{06{551d11}04{30{82{'*.example.com'}87{c0000201}81{'a.b@example.com'}"
         "86{'https://a.test/x?y=1#z'}a4{30{31{30{06{550403}0c{'x'}}}}}"
         "a0{06{2b060104018237140203}a0{0c{'a@b'}}}88{2a0304}}}}",
         NULL},
        {"subject=30{31{30{06{550406}13{'CH'}}}31{30{06{55040a}0c{'B'c3bc'cher'}}}"
         "31{30{06{0992268993f22c640119}16{'example'}}}31{30{06{550405}13{'A-1'}}}}",
         NULL},
        {"validity=30{17{'500101000000Z'}18{'20500101000000Z'}}", NULL},
        {"cdp=", "aia=", "more=30{06{551d38}04{0500}}", NULL},
        {"more=30{06{2b06010401d679020402}04{04{0006000401020304}}}", NULL},
        {"@ca",
         "more=30{06{551d1e}0101ff04{30{a0{30{82{'a.test'}}30{87{0a000000ff000000}}}"
         "a1{30{87{#16:00#16:00}}}}}}",
         NULL},
        {"@ca", "issuer=30{31{30{06{550403}0c{'Sub CA'}}}}", "aki=", NULL},
        {"basic=", "ku=30{06{551d0f}0101ff04{03020780}}", NULL},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        run(POLICY_LINT_CERTIFICATE, shapes[i], POLICY_LINT_SET_RFC5280);
        for (size_t k = 0; k < policy_lint_count(); k++) {
            if (results[k].outcome == POLICY_FAIL) {
                fail_msg("%s in shape %zu", policy_lint_at(k)->id, i);
            }
        }
    }
}

static void life_limits_follow_their_dates(void **state)
{
    (void)state;
    static const struct {
        const char *validity;
        enum policy_outcome want;
    } rows[] = {
        {"validity=30{17{'190101000000Z'}17{'210404235959Z'}}", POLICY_PASS}, /* 825 */
        {"validity=30{17{'190101000000Z'}17{'210405000000Z'}}", POLICY_FAIL},
        {"validity=30{17{'250101000000Z'}17{'260202235959Z'}}", POLICY_PASS}, /* 398 */
        {"validity=30{17{'250101000000Z'}17{'260203000000Z'}}", POLICY_FAIL},
        {"validity=30{17{'260314235959Z'}17{'270416235958Z'}}", POLICY_PASS},
        {"validity=30{17{'260315000000Z'}17{'260930235959Z'}}", POLICY_PASS}, /* 200 */
        {"validity=30{17{'260315000000Z'}17{'261001000000Z'}}", POLICY_FAIL},
        {"validity=30{17{'270315000000Z'}17{'270622235959Z'}}", POLICY_PASS}, /* 100 */
        {"validity=30{17{'270315000000Z'}17{'270623000000Z'}}", POLICY_FAIL},
        {"validity=30{17{'290314235959Z'}17{'290622235958Z'}}", POLICY_PASS},
        {"validity=30{17{'290315000000Z'}17{'290501000000Z'}}", POLICY_FAIL}, /* 47 */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *const parts[] = {rows[i].validity, NULL};
        run(POLICY_LINT_CERTIFICATE, parts, CABF);
        if (outcome("lint.cert.validity_length") != rows[i].want) {
            fail_msg("%s", rows[i].validity);
        }
    }
}

/* Few names are compared, many are looked up; 256 are the most that are read. */
static void repeated_name_is_found_among_many(void **state)
{
    (void)state;
    static const size_t counts[] = {2, 8, 9, 100, 256, 257};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        for (int twice = 0; twice < 2; twice++) {
            char san[16384] = "san=30{06{551d11}04{30{";
            size_t at = strlen(san);
            for (size_t k = 0; k < counts[i]; k++) {
                size_t name = twice == 1 && k + 1 == counts[i] ? 0 : k;
                at += (size_t)snprintf(san + at, sizeof san - at, "82{'n%zu.example.com'}", name);
            }
            (void)snprintf(san + at, sizeof san - at, "}}}");
            const char *const parts[] = {san, NULL};
            run(POLICY_LINT_CERTIFICATE, parts, CABF);
            bool readable = counts[i] <= 256;
            assert_int_equal(outcome("lint.cert.extension_value"),
                             readable ? POLICY_PASS : POLICY_FAIL);
            if (readable) {
                assert_int_equal(outcome("lint.cert.san_repeated"),
                                 twice == 1 ? POLICY_FAIL : POLICY_PASS);
            }
        }
    }
}

static void lint_that_is_off_does_not_run(void **state)
{
    (void)state;
    static const char *const parts[] = {"version=", NULL};
    struct buf der CLEANUP(buf_clear);
    uint8_t severity[POLICY_LINT_MAX];
    buf_init(&der, 1 << 16);
    lint_der(POLICY_LINT_CERTIFICATE, parts, &der);
    policy_lint_defaults(CABF, severity);
    severity[policy_lint_find(slice_str("lint.cert.version"))] = POLICY_LINT_OFF;
    policy_lint_run(POLICY_LINT_CERTIFICATE, buf_slice(&der), severity, results);
    assert_int_equal(outcome("lint.cert.version"), POLICY_NA);
    policy_lint_defaults(0, severity);
    policy_lint_run(POLICY_LINT_CERTIFICATE, buf_slice(&der), severity, results);
    assert_int_equal(outcome("lint.cert.der"), POLICY_NA);
}

static void what_was_seen_is_written_as_text(void **state)
{
    (void)state;
    static const uint8_t oid[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d}, raw[] = {0xff, 0x00};
    char text[POLICY_TEXT_MAX + 1];
    struct policy_lint_seen seen = {POLICY_LINT_FORM_OID, slice_of(oid, sizeof oid), 0};
    policy_lint_text(&seen, text);
    assert_string_equal(text, "1.2.840.113549");
    seen = (struct policy_lint_seen){POLICY_LINT_FORM_OCTETS, slice_of(raw, 2), 0};
    policy_lint_text(&seen, text);
    assert_string_equal(text, "ff00");
    seen.octets = slice_str("text");
    policy_lint_text(&seen, text);
    assert_string_equal(text, "text");
    seen = (struct policy_lint_seen){POLICY_LINT_FORM_NUMBER, {NULL, 0}, -5};
    policy_lint_text(&seen, text);
    assert_string_equal(text, "-5");
}

/* Whatever is cut off or turned over: an answer, never a read outside. ASan watches. */
static void mangled_objects_are_answered(void **state)
{
    (void)state;
    static const char *const none[] = {NULL}, *const whole[] = {"@whole", NULL};
    const char *const *const shapes[] = {none, whole};
    uint8_t severity[POLICY_LINT_MAX];
    policy_lint_defaults(CABF, severity);
    for (int kind = POLICY_LINT_CERTIFICATE; kind <= POLICY_LINT_OCSP; kind++) {
        for (size_t s = 0; s < 2; s++) {
            struct buf der CLEANUP(buf_clear);
            buf_init(&der, 1 << 16);
            lint_der((enum policy_lint_kind)kind, shapes[s], &der);
            for (size_t i = 0; i < der.len; i++) {
                uint8_t *exact = malloc(i + 1);
                assert_non_null(exact);
                memcpy(exact, der.ptr, i + 1);
                policy_lint_run((enum policy_lint_kind)kind, slice_of(exact, i), severity, results);
                free(exact);
                der.ptr[i] ^= 0x21;
                policy_lint_run((enum policy_lint_kind)kind, buf_slice(&der), severity, results);
                der.ptr[i] ^= 0x21;
            }
        }
    }
}

/* docs/LINTS.md has a row for each lint, in the table's order, and no others. Run with an argument
 * this program prints the rows. */
static void row_of(const struct policy_lint *l, char out[512])
{
    (void)snprintf(out, 512, "| `%s` | %s | %s | %s | %s |\n", l->id,
                   l->severity == POLICY_LINT_ERROR ? "error" : "warning",
                   (l->sets & POLICY_LINT_SET_RFC5280) != 0 ? "rfc5280" : "cabf-server",
                   l->reference, l->required);
}

static void documentation_lists_every_lint(void **state)
{
    (void)state;
    char line[1024], want[512];
    size_t i = 0;
    FILE *f = fopen(TEST_SOURCE_DIR "/docs/LINTS.md", "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, "| `lint.", 8) == 0) {
            assert_non_null(policy_lint_at(i));
            row_of(policy_lint_at(i++), want);
            assert_string_equal(line, want);
        }
    }
    (void)fclose(f);
    assert_int_equal(i, policy_lint_count());
}

int main(int argc, char **argv)
{
    (void)argv;
    for (size_t i = 0; argc > 1 && i < policy_lint_count(); i++) {
        char row[512];
        row_of(policy_lint_at(i), row);
        (void)fputs(row, stdout);
    }
    if (argc > 1) {
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_lint_has_one_case),
        cmocka_unit_test(good_object_passes_its_lint),
        cmocka_unit_test(planted_fault_is_found_and_named),
        cmocka_unit_test(clean_objects_have_no_finding),
        cmocka_unit_test(clean_objects_are_read_by_openssl),
        cmocka_unit_test(other_shapes_have_no_finding),
        cmocka_unit_test(life_limits_follow_their_dates),
        cmocka_unit_test(repeated_name_is_found_among_many),
        cmocka_unit_test(lint_that_is_off_does_not_run),
        cmocka_unit_test(what_was_seen_is_written_as_text),
        cmocka_unit_test(mangled_objects_are_answered),
        cmocka_unit_test(documentation_lists_every_lint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
