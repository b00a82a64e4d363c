/* Bundles: the shipped one, its hash, errors with position and suggestion, hostile input. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fix.h"

#define DEFAULT_DIR TEST_SOURCE_DIR "/policy/bundles/default"

static void shipped_bundle_loads(void **state)
{
    (void)state;
    struct policy_bundle *b = NULL;
    struct diag d = {0};
    if (policy_bundle_load(DEFAULT_DIR, &b, &d) != CH_OK) {
        fail_msg("%s %s", d.field, d.text);
    }
    static const char *const names[] = {"client", "device", "ocsp-responder", "web"};
    assert_int_equal(policy_profile_count(b), 4);
    for (size_t i = 0; i < 4; i++) {
        const struct policy_profile *p = policy_profile_find(b, slice_str(names[i]));
        assert_non_null(p);
        assert_ptr_equal(p, policy_profile_at(b, i));
        const struct policy_template *t = policy_profile_template(p);
        assert_string_equal(t->name, names[i]);
        assert_int_equal(t->n_issuers, 1);
        assert_string_equal(t->issuers[0], "issuing-1");
        assert_false(t->is_ca);
        assert_true(t->validity_s <= t->validity_max_s);
    }
    assert_null(policy_profile_find(b, slice_str("we")));
    assert_null(policy_profile_find(b, slice_str("webs")));
    assert_null(policy_profile_find(b, slice_of(NULL, 0)));
    assert_null(policy_profile_at(b, 4));
    const struct policy_template *web = policy_profile_template(policy_profile_at(b, 3));
    assert_int_equal(web->validity_s, 90 * 86400);
    assert_int_equal(web->backdate_s, 3600);
    assert_int_equal(web->n_subject, 1);
    assert_true(web->subject[0].from == POLICY_FROM_REQUEST && web->drop_unlisted &&
                !web->subject[0].required);
    assert_true(web->cdp && web->aia_ocsp && web->aia_ca && !web->ocsp_nocheck);
    assert_int_equal(web->key_usage, 1);
    assert_int_equal(web->key_usage_rsa_extra, 1 << 2);
    assert_int_equal(web->n_eku, 1);
    policy_bundle_free(b);
}

static struct policy_bundle *compile(const struct policy_file *files, size_t n, struct diag *d)
{
    struct policy_bundle *b = NULL;
    return policy_bundle_compile(files, n, &b, d) == CH_OK ? b : NULL;
}

static const char HEAD[] = "version: 1\nname: t\ncrl: {max_validity: 8d}\n";
static const char MINIMAL[] = "name: p\nissuer: i\ncallers: ['/user/*']\nkeys: {types: [P-256]}\n"
                              "signature_algorithms: [ecdsa-with-SHA256]\nvalidity: {max: 1d}\n"
                              "subject: {}\nnames: {required: false}\nextensions: {}\n";

static void hash_covers_paths_and_contents(void **state)
{
    (void)state;
    struct policy_file f[] = {{"bundle.yaml", slice_str(HEAD)},
                              {"profiles/p.yaml", slice_str(MINIMAL)},
                              {"README.md", slice_str("x")}};
    struct diag d = {0};
    struct policy_bundle *a = compile(f, 3, &d), *b;
    assert_non_null(a);
    /* SHA-256 over the canonical list, computed here by hand. */
    struct buf text CLEANUP(buf_clear);
    buf_init(&text, 4096);
    static const size_t order[] = {2, 0, 1};
    uint8_t want[32];
    assert_int_equal(buf_add_str(&text, "chancery/bundle/v1\n"), CH_OK);
    assert_int_equal(buf_add_u32be(&text, 3), CH_OK);
    for (size_t i = 0; i < 3; i++) {
        const struct policy_file *x = &f[order[i]];
        uint8_t digest[32];
        crypto_sha256(x->content, digest);
        assert_int_equal(buf_add_u32be(&text, (uint32_t)strlen(x->path)), CH_OK);
        assert_int_equal(buf_add_str(&text, x->path), CH_OK);
        assert_int_equal(buf_add(&text, slice_of(digest, 32)), CH_OK);
    }
    crypto_sha256(buf_slice(&text), want);
    assert_memory_equal(policy_bundle_hash(a), want, 32);
    struct policy_file swapped[] = {f[2], f[1], f[0]};
    b = compile(swapped, 3, &d);
    assert_non_null(b);
    assert_memory_equal(policy_bundle_hash(a), policy_bundle_hash(b), 32);
    policy_bundle_free(b);
    f[2].content = slice_str("y");
    b = compile(f, 3, &d);
    assert_memory_not_equal(policy_bundle_hash(a), policy_bundle_hash(b), 32);
    policy_bundle_free(b);
    b = compile(f, 2, &d);
    assert_memory_not_equal(policy_bundle_hash(a), policy_bundle_hash(b), 32);
    policy_bundle_free(b);
    policy_bundle_free(a);
}

