/* Values that a bundle writes and the octets that the judge demands of them, written down after
 * X.690, and what single keys of `extensions` mean. */
#include <stdio.h>

#include "fix.h"

static const char HEAD[] = "version: 1\nname: t\ncrl: {max_validity: 8d}\n";
static const char PROFILE[] = "name: p\nissuer: i\ncallers: ['/user/*']\nkeys: {types: [P-256]}\n"
                              "signature_algorithms: [ecdsa-with-SHA256]\nvalidity: {max: 1d}\n"
                              "subject: {}\nnames: {required: false}\nextensions: {%s}\n";

static struct policy_bundle *with(const char *extensions)
{
    char text[2048];
    (void)snprintf(text, sizeof text, PROFILE, extensions);
    const struct policy_file f[] = {{"bundle.yaml", slice_str(HEAD)},
                                    {"profiles/p.yaml", slice_str(text)}};
    struct policy_bundle *b = NULL;
    struct diag d = {0};
    if (policy_bundle_compile(f, 2, &b, &d) != CH_OK) {
        fail_msg("%s: %s %s", extensions, d.field, d.text);
    }
    return b;
}

static void expect(struct slice got, const char *hex)
{
    char text[257];
    hex_encode(slice_sub(got, 0, 128), text);
    assert_string_equal(text, hex);
}

static const struct {
    const char *yaml, *der; /* hex */
} values[] = {
    {"{utf8: 'zwölf'}", "0c067a77c3b66c66"},
    {"{ia5: a@b}", "1603614062"},
    {"{printable: ab}", "13026162"},
    {"{integer: 0}", "020100"},
    {"{integer: 127}", "02017f"},
    {"{integer: 128}", "02020080"},
    {"{integer: 256}", "02020100"},
    {"{integer: -1}", "0201ff"},
    {"{integer: -128}", "020180"},
    {"{integer: -129}", "0202ff7f"},
    {"{integer: 9223372036854775807}", "02087fffffffffffffff"},
    {"{enumerated: 128}", "0a020080"},
    {"{boolean: true}", "0101ff"},
    {"{boolean: false}", "010100"},
    {"{oid: 1.2.840}", "06032a8648"},
    {"{octets: ''}", "0400"},
    {"{octets: 00fF}", "040200ff"},
    {"{bits: '8000'}", "0303008000"},
    {"{'null': true}", "0500"},
    {"{sequence: []}", "3000"},
    {"{sequence: [{integer: 2}, {integer: 1}]}", "3006020102020101"},
    {"{set: [{printable: b}, {sequence: []}, {utf8: a}, {integer: 0}, {printable: a}]}",
     "310e0201000c01613000130161130162"},
    {"{set: [{octets: '02'}, {octets: '01'}, {octets: ''}, {bits: '8000'}]}",
     "310d03030080000400040101040102"},
    {"{explicit: {tag: 30, value: {ia5: a}}}", "be03160161"},
    {"{implicit: {tag: 1, value: {octets: '00'}}}", "810100"},
    {"{implicit: {tag: 2, value: {set: [{integer: 2}, {integer: 1}]}}}", "a206020101020102"},
};

static void typed_values_have_their_octets(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char text[512];
        (void)snprintf(text, sizeof text, "custom: [{oid: 1.2.3, value: %s}]", values[i].yaml);
        struct policy_bundle *b = with(text);
        expect(b->profiles[0].ext.custom[0].value, values[i].der);
        policy_bundle_free(b);
    }
}

static void status_keys_mean_what_they_say(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        bool cdp, ocsp, ca, nocheck;
        int64_t no_rev;
    } rows[] = {
        {"", true, true, true, false, 0},
        {"crl_url: false", false, true, true, false, 0},
        {"ocsp_url: false", true, false, true, false, 0},
        {"issuer_url: false", true, true, false, false, 0},
        {"ocsp_nocheck: true", true, true, true, true, 0},
        {"no_rev_avail: false", true, true, true, false, 0},
        {"no_rev_avail: true", true, true, true, false, INT64_MAX},
        {"no_rev_avail: true, crl_url: false, ocsp_url: false", false, false, true, false,
         INT64_MAX},
        {"no_rev_avail: auto", true, true, true, false, 7 * 86400},
        {"no_rev_avail: auto, no_rev_avail_up_to: 2d", true, true, true, false, 2 * 86400},
        {"no_rev_avail: auto, crl_url: true, ocsp_url: true", true, true, true, false, 7 * 86400},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct policy_bundle *b = with(rows[i].yaml);
        const struct policy_template *t = policy_profile_template(policy_profile_at(b, 0));
        assert_int_equal(t->cdp, rows[i].cdp);
        assert_int_equal(t->aia_ocsp, rows[i].ocsp);
        assert_int_equal(t->aia_ca, rows[i].ca);
        assert_int_equal(t->ocsp_nocheck, rows[i].nocheck);
        assert_true(t->ext.no_rev_avail_up_to_s == rows[i].no_rev);
        policy_bundle_free(b);
    }
}

static void one_side_of_constraints_is_enough(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *der;
    } rows[] = {
        {"permitted: {dns: ['']}", "3006a00430028200"},
        {"excluded: {ip: [128.0.0.0/1]}", "300ea10c300a87088000000080000000"},
        {"excluded: {email: [a@b]}", "3009a10730058103614062"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[256];
        (void)snprintf(text, sizeof text,
                       "key_usage: [keyCertSign], ca: {path_length: 1}, name_constraints: {%s}",
                       rows[i].yaml);
        struct policy_bundle *b = with(text);
        expect(b->profiles[0].ext.constraints, rows[i].der);
        policy_bundle_free(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(typed_values_have_their_octets),
        cmocka_unit_test(status_keys_mean_what_they_say),
        cmocka_unit_test(one_side_of_constraints_is_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
