/* Who may ask, and for which names: each rule passes on a bound requester and fails when one point
 * is changed. */
#include <stdio.h>

#include "fix.h"

#define OWN                                                                                        \
    "      dns: {suffixes: [example.test], wildcard_depth: 1}\n"                                   \
    "      ip: {networks: [10.1.0.0/16]}\n"                                                        \
    "      email: {addresses: [ops@example.test]}\n"                                               \
    "      uri: {prefixes: ['https://id.example.test/d/']}\n"
#define ALICE "  - requester: /user/alice\n    profiles: [test]\n    roles: [device]\n"
static const char alice[] = "bindings:\n" ALICE "    names:\n" OWN;
static const char wants[] =
    "binding: required\nprotocols: [acme, grpc]\nroles: [device, operator]\n"
    "authentication: {all_of: [mtls], any_of: [eab, pkcs10]}\n";

/* The base certificate under a profile with `tail` (in place of `from`), tenants and bindings. */
static void plan(struct fix *f, const char *from, const char *tail, const char *tenants,
                 const char *bindings)
{
    struct policy_file more[2];
    struct diag d = {0};
    size_t n = 0;
    fix_init(f);
    policy_bundle_free(f->bundle);
    if (tenants != NULL) {
        more[n++] = (struct policy_file){"tenants.yaml", slice_str(tenants)};
    }
    if (bindings != NULL) {
        more[n++] = (struct policy_file){"bindings/a.yaml", slice_str(bindings)};
    }
    f->bundle = fix_bundle_with(from, tail, more, n, &d);
    if (f->bundle == NULL) {
        fail_msg("%s: %s %s", d.field, d.rule, d.text);
    }
}

static void judge(struct fix *f)
{
    fix_san_ext(f);
    fix_build(f);
    fix_judge(f);
}

static const struct policy_rule *result(const struct fix *f, const char *rule,
                                        enum policy_outcome outcome)
{
    for (size_t i = 0; i < f->v.n; i++) {
        if (strcmp(f->v.rules[i].rule, rule) == 0 && f->v.rules[i].outcome == outcome) {
            return &f->v.rules[i];
        }
    }
    return NULL;
}

static void expect_pass(struct fix *f)
{
    judge(f);
    for (size_t i = 0; i < f->v.n; i++) {
        if (f->v.rules[i].outcome == POLICY_FAIL) {
            fail_msg("%s: %s, wants %s (%s)", f->v.rules[i].rule, f->v.rules[i].observed,
                     f->v.rules[i].required, f->v.rules[i].source);
        }
    }
    assert_int_equal(f->v.verdict, POLICY_PASS);
    fix_clear(f);
}

/* The verdict fails, by this rule. */
static void expect_fail(struct fix *f, const char *rule, const char *observed)
{
    judge(f);
    const struct policy_rule *r = result(f, rule, POLICY_FAIL);
    if (r == NULL) {
        fail_msg("%s did not fail", rule);
        return;
    }
    if (observed != NULL) {
        assert_string_equal(r->observed, observed);
    }
    assert_int_equal(f->v.verdict, POLICY_FAIL);
    fix_clear(f);
}

/* ---- how and as what they ask ---- */

static void bound_requester_is_permitted_and_told_by_line(void **state)
{
    (void)state;
    static const char *const rules[] = {"who.protocol",    "who.authentication", "who.role",
                                        "binding.profile", "san.bound",          "tenant.known"};
    static const char *const sources[] = {"profiles/test.yaml", "profiles/test.yaml",
                                          "bindings/a.yaml:2",  "bindings/a.yaml:2",
                                          "bindings/a.yaml:2",  "engine"};
    struct fix f;
    plan(&f, "", wants, NULL, alice);
    judge(&f);
    for (size_t i = 0; i < 6; i++) {
        const struct policy_rule *r = result(&f, rules[i], POLICY_PASS);
        assert_non_null(r);
        assert_memory_equal(r->source, sources[i], strlen(sources[i]));
    }
    assert_string_equal(result(&f, "san.bound", POLICY_PASS)->observed, "ops@example.test");
    /* The CN is one of the names; nothing else of the subject needs a binding. */
    assert_int_equal(fix_outcome(&f, "subject.bound"), POLICY_NA);
    assert_int_equal(f.v.verdict, POLICY_PASS);
    fix_clear(&f);
}