static void profiles_are_found_whatever_their_file_order(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "a-b", "a.b", "aa", "b"};
    char text[5][512], path[5][64];
    struct policy_file f[6] = {{"bundle.yaml", slice_str(HEAD)}};
    for (size_t i = 0; i < 5; i++) {
        (void)snprintf(text[i], sizeof text[i], "name: %s%s", names[i], MINIMAL + 7);
        (void)snprintf(path[i], sizeof path[i], "profiles/%s.yaml", names[i]);
        f[i + 1] = (struct policy_file){path[i], slice_str(text[i])};
    }
    struct diag d = {0};
    struct policy_bundle *b = compile(f, 6, &d);
    assert_non_null(b);
    for (size_t i = 0; i < 5; i++) {
        assert_non_null(policy_profile_find(b, slice_str(names[i])));
    }
    policy_bundle_free(b);
}

struct wrong {
    const char *from, *to, *rule, *where;
};

static const struct wrong wrongs[] = {
    {"name: p\n", "name: q\n", "policy.name", "profiles/p.yaml:1:1"},
    {"name: p\n", "name: P\n", "policy.name", "profiles/p.yaml:1:7"},
    {"name: p\n", "name: p\nisuer: x\n", "conf.unknown", "profiles/p.yaml:2:1"},
    {"issuer: i\n", "", "conf.required", NULL},
    {"['/user/*']", "[]", "policy.list", NULL},
    {"['/user/*']", "[user]", "policy.value", "profiles/p.yaml:3:11"},
    {"['/user/*']", "['/us*r/x']", "policy.value", NULL},
    {"['/user/*']", "['*']", "policy.value", NULL},
    {"[P-256]", "[P-255]", "policy.value", "profiles/p.yaml:4:16"},
    {"[P-256]", "[RSA-other]", "policy.value", NULL},
    {"[P-256]", "[]", "policy.list", NULL},
    {"[P-256]}", "[P-256], rsa_exponents: [3]}", "policy.value", NULL},
    {"[P-256]}", "[P-256], rsa_exponents: [65538]}", "policy.value", NULL},
    {"[P-256]}", "[P-256], rsa_exponents: [-1]}", "policy.value", NULL},
    {"[ecdsa-with-SHA256]", "[md5]", "policy.value", NULL},
    {"issuer: i\n", "issuer: I\n", "policy.name", "profiles/p.yaml:2:9"},
    {"issuer: i\n", "issuer: [i]\n", "conf.type", "profiles/p.yaml:2:9"},
    {"issuer: i\n", "issuer: i\nissuers: {any_of: [j]}\n", "policy.issuers", NULL},
    {"issuer: i\n", "issuers: {}\n", "conf.required", NULL},
    {"issuer: i\n", "issuers: {any_of: []}\n", "policy.list", NULL},
    {"issuer: i\n", "issuers: {any_of: [a, b, a]}\n", "policy.duplicate", "profiles/p.yaml:2:26"},
    {"issuer: i\n", "issuers: {any_of: [a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q]}\n", "policy.list",
     NULL},
    {"issuer: i\n", "issuers: {any_of: [a], choose: random}\n", "policy.value",
     "profiles/p.yaml:2:32"},
    {"issuer: i\n", "issuers: {any_of: [a], chose: spread}\n", "conf.unknown",
     "profiles/p.yaml:2:24"},
    {"{max: 1d}", "{max: 1d, round: 2d}", "conf.range", NULL},
    {"{max: 1d}", "{max: 1d, round: 0s}", "conf.range", NULL},
    {"{max: 1d}", "{max: 1d, default: 2d}", "conf.range", NULL},
    {"{max: 1d}", "{max: 1w}", "conf.type", NULL},
    {"{max: 1d}", "{max: 0s}", "conf.range", NULL},
    {"subject: {}", "subject: {unlisted: maybe}", "policy.value", NULL},
    {"subject: {}", "subject: {attributes: [{type: CN}]}", "conf.required", NULL},
    {"subject: {}", "subject: {attributes: [{type: XN, from: request}]}", "policy.value", NULL},
    {"subject: {}", "subject: {attributes: [{type: CN, from: thin-air}]}", "policy.value", NULL},
    {"subject: {}", "subject: {attributes: [{type: CN, from: request, fixed: x}]}", "policy.value",
     NULL},
    {"subject: {}", "subject: {attributes: [{type: C, fixed: XYZ}]}", "policy.value", NULL},
    {"subject: {}", "subject: {attributes: [{type: CN, fixed: \"a\\u202eb\"}]}", "policy.value",
     NULL},
    {"{required: false}", "{}", "conf.required", NULL},
    {"{required: false}", "{required: false, max: 257}", "conf.range", NULL},
    {"{required: false}", "{required: false, dns: {suffixes: ['*.a']}}", "policy.value", NULL},
    {"{required: false}", "{required: false, dns: {suffixes: ['.a']}}", "policy.value", NULL},
    {"{required: false}", "{required: false, dns: {suffixes: [a.b, a.b]}}", "policy.duplicate",
     NULL},
    {"{required: false}", "{required: false, ip: {networks: [10.0.0.1/8]}}", "policy.value", NULL},
    {"{required: false}", "{required: false, ip: {networks: [10.0.0.0/33]}}", "policy.value", NULL},
    {"{required: false}", "{required: false, ip: {networks: [10.0.0.0]}}", "policy.value", NULL},
    {"{required: false}", "{required: false, ip: {networks: ['::/129']}}", "policy.value", NULL},
    {"{required: false}", "{required: false, uri: {prefixes: ['https://a.b']}}", "policy.value",
     NULL},
    {"{required: false}", "{required: false, upn: {x: y}}", "conf.unknown", NULL},
    {"subject: {}", "subject: {attributes: [{type: CN, from: evidence}]}", "conf.required", NULL},
    {"subject: {}", "subject: {attributes: [{type: CN, from: evidence, claim: ''}]}",
     "policy.value", NULL},
    {"subject: {}", "subject: {attributes: [{type: CN, from: request, claim: x}]}", "conf.unknown",
     NULL},
    {"subject: {}", "subject: {attributes: [{type: O, fixed: x, match: [x]}]}", "conf.unknown",
     NULL},
    {"subject: {}", "subject: {attributes: [{type: O, fixed: x, required: false}]}", "conf.unknown",
     NULL},
    {"subject: {}", "subject: {attributes: [{type: CN, from: request, match: []}]}", "policy.list",
     NULL},
    {"subject: {}", "subject: {attributes: [{type: CN, from: request, match: [\"a\\nb\"]}]}",
     "policy.value", NULL},
    {"subject: {}", "subject: {attributes: [{type: CN, from: request, match: [a, a]}]}",
     "policy.duplicate", NULL},
    {"subject: {}", "subject: {attributes: [{type: CN, from: request, max: 65}]}", "conf.range",
     NULL},
    {"subject: {}", "subject: {attributes: [{type: CN, from: request, max: 0}]}", "conf.range",
     NULL},
    {"{required: false}", "{required: false, dns: {suffixes: [xn--ls8h.a]}}", "policy.value", NULL},
    {"{required: false}",
     "{required: false, dns: {suffixes: [b\xc3\xbc"
     "cher.a]}}",
     "policy.value", NULL},
    {"{required: false}", "{required: false, dns: {suffixes: [a], public_suffix_guard: maybe}}",
     "policy.value", NULL},
    {"{required: false}", "{required: false, dns: {suffixes: [a], public_suffix_guard: true}}",
     "policy.suffixes", NULL},
    {"{required: false}", "{required: false, dns: {suffixes: [a], internal: never}}",
     "policy.value", NULL},
    {"{required: false}", "{required: false, dns: {suffixes: [a], scripts: [Latin]}}",
     "policy.value", NULL},
    {"{required: false}",
     "{required: false, dns: {suffixes: [a], a_labels: true, scripts: [Klingon]}}", "policy.value",
     NULL},
    {"{required: false}", "{required: false, dns: {suffixes: [a], wildcard_depth: 17}}",
     "conf.range", NULL},
    {"{required: false}", "{required: false, ip: {networks: [10.0.0.0/8], reserved: maybe}}",
     "policy.value", NULL},
    {"{required: false}", "{required: false, ip: {networks: []}}", "policy.list", NULL},
    {"{required: false}", "{required: false, ip: {reserved: refuse}}", "conf.required", NULL},
    {"{required: false}", "{required: false, email: {domains: [a.b], match: [\"\"]}}",
     "policy.value", NULL},
    {"{required: false}", "{required: false, uri: {spiffe_domains: [a.b], spiffe_paths: [x]}}",
     "policy.value", NULL},
    {"{required: false}", "{required: false, uri: {spiffe_domains: [a.b], spiffe_paths: [/**/x]}}",
     "policy.value", NULL},
    {"{required: false}", "{required: false, other_name: {oids: [1.3.6.1.4.1.311.20.2.3]}}",
     "policy.value", NULL},
    {"{required: false}", "{required: false, other_name: {oids: [1.3.6.1.5.5.7.8.9]}}",
     "policy.value", NULL},
    {"{required: false}", "{required: false, other_name: {oids: [x]}}", "policy.value", NULL},
    {"{required: false}", "{required: false, other_name: {upn_suffixes: [A.b]}}", "policy.value",
     NULL},
    {"{required: false}", "{required: false, directory_name: {}}", "policy.list", NULL},
    {"{required: false}", "{required: false, directory_name: {attributes: [{type: CN}]}}",
     "conf.required", NULL},
    {"extensions: {}", "extensions: {key_usage: [sign]}", "policy.value", NULL},
    {"extensions: {}", "extensions: {key_usage: [keyCertSign]}", "policy.ca", NULL},
    {"extensions: {}", "extensions: {key_usage_rsa: [keyEncipherment]}", "policy.value", NULL},
    {"extensions: {}", "extensions: {ca: {path_length: 0}}", "policy.ca", NULL},
    {"extensions: {}", "extensions: {extended_key_usage: [serverauth]}", "policy.value", NULL},
    {"extensions: {}", "extensions: {extended_key_usage: [serverAuth, 1.3.6.1.5.5.7.3.1]}",
     "policy.duplicate", NULL},
    {"extensions: {}", "extensions: {policies: [9.9.9]}", "policy.value", NULL},
    {"extensions: {}", "extensions: {extended_key_usage: {from: request}}", "conf.required", NULL},
    {"extensions: {}", "extensions: {extended_key_usage: {from: request, allowed: []}}",
     "policy.value", NULL},
    {"extensions: {}", "extensions: {extended_key_usage: {from: evidence, allowed: [serverAuth]}}",
     "policy.value", NULL},
    {"extensions: {}",
     "extensions: {extended_key_usage: {from: request, allowed: [serverAuth], default: "
     "[clientAuth]}}",
     "policy.value", NULL},
    {"extensions: {}", "extensions: {extended_key_usage: {from: request, allowed: [timeStamping]}}",
     "policy.value", NULL},
    {"extensions: {}",
     "extensions: {extended_key_usage: {fixed: [serverAuth], allowed: [serverAuth]}}",
     "conf.unknown", NULL},
    {"extensions: {}", "extensions: {extended_key_usage: [timeStamping]}", "policy.value", NULL},
    {"extensions: {}",
     "extensions: {extended_key_usage: {fixed: [timeStamping, serverAuth], critical: true}}",
     "policy.value", NULL},
    {"extensions: {}", "extensions: {extended_key_usage: serverAuth}", "conf.type", NULL},
    {"extensions: {}", "extensions: {policies: [{oid: 1.2.3, cps: 'not a uri'}]}", "policy.value",
     NULL},
    {"extensions: {}", "extensions: {policies: [{cps: 'https://a.b/'}]}", "conf.required", NULL},
    {"extensions: {}", "extensions: {policies: [1.2.3, {oid: 1.2.3}]}", "policy.duplicate", NULL},
    {"extensions: {}", "extensions: {name_constraints: {permitted: {dns: [a.b]}}}", "policy.ca",
     NULL},
    {"extensions: {}", "extensions: {name_constraints: {}}", "policy.ca", NULL},
    {"extensions: {}", "extensions: {name_constraints: {permitted: {}}}", "policy.list", NULL},
    {"extensions: {}", "extensions: {name_constraints: {permitted: {dns: ['*.a']}}}",
     "policy.value", NULL},
    {"extensions: {}", "extensions: {name_constraints: {permitted: {dns: ['.a']}}}", "policy.value",
     NULL},
    {"extensions: {}", "extensions: {name_constraints: {permitted: {ip: [10.0.0.1/8]}}}",
     "policy.value", NULL},
    {"extensions: {}", "extensions: {name_constraints: {permitted: {email: ['a b@c.d']}}}",
     "policy.value", NULL},
    {"extensions: {}", "extensions: {name_constraints: {permitted: {email: ['@c.d']}}}",
     "policy.value", NULL},
    {"extensions: {}", "extensions: {name_constraints: {permitted: {uri: ['https://a.b']}}}",
     "policy.value", NULL},
    {"extensions: {}", "extensions: {name_constraints: {permitted: {directory: [a]}}}", "conf.type",
     NULL},
    {"extensions: {}",
     "extensions: {name_constraints: {permitted: {directory: [{attributes: []}]}}}", "policy.list",
     NULL},
    {"extensions: {}",
     "extensions: {name_constraints: {permitted: {directory: [{attributes: [{type: C, fixed: "
     "XYZ}]}]}}}",
     "policy.value", NULL},
    {"extensions: {}",
     "extensions: {name_constraints: {permitted: {directory: [{attributes: [{type: C, from: "
     "request}]}]}}}",
     "conf.required", NULL},
    {"extensions: {}", "extensions: {tls_feature: []}", "policy.list", NULL},
    {"extensions: {}", "extensions: {tls_feature: [must-staple]}", "policy.value", NULL},
    {"extensions: {}", "extensions: {tls_feature: [65536]}", "policy.value", NULL},
    {"extensions: {}", "extensions: {tls_feature: [5, status_request]}", "policy.duplicate", NULL},
    {"extensions: {}", "extensions: {no_rev_avail: maybe}", "policy.value", NULL},
    {"extensions: {}", "extensions: {no_rev_avail: true, crl_url: true}", "policy.no_rev_avail",
     NULL},
    {"extensions: {}", "extensions: {no_rev_avail: true, ocsp_url: true}", "policy.no_rev_avail",
     NULL},
    {"extensions: {}", "extensions: {no_rev_avail: true, no_rev_avail_up_to: 7d}", "policy.value",
     NULL},
    {"extensions: {}", "extensions: {no_rev_avail: auto, no_rev_avail_up_to: 1s}", "conf.range",
     NULL},
    {"extensions: {}",
     "extensions: {no_rev_avail: auto, key_usage: [keyCertSign], ca: {path_length: 0}}",
     "policy.no_rev_avail", NULL},
    {"extensions: {}", "extensions: {unlisted: drop}", "policy.value", NULL},
    {"extensions: {}", "extensions: {custom: []}", "policy.list", NULL},
    {"extensions: {}", "extensions: {custom: [{oid: 1.2.3}]}", "policy.value", NULL},
    {"extensions: {}", "extensions: {custom: [{oid: 1.2.3, value: {utf8: a}, from: request}]}",
     "policy.value", NULL},
    {"extensions: {}",
     "extensions: {custom: [{oid: 1.2.3, value: {utf8: a}}, {oid: 1.2.3, value: {utf8: b}}]}",
     "policy.duplicate", NULL},
    {"extensions: {}", "extensions: {custom: [{oid: 2.5.29.15, value: {utf8: a}}]}", "policy.oid",
     NULL},
    {"extensions: {}", "extensions: {custom: [{oid: 2.5.29.56, value: {'null': true}}]}",
     "policy.oid", NULL},
    {"extensions: {}", "extensions: {custom: [{oid: 2.5.29.20, value: {integer: 1}}]}",
     "policy.oid", NULL},
    {"extensions: {}", "extensions: {custom: [{oid: 1.3.6.1.5.5.7.1.24, value: {'null': true}}]}",
     "policy.oid", NULL},
    {"extensions: {}",
     "extensions: {custom: [{oid: 1.3.6.1.4.1.11129.2.4.3, value: {'null': true}}]}", "policy.oid",
     NULL},
    {"extensions: {}", "extensions: {custom: [{oid: x, value: {utf8: a}}]}", "policy.value", NULL},
    {"extensions: {}", "extensions: {custom: [{oid: 1.2.3, value: {}}]}", "policy.value", NULL},
    {"extensions: {}", "extensions: {custom: [{oid: 1.2.3, value: {utf8: a, ia5: b}}]}",
     "policy.value", NULL},
    {"extensions: {}", "extensions: {custom: [{oid: 1.2.3, value: {utf16: a}}]}", "policy.value",
     NULL},
    {"extensions: {}", "extensions: {custom: [{oid: 1.2.3, value: {utf8: \"\\u202e\"}}]}",
     "policy.value", NULL},
    {"extensions: {}", "extensions: {custom: [{oid: 1.2.3, value: {printable: 'a@b'}}]}",
     "policy.value", NULL},
    {"extensions: {}",
     "extensions: {custom: [{oid: 1.2.3, value: {integer: 9223372036854775808}}]}", "conf.type",
     NULL},
    {"extensions: {}", "extensions: {custom: [{oid: 1.2.3, value: {octets: 0}}]}", "policy.value",
     NULL},
    {"extensions: {}", "extensions: {custom: [{oid: 1.2.3, value: {octets: zz}}]}", "policy.value",
     NULL},
    {"extensions: {}", "extensions: {custom: [{oid: 1.2.3, value: {'null': false}}]}",
     "policy.value", NULL},
    {"extensions: {}", "extensions: {custom: [{oid: 1.2.3, value: {sequence: {utf8: a}}}]}",
     "conf.type", NULL},
    {"extensions: {}",
     "extensions: {custom: [{oid: 1.2.3, value: {explicit: {tag: 31, value: {utf8: a}}}}]}",
     "conf.range", NULL},
    {"extensions: {}", "extensions: {custom: [{oid: 1.2.3, value: {explicit: {tag: 1}}}]}",
     "conf.required", NULL},
    {"extensions: {}",
     "extensions: {custom: [{oid: 1.2.3, value: {implicit: {tag: 1, value: {explicit: {tag: 2, "
     "value: {utf8: a}}}}}}]}",
     "policy.value", NULL},
    {"extensions: {}", "extensions: {custom: [{oid: 1.2.3, from: request}]}", "conf.required",
     NULL},
    {"extensions: {}", "extensions: {custom: [{oid: 1.2.3, from: thin-air, type: utf8}]}",
     "policy.value", NULL},
    {"extensions: {}", "extensions: {custom: [{oid: 1.2.3, from: request, type: sequence}]}",
     "policy.value", NULL},
    {"extensions: {}", "extensions: {custom: [{oid: 1.2.3, from: request, type: utf8, max: 4097}]}",
     "conf.range", NULL},
    {"extensions: {}",
     "extensions: {custom: [{oid: 1.2.3, from: request, type: integer, match: ['1*']}]}",
     "policy.value", NULL},
    {"extensions: {}", "extensions: {custom: [{oid: 1.2.3, from: request, type: utf8, match: []}]}",
     "policy.list", NULL},
    {"extensions: {}",
     "extensions:\n  custom:\n    - {oid: 1.2.3, value: {sequence: [{utf8: a}, {utf9: b}]}}",
     "policy.value", "profiles/p.yaml:11:50"},
    {"extensions: {}", "extensions: {no_rev_avial: true}", "conf.unknown", "profiles/p.yaml:9:14"},
    {"extensions: {}", "extensions: [a]", "conf.type", NULL},
};

