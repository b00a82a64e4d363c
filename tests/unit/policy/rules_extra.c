/* Extensions beyond those of every certificate: EKU from the request, policies with qualifiers,
 * name constraints, TLS feature, noRevAvail, customs; and what a request may bring. */
#include <stdio.h>

#include "rules.h"

#define NOCHECK "  ocsp_nocheck: true\n"
#define EKU "  extended_key_usage: [serverAuth, clientAuth]\n"
#define USAGE "  key_usage: [digitalSignature]\n  key_usage_rsa: [keyEncipherment]\n"
#define POLICIES "  policies: [2.23.140.1.2.1]\n"
#define DAY 86400LL

static const uint8_t device_oid[] = {0x2b, 6,    1,    4, 1,
                                     0x83, 0xaa, 0x5c, 1}; /* 1.3.6.1.4.1.54620.1 */
#define DEVICE slice_of(device_oid, sizeof device_oid)
#define BYTES(s) slice_of((s), sizeof(s) - 1)

/* Adds lines below `extensions`. */
static void more(struct fix *f, const char *lines)
{
    char text[1024];
    (void)snprintf(text, sizeof text, "%s%s", NOCHECK, lines);
    rules_bundle(f, NOCHECK, text);
}
static void ask(struct fix *f, struct slice oid, struct slice value)
{
    struct permit_extension *list = arena_alloc(&f->arena, 4 * sizeof *list);
    for (size_t i = 0; i < f->request.n_extensions; i++) {
        list[i] = f->request.extensions[i];
    }
    list[f->request.n_extensions++] = (struct permit_extension){oid, false, value};
    f->request.extensions = list;
}

/* ---- EKU ---- */

static const char server[] = "\x30\x0a\6\x08\x2b\6\1\5\5\7\3\1";
static const char client_server[] = "\x30\x14\6\x08\x2b\6\1\5\5\7\3\2\6\x08\x2b\6\1\5\5\7\3\1";
static const char email[] = "\x30\x0a\6\x08\x2b\6\1\5\5\7\3\4";
static const char server_twice[] = "\x30\x14\6\x08\x2b\6\1\5\5\7\3\1\6\x08\x2b\6\1\5\5\7\3\1";

static void eku_asked(struct fix *f, struct slice asked, struct slice written)
{
    rules_bundle(
        f, EKU,
        "  extended_key_usage: {from: request, allowed: [serverAuth, clientAuth], default: "
        "[serverAuth]}\n");
    if (asked.len > 0) {
        ask(f, X509_EXT_EKU, asked);
    }
    fix_ext(f, X509_EXT_EKU, false, written);
}
CHANGE(eku_one)
{
    eku_asked(f, BYTES(server), BYTES(server));
}
CHANGE(eku_both)
{
    eku_asked(f, BYTES(client_server), BYTES(client_server));
}
CHANGE(eku_default)
{
    eku_asked(f, slice_of(NULL, 0), BYTES(server));
}
CHANGE(eku_not_asked)
{
    eku_asked(f, BYTES(server), BYTES(client_server));
}
CHANGE(eku_more_than_default)
{
    eku_asked(f, slice_of(NULL, 0), BYTES(client_server));
}
CHANGE(eku_not_allowed)
{
    eku_asked(f, BYTES(email), BYTES(email));
}
CHANGE(eku_twice)
{
    eku_asked(f, BYTES(server_twice), BYTES(server_twice));
}
CHANGE(eku_trailing)
{
    eku_asked(f, BYTES("\x30\x0a\6\x08\x2b\6\1\5\5\7\3\1\5\0"), BYTES(server));
}
CHANGE(eku_empty)
{
    eku_asked(f, BYTES("\x30\0"), BYTES(server));
}
CHANGE(eku_no_list)
{
    eku_asked(f, BYTES("\6\x08\x2b\6\1\5\5\7\3\1"), BYTES(server));
}
CHANGE(eku_critical)
{
    rules_bundle(f, EKU, "  extended_key_usage: {fixed: [serverAuth], critical: true}\n");
    fix_ext(f, X509_EXT_EKU, true, BYTES(server));
}
CHANGE(eku_not_critical)
{
    eku_critical(f);
    fix_ext(f, X509_EXT_EKU, false, BYTES(server));
}
CHANGE(eku_ignored)
{
    ask(f, X509_EXT_EKU, BYTES(email)); /* the profile fixes its usages */
}