static void protocol_method_and_role_are_wanted(void **state)
{
    (void)state;
    static const struct slice only[] = {{(const uint8_t *)"mtls", 4}, {(const uint8_t *)"oidc", 4}};
    struct fix f;
    plan(&f, "", wants, NULL, alice);
    f.request.evidence.protocol = slice_str("scep");
    expect_fail(&f, "who.protocol", "scep");
    plan(&f, "", wants, NULL, alice);
    f.request.evidence.authentication++;
    f.request.evidence.n_authentication--;
    expect_fail(&f, "who.authentication", "a method of all_of is missing");
    plan(&f, "", wants, NULL, alice);
    f.request.evidence.authentication = only;
    expect_fail(&f, "who.authentication", "no method of any_of");
    plan(&f, "", wants, NULL, alice);
    f.request.evidence.n_authentication = 0;
    expect_fail(&f, "who.authentication", NULL);
    plan(&f, "", wants, NULL,
         "bindings:\n  - requester: /user/alice\n    roles: [devices]\n    names:\n" OWN);
    expect_fail(&f, "who.role", NULL);
    plan(&f, "", wants, NULL, "bindings:\n  - requester: /user/alice\n    names:\n" OWN);
    expect_fail(&f, "who.role", NULL);
}

static void binding_none_and_optional(void **state)
{
    (void)state;
    struct fix f;
    static const char other[] = "bindings:\n  - requester: /user/bob\n    names:\n" OWN;
    static const char few[] =
        "bindings:\n  - requester: /user/al*\n    names: {dns: {suffixes: [example.test]}}\n";
    plan(&f, "", "binding: none\n", NULL, few);
    judge(&f);
    assert_int_equal(f.v.verdict, POLICY_PASS);
    assert_int_equal(fix_outcome(&f, "san.bound"), POLICY_NONE);
    fix_clear(&f);
    plan(&f, "", "binding: optional\n", NULL, other);
    judge(&f);
    assert_int_equal(f.v.verdict, POLICY_PASS);
    assert_int_equal(fix_outcome(&f, "binding.profile"), POLICY_NA);
    assert_int_equal(fix_outcome(&f, "san.bound"), POLICY_NA);
    fix_clear(&f);
    plan(&f, "", "binding: optional\n", NULL, few); /* who has bindings is held to them */
    expect_fail(&f, "san.bound", "ops@example.test");
    plan(&f, "", "binding: required\n", NULL, other);
    judge(&f);
    assert_int_equal(fix_outcome(&f, "binding.profile"), POLICY_FAIL);
    assert_int_equal(fix_outcome(&f, "san.bound"), POLICY_FAIL);
    fix_clear(&f);
    plan(&f, "", "binding: required\n", NULL, NULL); /* no bindings at all */
    expect_fail(&f, "binding.profile", "spiffe://chancery.test/user/alice");
}

