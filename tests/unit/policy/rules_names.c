/* Subject alternative names beyond suffixes and lists: IDNA, public suffixes, internal names,
 * reserved addresses, patterns, other names. */
#include <stdio.h>

#include "rules.h"

/* ---- DNS ---- */

/* One DNS name under a profile with more keys in `dns`. */
static void dns_with(struct fix *f, const char *keys, const char *name)
{
    char text[256];
    (void)snprintf(text, sizeof text,
                   "dns: {suffixes: [test, com, uk, ck, io, nowhere], exact: [localhost], "
                   "wildcard_depth: 2, %s}",
                   keys);
    rules_bundle(f,
                 "dns: {suffixes: [example.test, deep.example.test], exact: [localhost], "
                 "wildcard_depth: 1}",
                 text);
    rules_one_san(f, 3, name);
    f->request.n_sans = 1;
    fix_san(f, 7, "https://id.example.test/d/7");
    fix_san_ext(f);
}
#define DNS(name, keys, text)                                                                      \
    CHANGE(name)                                                                                   \
    {                                                                                              \
        dns_with(f, keys, text);                                                                   \
    }
DNS(idna_good, "a_labels: true", "xn--bcher-kva.example.test")
DNS(idna_wildcard, "a_labels: true", "*.xn--bcher-kva.test")
DNS(idna_emoji, "a_labels: true", "xn--ls8h.example.test")
DNS(idna_unassigned, "a_labels: true", "xn--a-qib.example.test")
DNS(idna_joiner, "a_labels: true", "xn--ab-m1t.example.test")
DNS(idna_not_nfc, "a_labels: true", "xn--e-xbb.example.test")
DNS(idna_combining, "a_labels: true", "xn--a-wbb.example.test")
DNS(idna_bidi, "a_labels: true", "1a.xn--4dbc.test")
DNS(idna_not_canonical, "a_labels: true", "xn--abc.example.test")
DNS(idna_off, "a_labels: false", "xn--bcher-kva.example.test")
DNS(scripts_mixed, "a_labels: true", "xn--pple-43d.example.test")
DNS(scripts_not_listed, "a_labels: true, scripts: [Latin]", "xn--80ak6aa92e.example.test")
DNS(scripts_confusable, "a_labels: true", "xn--80ak6aa92e.example.test") /* all Cyrillic: no mix */
DNS(scripts_listed, "a_labels: true, scripts: [Latin]", "xn--bcher-kva.example.test")
DNS(u_label, "a_labels: true",
    "b\xc3\xbc"
    "cher.example.test")

DNS(suffix_itself, "public_suffix_guard: true", "co.uk")
DNS(suffix_wildcard, "public_suffix_guard: true", "*.co.uk")
DNS(suffix_tld_wildcard, "public_suffix_guard: true", "*.com")
DNS(suffix_by_star, "public_suffix_guard: true", "*.any.ck")
DNS(suffix_private, "public_suffix_guard: true", "*.github.io")
DNS(suffix_unknown, "public_suffix_guard: true", "*.nowhere")
DNS(suffix_icann_only, "public_suffix_guard: icann", "*.github.io")
DNS(suffix_icann, "public_suffix_guard: icann", "*.co.uk")
DNS(suffix_exception, "public_suffix_guard: true", "www.ck")
DNS(suffix_below, "public_suffix_guard: true", "*.example.com")

DNS(internal_refused, "internal: refuse", "a.example.test")
DNS(internal_wildcard, "internal: refuse", "*.example.test")
DNS(internal_single, "internal: refuse", "localhost")
DNS(internal_no_root, "internal: refuse", "a.nowhere")
DNS(internal_public, "internal: refuse", "a.b.com")
DNS(internal_only_public, "internal: only", "a.b.com")
DNS(internal_only, "internal: only", "a.example.test")
DNS(internal_only_no_root, "internal: only", "a.nowhere")

/* ---- addresses ---- */