/* ---- policies ---- */

static void cps(struct fix *f, const char *uri)
{
    static const uint8_t oid[] = {0x67, 0x81, 0x0c, 1, 2, 1};
    const struct x509_policy p[] = {{slice_of(oid, sizeof oid), uri}};
    struct buf b;
    rules_bundle(f, POLICIES,
                 "  policies: [{oid: 2.23.140.1.2.1, cps: 'https://example.test/cps'}]\n");
    buf_init(&b, 256);
    assert_int_equal(x509_ext_policies(p, 1, &b), CH_OK);
    fix_ext(f, X509_EXT_POLICIES, false, fix_keep(f, &b));
}
CHANGE(cps_written)
{
    cps(f, "https://example.test/cps");
}
CHANGE(cps_other)
{
    cps(f, "https://example.test/csp");
}
CHANGE(cps_missing)
{
    cps(f, NULL);
}

/* ---- name constraints ---- */

/* permitted: example.test, 10.0.0.0/8, "/C=XX"; excluded: .bad.example.test as URI */
static const char constraints[] = "\x30\x46\xa0\x2f"
                                  "\x30\x0e\x82\x0c"
                                  "example.test"
                                  "\x30\x0a\x87\x08\x0a\0\0\0\xff\0\0\0"
                                  "\x30\x11\xa4\x0f\x30\x0d\x31\x0b\x30\x09\6\3\x55\4\6\x13\2XX"
                                  "\xa1\x13\x30\x11\x86\x0f"
                                  ".a.example.test";

static void ca_with(struct fix *f, bool critical, struct slice value)
{
    struct buf b;
    rules_bundle(f, USAGE,
                 "  key_usage: [keyCertSign, cRLSign]\n  ca: {path_length: 0}\n"
                 "  name_constraints:\n"
                 "    permitted: {dns: [example.test], ip: [10.0.0.0/8],\n"
                 "      directory: [{attributes: [{type: C, fixed: XX}]}]}\n"
                 "    excluded: {uri: [.a.example.test]}\n");
    buf_init(&b, 64);
    assert_int_equal(x509_ext_key_usage(1U << 5 | 1U << 6, &b), CH_OK);
    fix_ext(f, X509_EXT_KEY_USAGE, true, fix_keep(f, &b));
    buf_init(&b, 64);
    assert_int_equal(x509_ext_basic(true, 0, &b), CH_OK);
    fix_ext(f, X509_EXT_BASIC, true, fix_keep(f, &b));
    if (value.len > 0) {
        fix_ext(f, X509_EXT_CONSTRAINTS, critical, value);
    }
}
CHANGE(ca_constrained)
{
    ca_with(f, true, BYTES(constraints));
}
CHANGE(ca_asked_for)
{
    ca_constrained(f);
    ask(f, X509_EXT_BASIC, BYTES("\x30\3\1\1\xff"));
}
CHANGE(ca_unconstrained)
{
    ca_with(f, true, slice_of(NULL, 0));
}
CHANGE(ca_not_critical)
{
    ca_with(f, false, BYTES(constraints));
}
CHANGE(ca_other_constraints)
{
    uint8_t *value = arena_copy(&f->arena, BYTES(constraints));
    value[8] = 'x';
    ca_with(f, true, slice_of(value, sizeof constraints - 1));
}
CHANGE(leaf_constrained)
{
    fix_ext(f, X509_EXT_CONSTRAINTS, true, BYTES(constraints));
}

/* ---- TLS feature ---- */

CHANGE(staple)
{
    more(f, "  tls_feature: [status_request, 17]\n");
    fix_ext(f, X509_EXT_TLS_FEATURE, false, BYTES("\x30\6\2\1\5\2\1\x11"));
}
CHANGE(staple_missing)
{
    more(f, "  tls_feature: [status_request]\n");
}
CHANGE(staple_other)
{
    more(f, "  tls_feature: [status_request]\n");
    fix_ext(f, X509_EXT_TLS_FEATURE, false, BYTES("\x30\3\2\1\x11"));
}
CHANGE(staple_unasked)
{
    fix_ext(f, X509_EXT_TLS_FEATURE, false, BYTES("\x30\3\2\1\5"));
}

/* ---- noRevAvail ---- */