static void requesters_match_as_written(void **state)
{
    (void)state;
    static const struct {
        const char *requester;
        bool match;
    } rows[] = {{"/user/alice", true},
                {"/user/*", true},
                {"/user/al*", true},
                {"/user/alice*", true},
                {"spiffe://chancery.test/user/alice", true},
                {"spiffe://chancery.test/*", true},
                {"/user/alic", false},
                {"/user/alice/", false},
                {"/user/alices", false},
                {"/user/b*", false},
                {"spiffe://chancery.tes/user/alice", false},
                {"spiffe://chancery.test2/*", false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[1024];
        struct fix f;
        (void)snprintf(text, sizeof text, "bindings:\n  - requester: '%s'\n    names:\n%s",
                       rows[i].requester, OWN);
        plan(&f, "", "binding: required\n", NULL, text);
        if (rows[i].match) {
            expect_pass(&f);
        } else {
            expect_fail(&f, "binding.profile", NULL);
        }
    }
    /* A path is of the own trust domain alone. */
    struct fix f;
    plan(&f, "callers: [/user/*, /chancery/acme, 'spiffe://partner.test/gw']",
         "callers: ['spiffe://partner.test/*']\nbinding: required", NULL, alice);
    f.request.requester = f.request.evidence.caller = slice_str("spiffe://partner.test/user/alice");
    expect_fail(&f, "binding.profile", NULL);
}

/* ---- names ---- */

#define BIND(names) "bindings:\n  - requester: /user/alice\n    names:\n      " names "\n"

struct name_case {
    const char *names; /* of the binding */
    uint8_t type;
    const char *value;
    size_t len; /* 0: of the text */
    bool bound;
};

static const struct name_case name_cases[] = {
    {"dns: {suffixes: [a.test]}", 3, "a.test", 0, true},
    {"dns: {suffixes: [a.test]}", 3, "b.a.test", 0, true},
    {"dns: {suffixes: [a.test]}", 3, "c.b.a.test", 0, true},
    {"dns: {suffixes: [a.test]}", 3, "ba.test", 0, false},
    {"dns: {suffixes: [a.test]}", 3, "test", 0, false},
    {"dns: {suffixes: [a.test]}", 3, "a.test.evil", 0, false},
    {"dns: {suffixes: [a.test]}", 3, "A.test", 0, false},
    {"dns: {suffixes: [a.test]}", 3, "*.a.test", 0, false},
    {"dns: {suffixes: [a.test], wildcard_depth: 1}", 3, "*.a.test", 0, true},
    {"dns: {suffixes: [a.test], wildcard_depth: 1}", 3, "*.b.a.test", 0, false},
    {"dns: {suffixes: [a.test], wildcard_depth: 2}", 3, "*.b.a.test", 0, true},
    {"dns: {suffixes: [a.test], wildcard_depth: 2}", 3, "*.test", 0, false},
    {"dns: {suffixes: [a.test, test], wildcard_depth: 1}", 3, "*.a.test", 0, true},
    {"dns: {exact: [a.test], wildcard_depth: 3}", 3, "*.a.test", 0, false},
    {"dns: {exact: [a.test]}", 3, "a.test", 0, true},
    {"dns: {exact: [a.test]}", 3, "b.a.test", 0, false},
    {"dns: {exact: [a.test]}", 3, "test", 0, false},
    {"dns: {exact: [a.test, b.test], suffixes: [a.test]}", 3, "x.a.test", 0, true},
    {"ip: {networks: [10.1.0.0/16]}", 8, "\x0a\1\xff\xff", 4, true},
    {"ip: {networks: [10.1.0.0/16]}", 8, "\x0a\2\0\0", 4, false},
    {"ip: {networks: [10.2.0.0/15]}", 8, "\x0a\1\0\0", 4, false},
    {"ip: {networks: [10.0.0.0/15]}", 8, "\x0a\1\0\0", 4, true},
    {"ip: {networks: [0.0.0.0/0]}", 8, "\x0a\2\0\0", 4, true},
    {"ip: {networks: [10.1.2.3/32]}", 8, "\x0a\1\2\3", 4, true},
    {"ip: {networks: [10.1.2.3/32]}", 8, "\x0a\1\2\2", 4, false},
    {"ip: {networks: [0.0.0.0/0]}", 8, "\x0a\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16, false},
    {"ip: {networks: ['::/0']}", 8, "\x0a\2\0\0", 4, false},
    {"ip: {networks: ['2001:db8::/33']}", 8, "\x20\1\x0d\xb8\x7f\0\0\0\0\0\0\0\0\0\0\1", 16, true},
    {"ip: {networks: ['2001:db8::/33']}", 8, "\x20\1\x0d\xb8\x80\0\0\0\0\0\0\0\0\0\0\1", 16, false},
    {"ip: {networks: [10.0.0.0/8]}", 8, "\x0a\1\2", 3, false},
    {"email: {domains: [a.test]}", 2, "x@a.test", 0, true},
    {"email: {domains: [a.test]}", 2, "x@b.a.test", 0, false},
    {"email: {domains: [a.test]}", 2, "x@ya.test", 0, false},
    {"email: {domains: [a.test]}", 2, "a.test", 0, false},
    {"email: {domains: [a.test]}", 2, "@a.test", 0, false},
    {"email: {domains: [a.test]}", 2, "x@evil.test@a.test", 0, false},
    {"email: {domains: [a.test]}", 2, "x@a.test@evil.test", 0, false},
    {"email: {addresses: [x@a.test]}", 2, "x@a.test", 0, true},
    {"email: {addresses: [x@a.test]}", 2, "xy@a.test", 0, false},
    {"email: {addresses: [x@a.test]}", 2, "X@a.test", 0, false},
    {"uri: {prefixes: ['https://a.test/x/']}", 7, "https://a.test/x/y", 0, true},
    {"uri: {prefixes: ['https://a.test/x/']}", 7, "https://a.test/x", 0, false},
    {"uri: {prefixes: ['https://a.test/x/']}", 7, "https://a.test/x/../y", 0, false},
    {"uri: {prefixes: ['https://a.test/x/']}", 7, "https://a.test/xy", 0, false},
    {"uri: {spiffe_ids: ['spiffe://a.test/ns/x/*']}", 7, "spiffe://a.test/ns/x/y", 0, true},
    {"uri: {spiffe_ids: ['spiffe://a.test/ns/x/*']}", 7, "spiffe://a.test/ns/x", 0, false},
    {"uri: {spiffe_ids: ['spiffe://a.test/ns/x/*']}", 7, "spiffe://a.test/ns/x/../y", 0, false},
    {"uri: {spiffe_ids: ['spiffe://a.test/ns/x/*']}", 7, "spiffe://a.test/ns/xy", 0, false},
    {"uri: {spiffe_ids: ['spiffe://a.test/ns/x/*']}", 7, "spiffe://a.test/ns/x/y?q", 0, false},
    {"uri: {spiffe_ids: ['spiffe://a.test/ns/x']}", 7, "spiffe://a.test/ns/x", 0, true},
    {"uri: {spiffe_ids: ['spiffe://a.test/ns/x']}", 7, "spiffe://a.test/ns/x/y", 0, false},
    /* UTF8String "x@a.test" as user principal name */
    {"upn: {domains: [a.test]}", 1, "\6\x0a\x2b\6\1\4\1\x82\x37\x14\2\3\xa0\x0a\x0c\x08x@a.test",
     24, true},
    {"upn: {exact: [x@a.test]}", 1, "\6\x0a\x2b\6\1\4\1\x82\x37\x14\2\3\xa0\x0a\x0c\x08x@a.test",
     24, true},
    {"upn: {exact: [y@a.test]}", 1, "\6\x0a\x2b\6\1\4\1\x82\x37\x14\2\3\xa0\x0a\x0c\x08x@a.test",
     24, false},
    {"email: {domains: [a.test]}", 1, "\6\x0a\x2b\6\1\4\1\x82\x37\x14\2\3\xa0\x0a\x0c\x08x@a.test",
     24, false},
    {"upn: {domains: [a.test]}", 1, /* another type of name */
     "\6\x0a\x2b\6\1\4\1\x82\x37\x14\2\4\xa0\x0a\x0c\x08x@a.test", 24, false},
    {"upn: {domains: [a.test]}", 1, /* something follows */
     "\6\x0a\x2b\6\1\4\1\x82\x37\x14\2\3\xa0\x0a\x0c\x08x@a.test\5\0", 26, false},
    {"upn: {domains: [a.test]}", 2, "x@a.test", 0, false},
    /* O=a, CN=b as directory names */
    {"directory_name: [{O: a, CN: b}]", 5,
     "\x30\x18\x31\x0a\x30\x08\6\3\x55\4\x0a\x0c\1a\x31\x0a\x30\x08\6\3\x55\4\3\x0c\1b", 26, true},
    {"directory_name: [{O: a, CN: '*'}]", 5,
     "\x30\x18\x31\x0a\x30\x08\6\3\x55\4\x0a\x0c\1a\x31\x0a\x30\x08\6\3\x55\4\3\x0c\1b", 26, true},
    {"directory_name: [{O: '*'}]", 5, /* the open value does not reach into the next attribute */
     "\x30\x18\x31\x0a\x30\x08\6\3\x55\4\x0a\x0c\1a\x31\x0a\x30\x08\6\3\x55\4\3\x0c\1b", 26, false},
    {"directory_name: [{O: a}]", 5,
     "\x30\x18\x31\x0a\x30\x08\6\3\x55\4\x0a\x0c\1a\x31\x0a\x30\x08\6\3\x55\4\3\x0c\1b", 26, false},
    {"directory_name: [{CN: b, O: a}]", 5,
     "\x30\x18\x31\x0a\x30\x08\6\3\x55\4\x0a\x0c\1a\x31\x0a\x30\x08\6\3\x55\4\3\x0c\1b", 26, false},
    {"directory_name: [{O: a, CN: b}]", 5, "\x30\x01", 2, false},
    {"directory_name: [{O: '*'}]", 5, "\x30\x00", 2, false},
};

static void names_are_bound_as_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof name_cases / sizeof name_cases[0]; i++) {
        const struct name_case *c = &name_cases[i];
        char text[512];
        struct fix f;
        (void)snprintf(text, sizeof text,
                       "bindings:\n  - requester: /user/alice\n    names: {%s}\n", c->names);
        plan(&f, "", "binding: required\n", NULL, text);
        f.request.n_sans = 1;
        f.sans[0] = (struct permit_san){
            c->type, slice_of(c->value, c->len == 0 ? strlen(c->value) : c->len)};
        judge(&f);
        enum policy_outcome want = c->bound ? POLICY_PASS : POLICY_FAIL;
        if (fix_outcome(&f, "san.bound") != want) {
            fail_msg("case %zu: %s for %s", i, c->names, c->value);
        }
        fix_clear(&f);
    }
}

