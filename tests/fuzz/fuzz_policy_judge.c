/* policy: the judge over a hostile request and a hostile TBS. Input: u16 length of the subject,
 * subject, u16 length of one name, its type and octets, the rest is the TBS. The name is also what
 * a claim says, as far as registration would state it (UTF-8 of at most 512 octets). Its octets
 * serve as extensions of the request as well. */
#include <stdlib.h>

#include "policy/policy_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct policy_bundle *bundle(void)
{
    static struct policy_bundle *b;
    static const char head[] = "version: 1\nname: t\ncrl: {max_validity: 8d}\n";
    static const char profile[] =
        "name: p\nissuer: i\ncallers: ['/user/*']\nkeys: {types: [P-256, RSA-2048]}\n"
        "signature_algorithms: [ecdsa-with-SHA256]\nvalidity: {max: 1d}\n"
        "subject: {attributes: [{type: O, from: evidence, claim: org, match: ['a*b?c']}, {type: "
        "CN, "
        "from: request, match: ['*.a.test', '?*'], max: 60}], unlisted: drop}\n"
        "names: {required: false, dns: {suffixes: [a.test, com], wildcard_depth: 2, a_labels: "
        "true, "
        "scripts: [Greek, Latin], public_suffix_guard: true, internal: refuse}, ip: {networks: "
        "[10.0.0.0/9, '2001:db8::/32'], reserved: refuse},"
        " email: {domains: [a.test], match: ['a*b']}, uri: {prefixes: ['https://a.test/x/'], "
        "spiffe_domains: [m.test], spiffe_paths: ['/ns/*/sa/**']},"
        " other_name: {upn_suffixes: [a.test], oids: [1.2.3]}, directory_name: {attributes: "
        "[{type: "
        "C, fixed: XX}, {type: O, from: evidence, claim: org}, {type: CN, from: request}]}}\n"
        "extensions:\n  key_usage: [digitalSignature]\n  unlisted: refuse\n"
        "  extended_key_usage: {from: request, allowed: [serverAuth, clientAuth]}\n"
        "  no_rev_avail: auto\n  tls_feature: [5]\n"
        "  custom:\n    - {oid: 1.2.3, value: {utf8: a}}\n"
        "    - {oid: 1.2.4, from: request, type: utf8, match: ['a*b']}\n"
        "    - {oid: 1.2.5, from: request, type: oid}\n"
        "    - {oid: 1.2.6, from: request, type: integer}\n";
    static const char suffixes[] = "// ===BEGIN ICANN DOMAINS===\ncom\n*.ck\n!www.ck\n"
                                   "// ===END ICANN DOMAINS===\n";
    struct policy_file files[] = {{"bundle.yaml", slice_str(head)},
                                  {"public_suffixes.dat", slice_str(suffixes)},
                                  {"profiles/p.yaml", slice_str(profile)}};
    if (b == NULL && (policy_bundle_compile(files, 3, &b, NULL) != CH_OK ||
                      policy_bundle_set_trust_domain(b, "td.test") != CH_OK)) {
        abort();
    }
    return b;
}

static struct slice take(struct slice *in)
{
    if (in->len < 2) {
        return slice_of(NULL, 0);
    }
    size_t n = (size_t)(in->ptr[0] & 0x0f) << 8 | in->ptr[1];
    struct slice s = slice_sub(*in, 2, n);
    *in = slice_sub(*in, 2 + s.len, in->len);
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t zero[32];
    struct slice in = slice_of(data, size), subject = take(&in), name = take(&in);
    struct permit_san san = {name.len == 0 ? 3 : name.ptr[0], slice_sub(name, 1, name.len)};
    struct permit_claim claim = {slice_str("org"), slice_sub(san.value, 0, 512)};
    bool claims = claim.value.len > 0 && slice_is_utf8(claim.value) && !slice_has_nul(claim.value);
    struct permit_request r = {.request_id = slice_of(zero, 16),
                               .tenant = slice_str("default"),
                               .profile = slice_str("p"),
                               .requester = slice_str("spiffe://td.test/user/a"),
                               .spki_sha256 = slice_of(zero, 32),
                               .subject_der = subject,
                               .sans = &san,
                               .n_sans = san.value.len > 0 ? 1 : 0,
                               .evidence = {.caller = slice_str("spiffe://td.test/user/a"),
                                            .claims = &claim,
                                            .n_claims = claims ? 1 : 0}};
    struct policy_issuer issuer = {.issuer_id = "i",
                                   .subject = slice_of("\x30\0", 2),
                                   .ski = slice_of(zero, 20),
                                   .key_type = CRYPTO_KEY_P256,
                                   .not_after_s = INT64_MAX,
                                   .shards = 16,
                                   .crl_url_base = "http://c",
                                   .ocsp_url = "http://o",
                                   .aia_url_base = "http://a"};
    /* The name's octets again, as extensions of the request. */
    const struct permit_extension ext[] = {{slice_of("\x55\x1d\x25", 3), false, san.value},
                                           {slice_of("\x55\x1d\x13", 3), false, san.value},
                                           {slice_of("\x2a\4", 2), false, san.value},
                                           {slice_of("\x2a\5", 2), false, san.value},
                                           {slice_of("\x2a\6", 2), false, san.value}};
    r.extensions = ext;
    r.n_extensions = san.type % 6;
    struct policy_facts f = {.request = &r, .tbs = in, .issuer = &issuer, .now_s = 1764000000};
    static struct policy_verdict v;
    policy_judge_certificate(bundle(), &f, &v);
    if (in.len > 0 && v.verdict == POLICY_PASS) {
        abort(); /* nobody finds a key whose hash is all zero */
    }
    return 0;
}