static void drop_status(struct fix *f)
{
    struct buf b;
    fix_ext(f, X509_EXT_CDP, false, slice_of(NULL, 0));
    buf_init(&b, 256);
    assert_int_equal(x509_ext_aia(NULL, "http://aia.example/a/issuing-1.cer", &b), CH_OK);
    fix_ext(f, X509_EXT_AIA, false, fix_keep(f, &b));
}
CHANGE(no_rev)
{
    more(f, "  no_rev_avail: true\n");
    drop_status(f);
    fix_ext(f, X509_EXT_NO_REV_AVAIL, false, BYTES("\5\0"));
}
CHANGE(no_rev_missing)
{
    more(f, "  no_rev_avail: true\n");
    drop_status(f);
}
CHANGE(no_rev_critical)
{
    no_rev(f);
    fix_ext(f, X509_EXT_NO_REV_AVAIL, true, BYTES("\5\0"));
}
CHANGE(no_rev_unasked)
{
    fix_ext(f, X509_EXT_NO_REV_AVAIL, false, BYTES("\5\0"));
}
CHANGE(no_rev_beside_cdp)
{
    no_rev(f);
    fix_ext(f, X509_EXT_CDP, false, BYTES("\x30\0"));
}
CHANGE(no_rev_beside_ocsp)
{
    struct buf b;
    no_rev(f);
    buf_init(&b, 256);
    assert_int_equal(x509_ext_aia("http://ocsp.example/", "http://aia.example/a/issuing-1.cer", &b),
                     CH_OK);
    fix_ext(f, X509_EXT_AIA, false, fix_keep(f, &b));
}
CHANGE(auto_short)
{
    more(f, "  no_rev_avail: auto\n  no_rev_avail_up_to: 2d\n");
    f->t.not_after_s = f->t.not_before_s + 2 * DAY;
    drop_status(f);
    fix_ext(f, X509_EXT_NO_REV_AVAIL, false, BYTES("\5\0"));
}
CHANGE(auto_long)
{
    more(f, "  no_rev_avail: auto\n");
}
CHANGE(auto_longer_than_that)
{
    auto_short(f);
    f->t.not_after_s += 1;
}

/* ---- custom ---- */

/* A critical extension that nobody else knows is an error to the lints unless the profile knows
 * better. */
#define FIXED                                                                                      \
    "  custom: [{oid: 1.3.6.1.4.1.54620.1, critical: true, value: {utf8: model-7}}]\n"             \
    "lints: {severity: {lint.cert.extension_unknown: warning}}\n"
#define ASKED                                                                                      \
    "  custom: [{oid: 1.3.6.1.4.1.54620.1, from: request, type: utf8, max: 8, match: ['m*-?']}]\n"