static void each_unbound_name_is_told(void **state)
{
    (void)state;
    struct fix f;
    plan(&f, "", "binding: required\n", NULL,
         BIND("{email: {domains: [example.test]}, dns: {exact: [a.example.test]}}"));
    judge(&f);
    static const char *const bad[] = {"*.example.test", "https://id.example.test/d/7", "10.1.2.3"};
    size_t n = 0, good = 0;
    for (size_t i = 0; i < f.v.n; i++) {
        if (strcmp(f.v.rules[i].rule, "san.bound") == 0) {
            if (f.v.rules[i].outcome == POLICY_FAIL) {
                assert_true(n < 3);
                assert_string_equal(f.v.rules[i].observed, bad[n++]);
                assert_memory_equal(f.v.rules[i].source, "profiles/test.yaml:", 19);
            } else {
                assert_string_equal(f.v.rules[i].observed, "ops@example.test");
                good++;
            }
        }
    }
    assert_int_equal(n, 3);
    assert_int_equal(good, 1); /* one line allowed two names */
    fix_clear(&f);
}

static void bindings_of_one_requester_add_up(void **state)
{
    (void)state;
    static const char parts[] =
        "bindings:\n"
        "  - {requester: /user/alice, names: {dns: {suffixes: [example.test], wildcard_depth: "
        "1}}}\n"
        "  - {requester: /user/*, names: {ip: {networks: [10.1.0.0/16]}}}\n"
        "  - {requester: 'spiffe://chancery.test/user/alice',\n"
        "     names: {email: {domains: [example.test]}}}\n"
        "  - {requester: /user/alice, names: {uri: {prefixes: ['https://id.example.test/d/']}}}\n";
    struct fix f;
    plan(&f, "", "binding: required\n", NULL, parts);
    judge(&f);
    static const char *const lines[] = {"bindings/a.yaml:4", "bindings/a.yaml:2",
                                        "bindings/a.yaml:6", "bindings/a.yaml:3"};
    size_t n = 0;
    for (size_t i = 0; i < f.v.n; i++) {
        if (strcmp(f.v.rules[i].rule, "san.bound") == 0) {
            assert_true(n < 4);
            assert_string_equal(f.v.rules[i].source, lines[n++]);
        }
    }
    assert_int_equal(n, 4);
    assert_int_equal(f.v.verdict, POLICY_PASS);
    fix_clear(&f);
}

