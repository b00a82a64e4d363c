/* policy: names and claims of any request against bindings, tenants and templates. Input: parts of
 * u8 length and octets: requester, claim name, claim value, then type (first octet) and value of
 * each name. What passes as bound is compared with a simple reading of the same bindings. */
#include <stdlib.h>

#include "policy/policy_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct policy_bundle *bundle(void)
{
    static struct policy_bundle *b;
    static const char head[] = "version: 1\nname: t\ncrl: {max_validity: 8d}\n";
    static const char profile[] =
        "name: p\nissuer: i\ncallers: ['/user/*']\nkeys: {types: [P-256]}\nbinding: required\n"
        "roles: [r]\nprotocols: [grpc]\nauthentication: {any_of: [mtls]}\n"
        "signature_algorithms: [ecdsa-with-SHA256]\nvalidity: {max: 1d}\n"
        "subject: {attributes: [{type: CN, from: request}], unlisted: drop}\n"
        "names: {required: false, dns: {templates: ['{c}.a.test', 'x-{c}-{c}.b.test']},"
        " email: {domains: [a.test], templates: ['{c}@a.test']},"
        " uri: {spiffe_domains: [m.test], templates: ['spiffe://m.test/{c}/{c}']}}\n"
        "extensions: {}\n";
    static const char tenants[] =
        "tenants: [{name: default, requesters: [/user/*], profiles: [p], issuers: [i],"
        " names: {dns: {suffixes: [test], wildcard_depth: 16}, ip: {networks: [0.0.0.0/0]}}}]\n";
    static const char bindings[] =
        "bindings:\n"
        "  - requester: /user/a\n    roles: [r]\n    names:\n"
        "      dns: {suffixes: [a.test, b.a.test], exact: [c.test], wildcard_depth: 1}\n"
        "      ip: {networks: [10.0.0.0/9]}\n      email: {domains: [a.test]}\n"
        "      uri: {prefixes: ['https://a.test/x/'], spiffe_ids: ['spiffe://m.test/n/*']}\n"
        "      upn: {domains: [a.test]}\n      directory_name: [{O: a, CN: 'b*'}]\n"
        "      subject: {CN: ['n*']}\n"
        "  - requester: /user/a*\n    names: {ip: {networks: [192.168.0.0/16]}}\n";
    struct policy_file files[] = {{"bundle.yaml", slice_str(head)},
                                  {"profiles/p.yaml", slice_str(profile)},
                                  {"tenants.yaml", slice_str(tenants)},
                                  {"bindings/a.yaml", slice_str(bindings)}};
    if (b == NULL && (policy_bundle_compile(files, 4, &b, NULL) != CH_OK ||
                      policy_bundle_set_trust_domain(b, "td.test") != CH_OK)) {
        abort();
    }
    return b;
}

static struct slice take(struct slice *in)
{
    size_t n = in->len == 0 ? 0 : in->ptr[0];
    struct slice s = slice_sub(*in, 1, n);
    *in = slice_sub(*in, 1 + s.len, in->len);
    return s;
}

static bool exact_a(struct slice requester)
{
    return slice_eq(requester, slice_str("spiffe://td.test/user/a"));
}

/* The bindings above, read by hand. */
static bool bound(struct slice requester, const struct permit_san *s)
{
    const uint8_t *v = s->value.ptr;
    bool a = requester.len >= 23 && memcmp(requester.ptr, "spiffe://td.test/user/a", 23) == 0;
    if (s->type == 8 && s->value.len == 4) {
        return (a && v[0] == 192 && v[1] == 168) ||
               (exact_a(requester) && v[0] == 10 && v[1] < 128);
    }
    if (s->type != 3 || !exact_a(requester)) {
        return s->type != 3 && exact_a(requester); /* others are not read here */
    }
    bool star = s->value.len > 2 && v[0] == '*' && v[1] == '.';
    if (star) {
        return slice_eq(s->value, slice_str("*.a.test")) ||
               slice_eq(s->value, slice_str("*.b.a.test"));
    }
    size_t n = s->value.len;
    return slice_eq(s->value, slice_str("c.test")) || slice_eq(s->value, slice_str("a.test")) ||
           (n > 7 && memcmp(v + n - 7, ".a.test", 7) == 0);
}

static void check(const struct permit_request *r, const struct policy_verdict *v)
{
    bool all = true, passed = true, seen = false;
    for (size_t i = 0; i < r->n_sans; i++) {
        all = all && bound(r->requester, &r->sans[i]);
    }
    for (size_t i = 0; i < v->n; i++) {
        bool here = strcmp(v->rules[i].rule, "san.bound") == 0;
        seen = seen || here;
        passed = passed && !(here && v->rules[i].outcome == POLICY_FAIL);
    }
    if (seen && r->n_sans > 0 && passed && !all) {
        abort(); /* something passed that no binding allows */
    }
    bool plain = true;
    for (size_t i = 0; i < r->n_sans; i++) {
        plain =
            plain && (r->sans[i].type == 3 || (r->sans[i].type == 8 && r->sans[i].value.len == 4));
    }
    if (seen && plain && all && !passed) {
        abort(); /* something was refused that a binding allows */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t zero[32];
    static const struct slice methods[] = {{(const uint8_t *)"mtls", 4}};
    struct slice in = slice_of(data, size), requester = take(&in);
    struct permit_claim claim = {.name = take(&in)};
    claim.value = take(&in);
    struct permit_san sans[16];
    size_t n = 0;
    while (in.len > 0 && n < 16) {
        struct slice name = take(&in);
        if (name.len > 1) {
            sans[n++] = (struct permit_san){name.ptr[0], slice_sub(name, 1, name.len)};
        }
    }
    struct permit_request r = {.request_id = slice_of(zero, 16),
                               .tenant = slice_str("default"),
                               .profile = slice_str("p"),
                               .requester = requester,
                               .spki_sha256 = slice_of(zero, 32),
                               .sans = sans,
                               .n_sans = n,
                               .evidence = {.protocol = slice_str("grpc"),
                                            .caller = requester,
                                            .authentication = methods,
                                            .n_authentication = 1,
                                            .claims = &claim,
                                            .n_claims = 1}};
    struct policy_issuer issuer = {.issuer_id = "i",
                                   .subject = slice_of("\x30\0", 2),
                                   .ski = slice_of(zero, 20),
                                   .key_type = CRYPTO_KEY_P256,
                                   .not_after_s = INT64_MAX,
                                   .shards = 16};
    struct policy_facts f = {.request = &r, .issuer = &issuer, .now_s = 1764000000};
    static struct policy_verdict v;
    policy_judge_certificate(bundle(), &f, &v);
    check(&r, &v);
    return 0;
}