static void ip_with(struct fix *f, struct slice address)
{
    rules_bundle(f, "ip: {networks: [10.1.0.0/16, '2001:db8::/33']}",
                 "ip: {networks: [0.0.0.0/0, '::/0'], reserved: refuse}");
    f->sans[4].value = address;
    fix_san_ext(f);
}
CHANGE(ip_private)
{
    ip_with(f, slice_of("\x0a\1\2\3", 4));
}
CHANGE(ip_documentation)
{
    ip_with(f, slice_of("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16));
}
CHANGE(ip_public)
{
    ip_with(f, slice_of("\x08\x08\x08\x08", 4));
}
CHANGE(ip_public_v6)
{
    ip_with(f, slice_of("\x26\x06\x47\0\0\0\0\0\0\0\0\0\0\0\0\1", 16));
}

/* ---- e-mail and URIs ---- */

#define ONE(name, from, to, type, text)                                                            \
    CHANGE(name)                                                                                   \
    {                                                                                              \
        rules_bundle(f, from, to);                                                                 \
        rules_one_san(f, type, text);                                                              \
    }
#define EMAIL(name, text)                                                                          \
    ONE(name, "email: {domains: [example.test]}",                                                  \
        "email: {domains: [example.test], match: ['svc-*', 'ops']}", 2, text)
EMAIL(email_other_local, "alice@example.test")
EMAIL(email_case_of_local, "OPS@example.test")
EMAIL(email_pattern, "svc-mail@example.test")
EMAIL(email_listed, "ops@example.test")
EMAIL(email_utf8, "\xc3\xb6ps@example.test")
EMAIL(email_quoted, "\"a b\"@example.test")

/* The only name: it sorts behind the URI that rules_one_san adds. */
static void spiffe_is(struct fix *f, const char *id)
{
    rules_bundle(f, "spiffe_domains: [mesh.test]",
                 "spiffe_domains: [mesh.test], spiffe_paths: ['/ns/*/sa/*', '/host/**']");
    rules_one_san(f, 7, id);
    f->request.n_sans = 1;
    fix_san_ext(f);
}
#define SPIFFE(name, text)                                                                         \
    CHANGE(name)                                                                                   \
    {                                                                                              \
        spiffe_is(f, text);                                                                        \
    }
SPIFFE(spiffe_path, "spiffe://mesh.test/ns/prod/sa/web")
SPIFFE(spiffe_rest, "spiffe://mesh.test/host/a/b/c")
SPIFFE(spiffe_other_path, "spiffe://mesh.test/ns/prod/x")
SPIFFE(spiffe_longer_path, "spiffe://mesh.test/ns/prod/sa/web/root")
SPIFFE(spiffe_no_rest, "spiffe://mesh.test/host")

/* ---- other names ---- */

#define UPN "\x06\x0a\x2b\x06\x01\x04\x01\x82\x37\x14\x02\x03"

/* An other name and a DNS name; `head` is the OID's element, `tag` the value's. */
static void other_with(struct fix *f, const char *keys, struct slice head, uint8_t tag,
                       struct slice value)
{
    struct buf b;
    char text[256];
    (void)snprintf(text, sizeof text, "  other_name: {%s}\n  uri: ", keys);
    rules_bundle(f, "  uri: ", text);
    buf_init(&b, 4096);
    assert_int_equal(buf_add(&b, head), CH_OK);
    assert_int_equal(buf_add_u8(&b, 0xa0), CH_OK);
    assert_int_equal(buf_add_u8(&b, (uint8_t)(value.len + 2)), CH_OK);
    assert_int_equal(buf_add_u8(&b, tag), CH_OK);
    assert_int_equal(buf_add_u8(&b, (uint8_t)value.len), CH_OK);
    assert_int_equal(buf_add(&b, value), CH_OK);
    f->request.n_sans = 2;
    f->sans[0] = (struct permit_san){1, fix_keep(f, &b)};
    f->sans[1] = (struct permit_san){3, slice_str("a.example.test")};
    fix_san_ext(f);
}
#define OTHER(name, keys, head, tag, value)                                                        \
    CHANGE(name)                                                                                   \
    {                                                                                              \
        other_with(f, keys, slice_of(head, sizeof(head) - 1), tag,                                 \
                   slice_of(value, sizeof(value) - 1));                                            \
    }
#define SUFFIX "upn_suffixes: [corp.example.test]"
#define ANY "\x06\x03\x2a\x03\x04"
#define MAILBOX "\x06\x08\x2b\x06\x01\x05\x05\x07\x08\x09"
OTHER(upn_good, SUFFIX, UPN, 0x0c, "alice@corp.example.test")
OTHER(upn_case, SUFFIX, UPN, 0x0c, "Alice.A\xc3\xa9@CORP.example.test")
OTHER(upn_elsewhere, SUFFIX, UPN, 0x0c, "alice@evil.test")
OTHER(upn_below, SUFFIX, UPN, 0x0c, "alice@x.corp.example.test")
OTHER(upn_ia5, SUFFIX, UPN, 0x16, "alice@corp.example.test")
OTHER(upn_two_at, SUFFIX, UPN, 0x0c, "a@b@corp.example.test")
OTHER(upn_no_user, SUFFIX, UPN, 0x0c, "@corp.example.test")
OTHER(upn_no_suffix, SUFFIX, UPN, 0x0c, "alice@")
OTHER(upn_no_at, SUFFIX, UPN, 0x0c, "alice")
OTHER(upn_slash, SUFFIX, UPN, 0x0c, "corp\\alice@corp.example.test")
OTHER(upn_nul, SUFFIX, UPN, 0x0c, "alice\0@corp.example.test")
OTHER(upn_bidi, SUFFIX, UPN, 0x0c, "al\xe2\x80\xaeice@corp.example.test")
OTHER(upn_service, SUFFIX, UPN, 0x0c, "alice@Chancery.test")
OTHER(upn_without_suffixes, "oids: [1.2.3.4]", UPN, 0x0c, "alice@corp.example.test")
OTHER(oid_listed, "oids: [1.2.3.4]", ANY, 0x30, "\x02\x01\x05")
OTHER(oid_not_listed, SUFFIX, ANY, 0x30, "\x02\x01\x05")
OTHER(oid_bad_inside, "oids: [1.2.3.4]", ANY, 0x30, "\x02\x02\x05")
OTHER(oid_long_tag, "oids: [1.2.3.4]", ANY, 0x1f, "\x02")
OTHER(oid_malformed, "oids: [1.2.3.4]", "\x06\x03\x2a\x03\x84", 0x0c, "x")
OTHER(mailbox, SUFFIX, MAILBOX, 0x0c, "a@example.test")

CHANGE(other_without_rule)
{
    upn_good(f);
    rules_bundle(f, "", "");
}
CHANGE(other_deep)
{
    /* Elements inside one another, one deeper than is read. */
    other_with(f, "oids: [1.2.3.4]", slice_of(ANY, 5), 0x30,
               slice_of("\x30\x0e\x30\x0c\x30\x0a\x30\x08\x30\x06\x30\x04\x30\x02\x30\x00", 16));
}
CHANGE(other_two_values)
{
    static const uint8_t two[] = {6, 3, 0x2a, 3, 4, 0xa0, 4, 5, 0, 5, 0};
    oid_listed(f);
    f->sans[0].value = slice_of(two, sizeof two);
    fix_san_ext(f);
}
CHANGE(other_primitive_in_tbs)
{
    /* The same octets under the tag of a primitive: another name to who reads it. */
    upn_good(f);
    struct slice ext = {NULL, 0};
    for (size_t i = 0; i < f->n_ext; i++) {
        ext = slice_eq(f->ext[i].oid, X509_EXT_SAN) ? f->ext[i].value : ext;
    }
    uint8_t *copy = arena_copy(&f->arena, ext);
    assert_int_equal(copy[2], 0xa0);
    copy[2] = 0x80;
    fix_ext(f, X509_EXT_SAN, false, slice_of(copy, ext.len));
}
CHANGE(type_x400)
{
    rules_one_san(f, 4, "0");
}
CHANGE(type_registered_id)
{
    f->sans[f->request.n_sans++] = (struct permit_san){9, slice_of("\x2a\3", 2)};
    fix_san_ext(f);
}

static const struct rule_case bad[] = {
    PLAN("san.dns.idna", idna_emoji),
    PLAN("san.dns.idna", idna_unassigned),
    PLAN("san.dns.idna", idna_joiner),
    PLAN("san.dns.idna", idna_not_nfc),
    PLAN("san.dns.idna", idna_combining),
    PLAN("san.dns.idna", idna_bidi),
    PLAN("san.dns.idna", idna_not_canonical),
    PLAN("san.dns.syntax", idna_off),
    PLAN("san.dns.syntax", u_label),
    PLAN("san.dns.scripts", scripts_mixed),
    PLAN("san.dns.scripts", scripts_not_listed),
    PLAN("san.dns.public_suffix", suffix_itself),
    PLAN("san.dns.public_suffix", suffix_wildcard),
    PLAN("san.dns.public_suffix", suffix_tld_wildcard),
    PLAN("san.dns.public_suffix", suffix_by_star),
    PLAN("san.dns.public_suffix", suffix_private),
    PLAN("san.dns.public_suffix", suffix_unknown),
    PLAN("san.dns.public_suffix", suffix_icann),
    PLAN("san.dns.internal", internal_refused),
    PLAN("san.dns.internal", internal_wildcard),
    PLAN("san.dns.internal", internal_single),
    PLAN("san.dns.internal", internal_no_root),
    PLAN("san.dns.internal", internal_only_public),
    PLAN("san.ip.reserved", ip_private),
    PLAN("san.ip.reserved", ip_documentation),
    PLAN("san.email.match", email_other_local),
    PLAN("san.email.match", email_case_of_local),
    PLAN("san.email.syntax", email_utf8),
    PLAN("san.email.syntax", email_quoted),
    PLAN("san.uri.path", spiffe_other_path),
    PLAN("san.uri.path", spiffe_longer_path),
    PLAN("san.uri.path", spiffe_no_rest),
    PLAN("san.other_name.allowed", upn_elsewhere),
    PLAN("san.other_name.allowed", upn_below),
    PLAN("san.other_name.allowed", upn_without_suffixes),
    PLAN("san.other_name.allowed", oid_not_listed),
    PLAN("san.other_name.allowed", mailbox),
    PLAN("san.other_name.allowed", other_without_rule),
    PLAN("san.other_name.syntax", upn_ia5),
    PLAN("san.other_name.syntax", upn_two_at),
    PLAN("san.other_name.syntax", upn_no_user),
    PLAN("san.other_name.syntax", upn_no_suffix),
    PLAN("san.other_name.syntax", upn_no_at),
    PLAN("san.other_name.syntax", upn_slash),
    PLAN("san.other_name.syntax", upn_nul),
    PLAN("san.other_name.syntax", upn_bidi),
    PLAN("san.other_name.syntax", oid_bad_inside),
    PLAN("san.other_name.syntax", oid_long_tag),
    PLAN("san.other_name.syntax", oid_malformed),
    PLAN("san.other_name.syntax", other_deep),
    PLAN("san.other_name.syntax", other_two_values),
    PLAN("san.service_name", upn_service),
    PLAN("san.exact", other_primitive_in_tbs),
    PLAN("san.type", type_x400),
    PLAN("san.type", type_registered_id),
};

static const struct rule_case good[] = {
    PLAN("san.dns.idna", idna_good),
    PLAN("san.dns.wildcard", idna_wildcard),
    PLAN("san.dns.scripts", scripts_listed),
    PLAN("san.dns.scripts", scripts_confusable),
    PLAN("san.dns.public_suffix", suffix_icann_only),
    PLAN("san.dns.public_suffix", suffix_exception),
    PLAN("san.dns.public_suffix", suffix_below),
    PLAN("san.dns.internal", internal_public),
    PLAN("san.dns.internal", internal_only),
    PLAN("san.dns.internal", internal_only_no_root),
    PLAN("san.ip.reserved", ip_public),
    PLAN("san.ip.reserved", ip_public_v6),
    PLAN("san.email.match", email_pattern),
    PLAN("san.email.match", email_listed),
    PLAN("san.uri.path", spiffe_path),
    PLAN("san.uri.path", spiffe_rest),
    PLAN("san.other_name.allowed", upn_good),
    PLAN("san.other_name.allowed", upn_case),
    PLAN("san.other_name.allowed", oid_listed),
};

const struct rule_family rules_names = RULES(bad, good);