/* A name bound for another profile is not bound for this one. */
static void binding_of_another_profile_is_worth_nothing(void **state)
{
    (void)state;
    static const char other[] =
        "name: other\nissuer: issuing-1\ncallers: ['/user/*']\nkeys: {types: [P-256]}\n"
        "signature_algorithms: [ecdsa-with-SHA256]\nvalidity: {max: 1d}\nsubject: {}\n"
        "names: {required: false}\nextensions: {}\n";
    static const char bindings[] =
        "bindings:\n"
        "  - {requester: /user/alice, profiles: [other], roles: [device], names: {\n"
        "     dns: {suffixes: [example.test], wildcard_depth: 1}, ip: {networks: [10.1.0.0/16]},\n"
        "     email: {domains: [example.test]}, uri: {prefixes: ['https://id.example.test/d/']}}}\n"
        "  - {requester: /user/alice, profiles: [test], names: {\n"
        "     email: {domains: [example.test]}}}\n";
    struct policy_file more[] = {{"profiles/other.yaml", slice_str(other)},
                                 {"bindings/a.yaml", slice_str(bindings)}};
    struct diag d = {0};
    struct fix f;
    fix_init(&f);
    policy_bundle_free(f.bundle);
    f.bundle = fix_bundle_with("", wants, more, 2, &d);
    assert_non_null(f.bundle);
    judge(&f);
    assert_int_equal(fix_outcome(&f, "binding.profile"), POLICY_PASS);
    assert_int_equal(fix_outcome(&f, "who.role"), POLICY_FAIL);
    assert_string_equal(result(&f, "san.bound", POLICY_FAIL)->observed, "*.example.test");
    assert_string_equal(result(&f, "san.bound", POLICY_PASS)->observed, "ops@example.test");
    fix_clear(&f);
}