static void wrong_profiles_are_refused_with_position(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++) {
        const struct wrong *w = &wrongs[i];
        char text[1024];
        const char *at = strstr(MINIMAL, w->from);
        assert_non_null(at);
        (void)snprintf(text, sizeof text, "%.*s%s%s", (int)(at - MINIMAL), MINIMAL, w->to,
                       at + strlen(w->from));
        struct policy_file f[] = {{"bundle.yaml", slice_str(HEAD)},
                                  {"profiles/p.yaml", slice_str(text)}};
        struct diag d = {0};
        struct policy_bundle *b = compile(f, 2, &d);
        if (b != NULL || strcmp(d.rule, w->rule) != 0) {
            fail_msg("%s -> %s: rule '%s' text '%s'", w->from, w->to, d.rule, d.text);
        }
        assert_memory_equal(d.field, "profiles/p.yaml:", 16);
        if (w->where != NULL) {
            assert_string_equal(d.field, w->where);
        }
    }
}

static void unknown_key_gets_a_suggestion(void **state)
{
    (void)state;
    struct policy_file f[] = {
        {"bundle.yaml", slice_str("version: 1\nname: t\ncrl: {max_validty: 8d}\n")}};
    struct diag d = {0};
    assert_null(compile(f, 1, &d));
    assert_string_equal(d.rule, "conf.required");
    f[0].content = slice_str("version: 1\nname: t\ncrl: {max_validity: 8d, backdat: 1h}\n");
    assert_null(compile(f, 1, &d));
    assert_string_equal(d.field, "bundle.yaml:3:25");
    assert_non_null(strstr(d.text, "did you mean \"backdate\""));
}

