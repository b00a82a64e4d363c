/* services/cli: the plan reader, on the shipped example and on one broken line at a time. */
#include "cm.h"

#include <stdlib.h>

#include "ceremony.h"
#include "os/os.h"
#include "plan.h"

#define EXAMPLE TEST_SOURCE_DIR "/deploy/ceremony/rehearsal.yaml"

static struct buf example;

static int setup(void **state)
{
    (void)state;
    buf_init(&example, PLAN_FILE_MAX);
    return os_file_read(EXAMPLE, &example, NULL) == CH_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    buf_clear(&example);
    return 0;
}

/* Parses the example with the first `from` replaced by `to`. */
static enum chancery_err parse_with(const char *from, const char *to, struct diag *d)
{
    struct plan *p = NULL;
    char *text = NULL;
    const char *all = (const char *)example.ptr;
    char *at = memmem(example.ptr, example.len, from, strlen(from));
    assert_non_null(at);
    size_t before = (size_t)(at - all);
    int n = asprintf(&text, "%.*s%s%.*s", (int)before, all, to,
                     (int)(example.len - before - strlen(from)), at + strlen(from));
    assert_true(n > 0);
    memset(d, 0, sizeof *d);
    enum chancery_err err = plan_parse("dir/p.yaml", slice_of(text, (size_t)n), &p, d);
    free(text);
    plan_free(p);
    return err;
}

static void plan_example_is_read_in_full(void **state)
{
    (void)state;
    struct plan *p = NULL;
    struct diag d = {0};
    uint8_t sha[32];
    assert_int_equal(plan_parse("dir/p.yaml", buf_slice(&example), &p, &d), CH_OK);
    assert_true(p->rehearsal);
    assert_string_equal(p->trust_domain, "chancery.test");
    assert_int_equal(p->n_tokens, 6);
    assert_string_equal(p->tokens[0].pin_file, "dir/pins/root.pin");
    assert_int_equal(p->n_keys, 9);
    assert_int_equal(p->keys[p->root_key].type, CRYPTO_KEY_P384);
    assert_int_equal(p->n_issuers, 2);
    assert_int_equal(p->keys[p->issuers[1].key].type, CRYPTO_KEY_RSA_3072);
    assert_int_equal(p->issuers[0].shards, 16);
    assert_int_equal(p->issuers[0].ocsp_validity_s, 90 * 86400);
    assert_int_equal(p->checkpoint.n, 2);
    crypto_sha256(buf_slice(&example), sha);
    assert_memory_equal(p->sha256, sha, 32);
    struct ceremony_step *steps = calloc(CEREMONY_STEPS_MAX, sizeof *steps);
    size_t n = 0;
    assert_int_equal(ceremony_steps(p, steps, CEREMONY_STEPS_MAX, &n, &d), CH_OK);
    assert_int_equal(n, 9 + 6 + 2 + 2 * 2 + 3);
    assert_int_equal(ceremony_steps(p, steps, n - 1, &n, &d), CH_LIMIT);
    free(steps);
    plan_free(p);
}

struct broken {
    const char *from, *to, *rule;
    enum chancery_err err;
};