/* ---- the subject ---- */

static void subject_values_are_bound(void **state)
{
    (void)state;
    static const struct {
        const char *names, *cn;
        enum policy_outcome want;
    } rows[] = {
        {"{dns: {suffixes: [a.test]}}", "alice", POLICY_FAIL},
        {"{subject: {CN: [alice]}}", "alice", POLICY_PASS},
        {"{subject: {CN: ['al*']}}", "alice", POLICY_PASS},
        {"{subject: {CN: [alic]}}", "alice", POLICY_FAIL},
        {"{subject: {UID: [alice]}}", "alice", POLICY_FAIL},
        {"{dns: {suffixes: [a.test]}}", "x.a.test", POLICY_PASS},
        {"{dns: {suffixes: [a.test]}}", "x.b.test", POLICY_FAIL},
        {"{dns: {suffixes: [a.test]}}", "*.a.test", POLICY_FAIL},
        {"{email: {domains: [a.test]}}", "x@a.test", POLICY_PASS},
        {"{email: {domains: [a.test]}}", "x@b.test", POLICY_FAIL},
        {"{subject: {CN: [alice], O: ['Example*']}}", "alice", POLICY_PASS},
        {"{subject: {CN: [alice], O: [Other]}}", "alice", POLICY_FAIL},
        {"{subject: {CN: [alice], 2.5.4.10: [Other]}}", "alice", POLICY_FAIL},
        {"{subject: {CN: [alice], C: [YY]}}", "alice", POLICY_PASS}, /* C is the profile's word */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[512];
        struct fix f;
        (void)snprintf(text, sizeof text, "bindings:\n  - requester: /user/alice\n    names: %s\n",
                       rows[i].names);
        plan(&f, "  unlisted: refuse\n  cn_from_first_dns: true\n",
             "  cn_in_names: false\nbinding: required\n", NULL, text);
        f.subject_asked[1].value = f.subject[2].value = slice_str(rows[i].cn);
        judge(&f);
        if (fix_outcome(&f, "subject.bound") != rows[i].want) {
            fail_msg("row %zu: %s", i, rows[i].names);
        }
        fix_clear(&f);
    }
}

/* ---- tenants ---- */

#define TWO_TENANTS                                                                                \
    "tenants:\n"                                                                                   \
    "  - name: north\n"                                                                            \
    "    requesters: [/user/al*, 'spiffe://partner.test/*']\n"                                     \
    "    profiles: [test]\n"                                                                       \
    "    issuers: [issuing-1, issuing-3]\n"                                                        \
    "    roles: [device]\n"                                                                        \
    "    names:\n" OWN "  - name: south\n    requesters: [/user/bob]\n"                            \
    "    names: {dns: {suffixes: [south.test]}}\n"
static const char of_tenants[] = "tenants: [north, south]\nbinding: required\nroles: [device]\n";
static const char north[] = "tenant: north\nbindings:\n" ALICE "    names:\n" OWN;

static void tenant_restricts_what_it_says(void **state)
{
    (void)state;
    struct fix f;
    plan(&f, "", of_tenants, TWO_TENANTS, north);
    f.request.tenant = slice_str("north");
    judge(&f);
    static const char *const rules[] = {"tenant.allowed", "tenant.known",  "tenant.requester",
                                        "tenant.profile", "tenant.issuer", "tenant.names"};
    for (size_t i = 0; i < 6; i++) {
        assert_non_null(result(&f, rules[i], POLICY_PASS));
    }
    assert_int_equal(f.v.verdict, POLICY_PASS);
    fix_clear(&f);
    plan(&f, "", of_tenants, TWO_TENANTS, north);
    f.request.tenant = slice_str("default"); /* which this bundle has not */
    expect_fail(&f, "tenant.known", "default");
    plan(&f, "", of_tenants, TWO_TENANTS, north);
    f.request.tenant = slice_str("");
    expect_fail(&f, "tenant.known", "");
}