static void asked(struct fix *f, const char *lines, struct slice value, struct slice written)
{
    more(f, lines);
    if (value.len > 0) {
        ask(f, DEVICE, value);
    }
    if (written.len > 0) {
        fix_ext(f, DEVICE, false, written);
    }
}
CHANGE(custom_fixed)
{
    more(f, FIXED);
    fix_ext(f, DEVICE, true, BYTES("\x0c\x07model-7"));
}
CHANGE(custom_missing)
{
    more(f, FIXED);
}
CHANGE(custom_other)
{
    more(f, FIXED);
    fix_ext(f, DEVICE, true, BYTES("\x0c\x07model-8"));
}
CHANGE(custom_not_critical)
{
    more(f, FIXED);
    fix_ext(f, DEVICE, false, BYTES("\x0c\x07model-7"));
}
CHANGE(custom_stranger)
{
    fix_ext(f, DEVICE, false, BYTES("\x0c\x07model-7"));
}
CHANGE(custom_asked)
{
    asked(f, ASKED, BYTES("\x0c\x07model-7"), BYTES("\x0c\x07model-7"));
}
CHANGE(custom_not_asked)
{
    asked(f, ASKED, slice_of(NULL, 0), slice_of(NULL, 0));
}
CHANGE(custom_invented)
{
    asked(f, ASKED, slice_of(NULL, 0), BYTES("\x0c\x07model-7"));
}
CHANGE(custom_changed)
{
    asked(f, ASKED, BYTES("\x0c\x07model-7"), BYTES("\x0c\x07model-8"));
}
CHANGE(custom_dropped)
{
    asked(f, ASKED, BYTES("\x0c\x07model-7"), slice_of(NULL, 0));
}
CHANGE(custom_no_match)
{
    asked(f, ASKED, BYTES("\x0c\x07nodel-7"), BYTES("\x0c\x07nodel-7"));
}
CHANGE(custom_long)
{
    asked(f, ASKED, BYTES("\x0c\x09model00-7"), BYTES("\x0c\x09model00-7"));
}
CHANGE(custom_type)
{
    asked(f, ASKED, BYTES("\x13\x07model-7"), BYTES("\x13\x07model-7"));
}
CHANGE(custom_trailing)
{
    asked(f, ASKED, BYTES("\x0c\x07model-7\0"), BYTES("\x0c\x07model-7\0"));
}
CHANGE(custom_control)
{
    asked(f, ASKED, BYTES("\x0c\x07mode\x01-7"), BYTES("\x0c\x07mode\x01-7"));
}
static void of_type(struct fix *f, const char *type, struct slice value)
{
    char text[160];
    (void)snprintf(text, sizeof text,
                   "  custom: [{oid: 1.3.6.1.4.1.54620.1, from: request, type: %s, max: 4, "
                   "required: true}]\n",
                   type);
    asked(f, text, value, value);
}
CHANGE(custom_required)
{
    of_type(f, "utf8", slice_of(NULL, 0));
}
CHANGE(custom_integer)
{
    of_type(f, "integer", BYTES("\2\2\1\0"));
}
CHANGE(custom_integer_long_form)
{
    of_type(f, "integer", BYTES("\2\2\0\1"));
}
CHANGE(custom_integer_empty)
{
    of_type(f, "integer", BYTES("\2\0"));
}
CHANGE(custom_boolean)
{
    of_type(f, "boolean", BYTES("\1\1\xff"));
}
CHANGE(custom_boolean_one)
{
    of_type(f, "boolean", BYTES("\1\1\1"));
}
CHANGE(custom_oid)
{
    of_type(f, "oid", BYTES("\6\2\x2a\3"));
}
CHANGE(custom_oid_cut)
{
    of_type(f, "oid", BYTES("\6\2\x2a\x83"));
}
CHANGE(custom_octets)
{
    of_type(f, "octets", BYTES("\4\4\0\1\2\3"));
}
CHANGE(custom_ia5)
{
    of_type(f, "ia5", BYTES("\x16\3a@b"));
}
CHANGE(custom_ia5_high)
{
    of_type(f, "ia5",
            BYTES("\x16\3a\x80"
                  "b"));
}
CHANGE(custom_printable)
{
    of_type(f, "printable", BYTES("\x13\3a b"));
}
CHANGE(custom_printable_at)
{
    of_type(f, "printable", BYTES("\x13\3a@b"));
}

/* ---- what nothing takes ---- */

CHANGE(stranger_ignored)
{
    ask(f, DEVICE, BYTES("\5\0"));
    ask(f, X509_EXT_BASIC, BYTES("\x30\0"));
}
CHANGE(stranger_refused)
{
    more(f, "  unlisted: refuse\n");
    ask(f, DEVICE, BYTES("\5\0"));
}
CHANGE(same_is_no_stranger)
{
    more(f, "  unlisted: refuse\n");
    ask(f, X509_EXT_BASIC, BYTES("\x30\0"));
    ask(f, X509_EXT_KEY_USAGE, BYTES("\3\2\7\x80"));
}
CHANGE(other_usage_refused)
{
    more(f, "  unlisted: refuse\n");
    ask(f, X509_EXT_KEY_USAGE, BYTES("\3\2\6\xc0"));
}
CHANGE(basic_false_written)
{
    ask(f, X509_EXT_BASIC, BYTES("\x30\3\1\1\0"));
}
CHANGE(basic_ca)
{
    ask(f, X509_EXT_BASIC, BYTES("\x30\3\1\1\xff"));
}
CHANGE(basic_junk)
{
    ask(f, X509_EXT_BASIC, BYTES("\x31\0"));
}
CHANGE(asked_twice)
{
    ask(f, DEVICE, BYTES("\5\0"));
    ask(f, DEVICE, BYTES("\5\0"));
}
CHANGE(eku_asked_twice)
{
    eku_asked(f, BYTES(client_server), BYTES(client_server));
    ask(f, X509_EXT_EKU, BYTES(client_server));
}