static const struct broken BROKEN[] = {
    {"version: 1", "version: 2", NULL, CH_INVALID},
    {"rehearsal: true ", "rehearsal: maybe ", NULL, CH_INVALID},
    {"trust_domain: chancery.test", "trust_domain: Chancery", "plan.trust_domain", CH_INVALID},
    {"log_origin: chancery.test/log", "log_origin: \"a b\"", "plan.log_origin", CH_INVALID},
    {"crl_base: http:", "crl_base: https:", "plan.url", CH_INVALID},
    {"/crl\n", "/crl/\n", "plan.url", CH_INVALID},
    {"/ocsp\n", "/ocsp\"\n", NULL, CH_INVALID},
    {"\"pkcs11:token=chancery-root\"", "\"pkcs11:token=chancery-root?pin-value=1\"",
     "plan.token.uri", CH_INVALID},
    {"{id: ca, module", "{id: root, module", "plan.token.twice", CH_INVALID},
    {"pins/ca.pin}", "pins/ca.pin, environment: {LD_PRELOAD: x}}", "plan.environment", CH_INVALID},
    {"pins/ca.pin}", "pins/ca.pin, pin: 1234}", NULL, CH_INVALID},
    {"{id: issuing-1, token: ca", "{id: issuing-1, token: cb", "plan.key.token", CH_INVALID},
    {"{id: issuing-1, token: ca", "{id: issuing-1, token: root", "plan.token.root", CH_INVALID},
    {"{id: permit, token: policy", "{id: permit, token: ca", "plan.token.mixed", CH_INVALID},
    {"{id: permit, token: policy, type: P-256", "{id: permit, token: policy, type: P-384",
     "plan.key.type", CH_INVALID},
    {"type: RSA-3072", "type: RSA-1024", "plan.key.type", CH_INVALID},
    {"type: RSA-3072", "type: Ed25519", "plan.key.type", CH_INVALID},
    {"type: P-384", "type: RSA-2048", "plan.key.type", CH_INVALID},
    {"token: audit, type: Ed25519", "token: audit, type: P-256", "plan.checkpoint", CH_INVALID},
    {"statement: [statement]", "statement: [permit]", "plan.key.use", CH_INVALID},
    {"statement: [statement]", "statement: [nobody]", "plan.key.unknown", CH_INVALID},
    {"statement: [statement]", "statement: []", NULL, CH_LIMIT},
    {"keys:\n", "keys:\n  - {id: spare, token: ca, type: P-256}\n", "plan.key.unused", CH_INVALID},
    {"{id: issuing-1, token: ca, type: P-256}",
     "{id: issuing-1, token: ca, type: P-256, label: other}", "plan.issuer.label", CH_INVALID},
    {"{id: ocsp-issuing-1, token: ocsp, type: P-256}",
     "{id: ocsp-issuing-1, token: ocsp, type: P-256, label: other}", "plan.ocsp.label", CH_INVALID},
    {"- id: issuing-1\n", "- id: root\n", "plan.issuer.id", CH_INVALID},
    {"- id: issuing-1\n", "- id: ../x\n", "plan.name", CH_INVALID},
    {"validity: 3650d", "validity: 7300d", "plan.issuer.validity", CH_INVALID},
    {"validity: 90d", "validity: 3650d", "plan.ocsp.validity", CH_INVALID},
    {"crl_validity: 365d", "crl_validity: 400d", NULL, CH_INVALID},
    {"shards: 16", "shards: 0", NULL, CH_INVALID},
    {"shards: 16", "shards: 65537", NULL, CH_INVALID},
    {"roles:\n", "rolls:\n", NULL, CH_INVALID},
    {"  - {role: witness, person: rehearsal}", "  - {role: witness}", NULL, CH_INVALID},
    {"ceremony:\n", "extra: 1\nceremony:\n", NULL, CH_INVALID},
};

static void plan_each_broken_line_is_refused_by_its_rule(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof BROKEN / sizeof BROKEN[0]; i++) {
        struct diag d = {0};
        enum chancery_err err = parse_with(BROKEN[i].from, BROKEN[i].to, &d);
        if (err == CH_OK || (BROKEN[i].rule != NULL && strcmp(d.rule, BROKEN[i].rule) != 0)) {
            fail_msg("%s -> %s: %s %s %s", BROKEN[i].from, BROKEN[i].to, err_name(err), d.rule,
                     d.text);
        }
        if (BROKEN[i].rule != NULL) {
            assert_int_equal(err, BROKEN[i].err);
        }
        assert_true(d.text[0] != '\0');
    }
}

static void plan_empty_and_wrong_shape_are_refused(void **state)
{
    (void)state;
    const char *texts[] = {"", "[]", "a", "ceremony: []", "ceremony: {version: 1}"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct plan *p = NULL;
        struct diag d = {0};
        assert_int_not_equal(plan_parse("p.yaml", slice_str(texts[i]), &p, &d), CH_OK);
        assert_null(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plan_example_is_read_in_full),
        cmocka_unit_test(plan_each_broken_line_is_refused_by_its_rule),
        cmocka_unit_test(plan_empty_and_wrong_shape_are_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