#define CHANGED(from, to) changed(TWO_TENANTS, from, to)
static const char *changed(const char *text, const char *from, const char *to)
{
    static char out[2048];
    const char *at = strstr(text, from);
    assert_non_null(at);
    (void)snprintf(out, sizeof out, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    return out;
}

static void each_tenant_rule_fails(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *rule;
    } rows[] = {
        {"/user/al*", "/user/b*", "tenant.requester"},
        {"issuing-1, ", "", "tenant.issuer"},
        {"suffixes: [example.test]", "suffixes: [north.test]", "tenant.names"},
        {"wildcard_depth: 1", "wildcard_depth: 0", "tenant.names"},
        {"10.1.0.0/16", "10.2.0.0/16", "tenant.names"},
        {"ops@example.test", "op@example.test", "tenant.names"},
        {"example.test/d/", "example.test/e/", "tenant.names"},
    };
    struct fix f;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        plan(&f, "", of_tenants, CHANGED(rows[i].from, rows[i].to), north);
        f.request.tenant = slice_str("north");
        expect_fail(&f, rows[i].rule, NULL);
    }
    static const char other[] =
        "name: other\nissuer: issuing-1\ncallers: ['/user/*']\nkeys: {types: [P-256]}\n"
        "tenants: [north]\n"
        "signature_algorithms: [ecdsa-with-SHA256]\nvalidity: {max: 1d}\nsubject: {}\n"
        "names: {required: false}\nextensions: {}\n";
    struct policy_file more[] = {
        {"profiles/other.yaml", slice_str(other)},
        {"bindings/a.yaml", slice_str(north)},
        {"tenants.yaml", slice_str(CHANGED("profiles: [test]", "profiles: [other]"))}};
    struct diag d = {0};
    fix_init(&f);
    policy_bundle_free(f.bundle);
    f.bundle = fix_bundle_with("", of_tenants, more, 3, &d);
    assert_non_null(f.bundle);
    f.request.tenant = slice_str("north");
    expect_fail(&f, "tenant.profile", "test");
}

/* Alice is bound in north; south lists her as well, and still her bindings stay in north. */
static void nothing_crosses_between_tenants(void **state)
{
    (void)state;
    struct fix f;
    plan(&f, "", of_tenants, CHANGED("requesters: [/user/bob]", "requesters: [/user/*]"), north);
    f.request.tenant = slice_str("south");
    judge(&f);
    static const char *const rules[] = {"who.role", "binding.profile", "san.bound", "tenant.names"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(fix_outcome(&f, rules[i]), POLICY_FAIL);
        assert_null(result(&f, rules[i], POLICY_PASS));
    }
    assert_int_equal(fix_outcome(&f, "tenant.requester"), POLICY_PASS);
    assert_int_equal(f.v.verdict, POLICY_FAIL);
    fix_clear(&f);
    /* A profile that does not name the tenant is not of it. */
    plan(&f, "", "tenants: [south]\n", TWO_TENANTS, NULL);
    f.request.tenant = slice_str("north");
    expect_fail(&f, "tenant.allowed", "north");
}

/* ---- templates ---- */

static const struct permit_claim claims[] = {
    {{(const uint8_t *)"host", 4}, {(const uint8_t *)"a", 1}},
    {{(const uint8_t *)"host", 4}, {(const uint8_t *)"*", 1}},
    {{(const uint8_t *)"host", 4}, {(const uint8_t *)"b-c", 3}},
    {{(const uint8_t *)"site", 4}, {(const uint8_t *)"n.x", 3}},
    {{(const uint8_t *)"site", 4}, {(const uint8_t *)"north", 5}},
    {{(const uint8_t *)"up", 2}, {(const uint8_t *)"..", 2}},
    {{(const uint8_t *)"user", 4}, {(const uint8_t *)"j.d", 3}}};