static const struct rule_case bad[] = {
    PLAN("ext.extended_key_usage", eku_not_asked),
    PLAN("ext.extended_key_usage", eku_more_than_default),
    PLAN("ext.extended_key_usage", eku_not_critical),
    PLAN("ext.extended_key_usage", eku_asked_twice),
    PLAN("request.extension.eku", eku_not_allowed),
    PLAN("request.extension.eku", eku_twice),
    PLAN("request.extension.eku", eku_trailing),
    PLAN("request.extension.eku", eku_empty),
    PLAN("request.extension.eku", eku_no_list),
    PLAN("ext.policies", cps_other),
    PLAN("ext.policies", cps_missing),
    PLAN("ext.name_constraints", ca_unconstrained),
    PLAN("ext.name_constraints", ca_not_critical),
    PLAN("ext.name_constraints", ca_other_constraints),
    PLAN("ext.name_constraints", leaf_constrained),
    PLAN("ext.tls_feature", staple_missing),
    PLAN("ext.tls_feature", staple_other),
    PLAN("ext.tls_feature", staple_unasked),
    PLAN("ext.no_rev_avail", no_rev_missing),
    PLAN("ext.no_rev_avail", no_rev_critical),
    PLAN("ext.no_rev_avail", no_rev_unasked),
    PLAN("ext.no_rev_avail", auto_longer_than_that),
    PLAN("ext.crl_distribution_points", no_rev_beside_cdp),
    PLAN("ext.authority_info_access", no_rev_beside_ocsp),
    PLAN("ext.custom", custom_missing),
    PLAN("ext.custom", custom_other),
    PLAN("ext.custom", custom_not_critical),
    PLAN("ext.custom", custom_invented),
    PLAN("ext.custom", custom_changed),
    PLAN("ext.custom", custom_dropped),
    PLAN("ext.unknown", custom_stranger),
    PLAN("request.extension.custom", custom_no_match),
    PLAN("request.extension.custom", custom_long),
    PLAN("request.extension.custom", custom_type),
    PLAN("request.extension.custom", custom_trailing),
    PLAN("request.extension.custom", custom_control),
    PLAN("request.extension.custom", custom_required),
    PLAN("request.extension.custom", custom_integer_long_form),
    PLAN("request.extension.custom", custom_integer_empty),
    PLAN("request.extension.custom", custom_boolean_one),
    PLAN("request.extension.custom", custom_oid_cut),
    PLAN("request.extension.custom", custom_ia5_high),
    PLAN("request.extension.custom", custom_printable_at),
    PLAN("request.extension.unlisted", stranger_refused),
    PLAN("request.extension.unlisted", other_usage_refused),
    PLAN("request.extension.ca", basic_ca),
    PLAN("request.extension.ca", basic_junk),
    PLAN("request.extension.duplicate", asked_twice),
    PLAN("request.extension.duplicate", eku_asked_twice),
};
static const struct rule_case good[] = {
    PLAN("request.extension.eku", eku_one),
    PLAN("ext.extended_key_usage", eku_both),
    PLAN("ext.extended_key_usage", eku_default),
    PLAN("ext.extended_key_usage", eku_critical),
    PLAN("ext.extended_key_usage", eku_ignored),
    PLAN("ext.policies", cps_written),
    PLAN("ext.name_constraints", ca_constrained),
    PLAN("ext.basic_constraints", ca_asked_for),
    PLAN("ext.tls_feature", staple),
    PLAN("ext.no_rev_avail", no_rev),
    PLAN("ext.no_rev_avail", auto_short),
    PLAN("ext.crl_distribution_points", auto_long),
    PLAN("ext.custom", custom_fixed),
    PLAN("request.extension.custom", custom_asked),
    PLAN("ext.unknown", custom_not_asked),
    PLAN("request.extension.custom", custom_integer),
    PLAN("request.extension.custom", custom_boolean),
    PLAN("request.extension.custom", custom_oid),
    PLAN("request.extension.custom", custom_octets),
    PLAN("request.extension.custom", custom_ia5),
    PLAN("request.extension.custom", custom_printable),
    PLAN("request.extension.duplicate", stranger_ignored),
    PLAN("request.extension.ca", basic_false_written),
    PLAN("request.extension.unlisted", same_is_no_stranger),
};

const struct rule_family rules_extra = RULES(bad, good);