static void bundles_without_head_or_profiles_refused(void **state)
{
    (void)state;
    struct policy_file f[] = {{"profiles/p.yaml", slice_str(MINIMAL)},
                              {"bundle.yaml", slice_str(HEAD)}};
    struct diag d = {0};
    assert_null(compile(f, 1, &d));
    assert_string_equal(d.rule, "policy.bundle");
    assert_null(compile(f + 1, 1, &d));
    assert_string_equal(d.rule, "policy.bundle");
    f[1].content = slice_str("version: 2\nname: t\ncrl: {max_validity: 8d}\n");
    assert_null(compile(f, 2, &d));
    assert_string_equal(d.rule, "conf.range");
}

static void write_file(const char *dir, const char *name, const char *text)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void folder_with_strangers_refused(void **state)
{
    (void)state;
    char dir[] = "/tmp/chancery-bundle-XXXXXX", path[256];
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/profiles", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    write_file(dir, "bundle.yaml", HEAD);
    write_file(dir, "profiles/p.yaml", MINIMAL);
    struct policy_bundle *b = NULL;
    struct diag d = {0};
    assert_int_equal(policy_bundle_load(dir, &b, &d), CH_OK);
    policy_bundle_free(b);
    static const char *const strangers[] = {"x.yaml", "profiles/p.yaml~", "profiles/.p.yaml",
                                            "profiles/x"};
    for (size_t i = 0; i < 4; i++) {
        write_file(dir, strangers[i], MINIMAL);
        assert_int_equal(policy_bundle_load(dir, &b, &d), CH_INVALID);
        assert_string_equal(d.rule, "policy.file");
        assert_string_equal(d.field, strangers[i]);
        (void)snprintf(path, sizeof path, "%s/%s", dir, strangers[i]);
        assert_int_equal(unlink(path), 0);
    }
    (void)snprintf(path, sizeof path, "%s/profiles/link.yaml", dir);
    assert_int_equal(symlink("p.yaml", path), 0);
    assert_int_equal(policy_bundle_load(dir, &b, &d), CH_INVALID);
    assert_int_equal(unlink(path), 0);
    (void)snprintf(path, sizeof path, "%s/profiles/p.yaml", dir);
    assert_int_equal(unlink(path), 0);
    (void)snprintf(path, sizeof path, "%s/profiles", dir);
    assert_int_equal(rmdir(path), 0);
    (void)snprintf(path, sizeof path, "%s/bundle.yaml", dir);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
    assert_int_equal(policy_bundle_load(dir, &b, &d), CH_NOT_FOUND);
}

static void trust_domain_must_be_a_domain(void **state)
{
    (void)state;
    struct policy_bundle *b = fix_bundle("", "");
    assert_int_equal(policy_bundle_set_trust_domain(b, ""), CH_INVALID);
    assert_int_equal(policy_bundle_set_trust_domain(b, "*.x"), CH_INVALID);
    assert_int_equal(policy_bundle_set_trust_domain(b, "td.example"), CH_OK);
    policy_bundle_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shipped_bundle_loads),
        cmocka_unit_test(hash_covers_paths_and_contents),
        cmocka_unit_test(profiles_are_found_whatever_their_file_order),
        cmocka_unit_test(wrong_profiles_are_refused_with_position),
        cmocka_unit_test(unknown_key_gets_a_suggestion),
        cmocka_unit_test(bundles_without_head_or_profiles_refused),
        cmocka_unit_test(folder_with_strangers_refused),
        cmocka_unit_test(trust_domain_must_be_a_domain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