static void templates_are_filled_with_claims(void **state)
{
    (void)state;
    static const struct {
        const char *kind, *template, *rule;
        uint8_t type;
        const char *value;
        bool ok;
    } rows[] = {
        {"dns", "{host}.example.test", "san.dns.template", 3, "a.example.test", true},
        {"dns", "{host}.example.test", "san.dns.template", 3, "b-c.example.test", true},
        {"dns", "{host}.example.test", "san.dns.template", 3, "b.example.test", false},
        {"dns", "{host}.example.test", "san.dns.template", 3, "*.example.test", false},
        {"dns", "{host}.example.test", "san.dns.template", 3, "a.b.example.test", false},
        {"dns", "{host}.example.test", "san.dns.template", 3, ".example.test", false},
        {"dns", "{host}.example.test", "san.dns.template", 3, "a.example.test2", false},
        {"dns", "{site}.example.test", "san.dns.template", 3, "n.x.example.test", false},
        {"dns", "{host}.{site}.example.test", "san.dns.template", 3, "a.north.example.test", true},
        {"dns", "{host}-{site}.example.test", "san.dns.template", 3, "b-c-north.example.test",
         true},
        {"dns", "{host}-{host}.example.test", "san.dns.template", 3, "a-b-c.example.test", true},
        {"dns", "{none}.example.test", "san.dns.template", 3, "a.example.test", false},
        {"dns", "web.example.test", "san.dns.template", 3, "web.example.test", true},
        {"email", "{user}@example.test", "san.email.template", 2, "j.d@example.test", true},
        {"email", "{user}@example.test", "san.email.template", 2, "d@example.test", false},
        {"uri", "spiffe://mesh.test/ns/{site}", "san.uri.template", 7,
         "spiffe://mesh.test/ns/north", true},
        {"uri", "spiffe://mesh.test/ns/{site}", "san.uri.template", 7, "spiffe://mesh.test/ns/n",
         false},
        {"uri", "spiffe://mesh.test/ns/{site}", "san.uri.template", 7,
         "spiffe://mesh.test/ns/north/x", false},
    };
    static const char dns[] = "wildcard_depth: 1", email[] = "email: {domains: [example.test]",
                      uri[] = "spiffe_domains: [mesh.test]";
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *from = strcmp(rows[i].kind, "dns") == 0     ? dns
                           : strcmp(rows[i].kind, "email") == 0 ? email
                                                                : uri;
        char to[256];
        struct fix f;
        (void)snprintf(to, sizeof to, "%s, templates: ['%s']", from, rows[i].template);
        plan(&f, from, to, NULL, NULL);
        f.request.n_sans = 0;
        fix_san(&f, rows[i].type, rows[i].value);
        f.request.evidence.claims = claims;
        f.request.evidence.n_claims = sizeof claims / sizeof claims[0];
        judge(&f);
        if (fix_outcome(&f, rows[i].rule) != (rows[i].ok ? POLICY_PASS : POLICY_FAIL)) {
            fail_msg("row %zu: %s for %s", i, rows[i].template, rows[i].value);
        }
        fix_clear(&f);
    }
}

static void templates_alone_imply_their_domains(void **state)
{
    (void)state;
    struct fix f;
    static const char from[] = "dns: {suffixes: [example.test, deep.example.test], exact: "
                               "[localhost], wildcard_depth: 1}";
    static const char to[] = "dns: {templates: ['{host}.z.test', '{host}.a.z.test', "
                             "'{user}.example.test', '{host}.example.test', '{host}.z.test']}";
    plan(&f, from, to, NULL, NULL);
    f.request.n_sans = 0;
    fix_san(&f, 3, "a.example.test");
    f.request.evidence.claims = claims;
    f.request.evidence.n_claims = sizeof claims / sizeof claims[0];
    expect_pass(&f);
    plan(&f, from, to, NULL, NULL);
    f.request.n_sans = 0;
    fix_san(&f, 3, "a.other.test");
    f.request.evidence.claims = claims;
    f.request.evidence.n_claims = sizeof claims / sizeof claims[0];
    judge(&f);
    assert_int_equal(fix_outcome(&f, "san.dns.allowed"), POLICY_FAIL);
    assert_int_equal(fix_outcome(&f, "san.dns.template"), POLICY_FAIL);
    fix_clear(&f);
    plan(&f, from, to, NULL, NULL); /* no claims at all */
    f.request.n_sans = 0;
    fix_san(&f, 3, "a.example.test");
    expect_fail(&f, "san.dns.template", "a.example.test");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bound_requester_is_permitted_and_told_by_line),
        cmocka_unit_test(protocol_method_and_role_are_wanted),
        cmocka_unit_test(binding_none_and_optional),
        cmocka_unit_test(requesters_match_as_written),
        cmocka_unit_test(names_are_bound_as_written),
        cmocka_unit_test(each_unbound_name_is_told),
        cmocka_unit_test(bindings_of_one_requester_add_up),
        cmocka_unit_test(binding_of_another_profile_is_worth_nothing),
        cmocka_unit_test(subject_values_are_bound),
        cmocka_unit_test(tenant_restricts_what_it_says),
        cmocka_unit_test(each_tenant_rule_fails),
        cmocka_unit_test(nothing_crosses_between_tenants),
        cmocka_unit_test(templates_are_filled_with_claims),
        cmocka_unit_test(templates_alone_imply_their_domains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
