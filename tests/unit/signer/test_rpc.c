/* The signer's RPCs as ca sees them: mTLS, real daemon frame, real token (p11proxy), permits signed
 * here. The log is a fake that, like the real one, takes a permit item once. */
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#include "hsm/hsm.h"
#include "os/os.h"
#include "signer.h"
#include "test_identity.h"
#include "test_softhsm.h"
#include "test_trust.h"
#include "tests_signer.h"

#define TD "chancery.test"
#define LOG_MAX 4096

static struct {
    char dir[64], identity[96], ca_dir[96], eve_dir[96], target[160];
    struct test_softhsm hsm;
    struct test_ca *ca;
    EVP_PKEY *policy;
    uint8_t spki[32], p384[32];
    struct signer signer;
    pthread_t runner;
    struct rpc_channel *channel;

    pthread_mutex_t lock;
    struct {
        char action[16], rule[64];
        uint8_t item[32];
    } log[LOG_MAX];
    unsigned n;
} t;

/* ---- the fake log ---- */

static bool log_used(struct slice item)
{
    for (unsigned i = 0; i < t.n; i++) {
        if (strcmp(t.log[i].action, "intent") == 0 && memcmp(t.log[i].item, item.ptr, 32) == 0) {
            return true;
        }
    }
    return false;
}

static enum chancery_err sink(void *ctx, uint64_t sequence, const struct daemon_entry *entries,
                              size_t n, struct daemon_ack *acks, struct diag *diag)
{
    (void)ctx;
    (void)sequence;
    (void)diag;
    pthread_mutex_lock(&t.lock);
    for (size_t i = 0; i < n; i++) {
        const struct daemon_entry *e = &entries[i];
        acks[i] = (struct daemon_ack){.index = t.n};
        if (e->permit_item.len == 32 && log_used(e->permit_item)) {
            acks[i].err = diag_set(&acks[i].diag, CH_PRECONDITION, "permit_item",
                                   "audit.permit.used", "the permit item was used before");
            continue;
        }
        assert_true(t.n < LOG_MAX);
        (void)snprintf(t.log[t.n].action, sizeof t.log[0].action, "%s", e->action);
        for (size_t k = 0; k < e->n_fields; k++) {
            if (strcmp(e->fields[k].name, "rule") == 0) {
                (void)snprintf(t.log[t.n].rule, sizeof t.log[0].rule, "%.*s",
                               (int)e->fields[k].value.len, e->fields[k].value.ptr);
            }
        }
        if (e->permit_item.len == 32) {
            memcpy(t.log[t.n].item, e->permit_item.ptr, 32);
        }
        t.n++;
    }
    pthread_mutex_unlock(&t.lock);
    return CH_OK;
}

static unsigned logged(const char *action, const char *rule)
{
    unsigned n = 0;
    pthread_mutex_lock(&t.lock);
    for (unsigned i = 0; i < t.n; i++) {
        n += strcmp(t.log[i].action, action) == 0 &&
             (rule == NULL || strcmp(t.log[i].rule, rule) == 0);
    }
    pthread_mutex_unlock(&t.lock);
    return n;
}

static unsigned journal_lines(void)
{
    unsigned n = 0;
    int c;
    FILE *f = fopen(t.hsm.journal, "re");
    while (f != NULL && (c = fgetc(f)) != EOF) {
        n += c == '\n';
    }
    if (f != NULL) {
        (void)fclose(f);
    }
    return n;
}

/* ---- start ---- */

static void write_files(void)
{
    struct buf b;
    char pin[65];
    uint8_t hash[32];
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(t.policy, &der);
    buf_init(&b, 100000);
    MUST(buf_printf(&b, "{\"v\":1,\"trust_domain\":\"%s\",\"origin\":\"log.test\",\"keys\":{", TD));
    static const char *const kinds[] = {"permit", "statement", "checkpoint"};
    for (int i = 0; i < 3; i++) {
        MUST(buf_printf(&b, "%s\"%s\":[\"", i == 0 ? "" : ",", kinds[i]));
        MUST(base64_encode(slice_of(der, (size_t)len), &b));
        MUST(buf_add_str(&b, "\"]"));
    }
    OPENSSL_free(der);
    MUST(buf_printf(&b,
                    "},\"issuers\":[{\"issuer_id\":\"issuing-1\",\"certificate\":\"AQID\","
                    "\"shards\":8,\"crl_url\":\"http://c/x\",\"ocsp_url\":\"http://"
                    "o\"}],\"bundle_sha256\":\"%064d\",\"rehearsal\":true}%c",
                    0, 0));
    test_trust_sign(&b);
    test_write(t.dir, "trust.json", (const char *)b.ptr);
    crypto_sha256(slice_of(b.ptr, b.len - 1), hash);
    hex_encode(slice_of(hash, 32), pin);
    buf_reset(&b);
    MUST(buf_printf(&b,
                    "process: signer\ninstance: signer-1\nlisten: \"unix:%s/sock\"\ntrust: "
                    "%s/trust.json\ntrust_sha256: \"%s\"\ntls: {dir: %s}\nlog_level: error\nhsm:\n"
                    "  module: %s\n  token: \"pkcs11:token=issuers\"\n  pin_file: %s\n%c",
                    t.dir, t.dir, pin, t.identity, TEST_P11PROXY_MODULE, t.hsm.pin, 0));
    test_write(t.dir, "signer.yaml", (const char *)b.ptr);
    buf_clear(&b);
}

static void make_keys(void)
{
    struct diag d = {.field = ""};
    struct hsm_token *token = NULL;
    struct hsm_key *k = NULL;
    struct hsm_opts opts = {.module = TEST_P11PROXY_MODULE,
                            .token_uri = "pkcs11:token=issuers",
                            .pin_file = t.hsm.pin,
                            .pin_fd = -1};
    test_softhsm_token(&t.hsm, "issuers");
    MUST(hsm_open(&opts, &token, &d));
    MUST(hsm_key_generate(token, CRYPTO_KEY_P256, "issuing-1", &k, &d));
    memcpy(t.spki, hsm_key_spki_sha256(k), 32);
    MUST(hsm_key_generate(token, CRYPTO_KEY_P384, "root", &k, &d));
    memcpy(t.p384, hsm_key_spki_sha256(k), 32);
    hsm_close(token);
}

static void *run_main(void *arg)
{
    struct diag d = {.field = ""};
    (void)arg;
    return (void *)(uintptr_t)daemon_run(t.signer.daemon, &d);
}

static struct rpc_channel *channel_as(const char *identity)
{
    struct rpc_channel *c = NULL;
    struct diag d = {.field = ""};
    struct rpc_channel_opts opts = {
        .tls = {.dir = identity}, .trust_domain = TD, .peer_uri = "/chancery/signer"};
    MUST(rpc_channel_new(t.target, &opts, &c, &d));
    return c;
}

/* A channel connects in the background; until it has, calls on it fail. */
static void await_ready(struct rpc_channel *c)
{
    struct diag d = {.field = ""};
    int64_t until = os_mono_ms() + 30000;
    for (bool ready = false; !ready;) {
        assert_true(os_mono_ms() < until);
        if (rpc_health_check(c, 1000, &ready, &d) != CH_OK) {
            (void)sched_yield();
        }
    }
}

static int setup(void **state)
{
    (void)state;
    char conf[128];
    struct diag d = {.field = ""};
    pthread_mutex_init(&t.lock, NULL);
    test_tmpdir(t.dir);
    test_softhsm_start(&t.hsm);
    (void)snprintf(t.identity, sizeof t.identity, "%s/id", t.dir);
    (void)snprintf(t.ca_dir, sizeof t.ca_dir, "%s/ca", t.dir);
    (void)snprintf(t.eve_dir, sizeof t.eve_dir, "%s/eve", t.dir);
    (void)snprintf(t.target, sizeof t.target, "unix:%s/sock", t.dir);
    (void)snprintf(conf, sizeof conf, "%s/signer.yaml", t.dir);
    t.ca = test_ca_new("infrastructure");
    test_ca_issue(t.ca, t.identity, "spiffe://" TD "/chancery/signer");
    test_ca_issue(t.ca, t.ca_dir, "spiffe://" TD "/chancery/ca");
    test_ca_issue(t.ca, t.eve_dir, "spiffe://" TD "/chancery/registration");
    t.policy = EVP_EC_gen("P-256");
    make_keys();
    write_files();
    char *argv[] = {(char *)(uintptr_t) "chancery-signer", (char *)(uintptr_t) "--config", conf,
                    NULL};
    if (daemon_start(3, argv, "signer", &t.signer.daemon, &d) != CH_OK ||
        signer_service_open(&t.signer, &d) != CH_OK) {
        print_error("%s %s: %s\n", d.field, d.rule, d.text);
        return 1;
    }
    daemon_audit_sink(t.signer.daemon, sink, NULL);
    assert_int_equal(pthread_create(&t.runner, NULL, run_main, NULL), 0);
    t.channel = channel_as(t.ca_dir);
    await_ready(t.channel);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    void *result = NULL;
    rpc_channel_free(t.channel);
    daemon_stop(t.signer.daemon, CH_OK);
    assert_int_equal(pthread_join(t.runner, &result), 0);
    assert_int_equal((int)(uintptr_t)result, CH_OK);
    signer_service_close(&t.signer);
    daemon_free(t.signer.daemon);
    EVP_PKEY_free(t.policy);
    test_ca_free(t.ca);
    test_softhsm_end(&t.hsm);
    test_rmdir(t.dir);
    return 0;
}

/* ---- permits ---- */

struct paper {
    struct buf tbs[PERMIT_BATCH_MAX], item[PERMIT_BATCH_MAX], permit;
    struct slice items[PERMIT_BATCH_MAX];
    uint8_t signature[128];
    size_t n, signature_len;
};

static uint64_t serial_counter = 1000;

static void paper_seal(struct paper *p)
{
    struct permit permit = {.expires_at_s = os_now_s() + PERMIT_TTL_S, .n = (uint32_t)p->n};
    for (size_t i = 0; i < p->n; i++) {
        p->items[i] = buf_slice(&p->item[i]);
    }
    permit_root(p->items, p->n, permit.root);
    buf_init(&p->permit, 4096);
    MUST(permit_write(&permit, &p->permit));
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    p->signature_len = sizeof p->signature;
    assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, t.policy), 1);
    assert_int_equal(
        EVP_DigestSign(ctx, p->signature, &p->signature_len, p->permit.ptr, p->permit.len), 1);
    EVP_MD_CTX_free(ctx);
}

static void paper_certificates(struct paper *p, size_t n)
{
    memset(p, 0, sizeof *p);
    p->n = n;
    for (size_t i = 0; i < n; i++) {
        struct permit_item item = {.purpose = PERMIT_CERTIFICATE, .verdict = PERMIT_ALLOW};
        struct tests_certificate c = tests_certificate_good();
        uint8_t serial[2];
        serial_counter++;
        serial[0] = (uint8_t)(0x10 + serial_counter / 256 % 64);
        serial[1] = (uint8_t)serial_counter;
        c.serial = slice_of(serial, 2);
        buf_init(&p->tbs[i], 65536);
        buf_init(&p->item[i], 4096);
        tests_put_certificate(&p->tbs[i], &c);
        memcpy(item.issuer_spki_sha256, t.spki, 32);
        memset(item.request_digest, 7, 32);
        crypto_sha256(buf_slice(&p->tbs[i]), item.tbs_sha256);
        MUST(permit_item_write(&item, &p->item[i]));
    }
    paper_seal(p);
}

static void paper_crl(struct paper *p, const struct tests_crl *c, const uint8_t *spki)
{
    memset(p, 0, sizeof *p);
    p->n = 1;
    struct permit_item item = {.purpose = PERMIT_CRL,
                               .verdict = PERMIT_ALLOW,
                               .crl_number = serial_counter++,
                               .crl_this_update_s = c->this_update_s};
    buf_init(&p->tbs[0], 1 << 22);
    buf_init(&p->item[0], 4096);
    tests_put_crl(&p->tbs[0], c);
    memcpy(item.issuer_spki_sha256, spki, 32);
    crypto_sha256(buf_slice(&p->tbs[0]), item.tbs_sha256);
    MUST(permit_item_write(&item, &p->item[0]));
    paper_seal(p);
}

static void paper_clear(struct paper *p)
{
    for (size_t i = 0; i < p->n; i++) {
        buf_clear(&p->tbs[i]);
        buf_clear(&p->item[i]);
    }
    buf_clear(&p->permit);
}

static ProtobufCBinaryData bytes(struct slice s)
{
    return (ProtobufCBinaryData){s.len, (uint8_t *)(uintptr_t)s.ptr};
}

/* ---- calls ---- */

struct call {
    struct arena arena;
    Chancery__Signer__V1__SignBatchRequest request;
    Chancery__Signer__V1__SignItem items[PERMIT_BATCH_MAX];
    Chancery__Signer__V1__SignItem *list[PERMIT_BATCH_MAX];
    ProtobufCBinaryData permit_items[PERMIT_BATCH_MAX];
    Chancery__Signer__V1__SignBatchResponse *answer;
    struct diag diag;
};

static void call_fill(struct call *c, const struct paper *p)
{
    memset(c, 0, sizeof *c);
    chancery__signer__v1__sign_batch_request__init(&c->request);
    c->request.permit = bytes(buf_slice(&p->permit));
    c->request.permit_signature = bytes(slice_of(p->signature, p->signature_len));
    c->request.n_permit_items = p->n;
    c->request.permit_items = c->permit_items;
    c->request.n_items = p->n;
    c->request.items = c->list;
    for (size_t i = 0; i < p->n; i++) {
        chancery__signer__v1__sign_item__init(&c->items[i]);
        c->permit_items[i] = bytes(p->items[i]);
        c->items[i].permit_index = (uint32_t)i;
        c->items[i].tbs = bytes(buf_slice(&p->tbs[i]));
        c->list[i] = &c->items[i];
    }
}

static enum chancery_err call_run(struct call *c, struct rpc_channel *channel)
{
    ProtobufCMessage *m = NULL;
    enum chancery_err err =
        rpc_call_unary(channel, &chancery__signer__v1__signer_service__descriptor, "SignBatch",
                       &c->request.base, 10000, &c->arena, &m, &c->diag);
    c->answer = (Chancery__Signer__V1__SignBatchResponse *)m;
    return err;
}

static bool verifies(const uint8_t *spki, enum crypto_alg alg, struct slice tbs,
                     ProtobufCBinaryData signature)
{
    bool valid = false;
    const struct signer_key *key = signer_keys_find(&t.signer.keys, spki);
    assert_non_null(key);
    MUST(crypto_verify(hsm_key_public(key->hsm), alg, tbs, rpc_slice(signature), &valid, NULL));
    return valid;
}

static void batch_is_signed_and_its_replay_refused(void **state)
{
    (void)state;
    static struct paper p;
    static struct call c;
    unsigned before = journal_lines(), results = logged("result", NULL);
    paper_certificates(&p, PERMIT_BATCH_MAX);
    call_fill(&c, &p);
    MUST(call_run(&c, t.channel));
    assert_int_equal(c.answer->n_items, PERMIT_BATCH_MAX);
    for (size_t i = 0; i < p.n; i++) {
        assert_null(c.answer->items[i]->error);
        assert_true(c.answer->items[i]->intent_logged);
        assert_true(verifies(t.spki, CRYPTO_ALG_ECDSA_SHA256, buf_slice(&p.tbs[i]),
                             c.answer->items[i]->signature));
    }
    assert_int_equal(journal_lines(), before + PERMIT_BATCH_MAX);
    assert_int_equal(logged("result", NULL), results + PERMIT_BATCH_MAX);
    arena_reset(&c.arena);
    MUST(call_run(&c, t.channel));
    for (size_t i = 0; i < p.n; i++) {
        assert_string_equal(c.answer->items[i]->error->code, "PRECONDITION");
        assert_string_equal(c.answer->items[i]->error->rule, "audit.permit.used");
        assert_int_equal(c.answer->items[i]->signature.len, 0);
        assert_true(c.answer->items[i]->intent_logged);
    }
    assert_int_equal(journal_lines(), before + PERMIT_BATCH_MAX);
    assert_int_equal(logged("refusal", "audit.permit.used"), PERMIT_BATCH_MAX);
    arena_clear(&c.arena);
    paper_clear(&p);
}

static void one_bad_item_does_not_stop_the_others(void **state)
{
    (void)state;
    static struct paper p;
    static struct call c;
    unsigned before = journal_lines();
    paper_certificates(&p, 3);
    p.tbs[1].ptr[p.tbs[1].len - 1] ^= 1;
    call_fill(&c, &p);
    MUST(call_run(&c, t.channel));
    assert_null(c.answer->items[0]->error);
    assert_string_equal(c.answer->items[1]->error->rule, "tbs.digest");
    assert_false(c.answer->items[1]->intent_logged);
    assert_null(c.answer->items[2]->error);
    assert_int_equal(journal_lines(), before + 2);
    assert_int_equal(logged("refusal", "tbs.digest"), 1);
    arena_clear(&c.arena);
    paper_clear(&p);
}

static void item_used_twice_in_one_call_is_signed_once(void **state)
{
    (void)state;
    static struct paper p;
    static struct call c;
    unsigned before = journal_lines();
    paper_certificates(&p, 1);
    call_fill(&c, &p);
    chancery__signer__v1__sign_item__init(&c.items[1]);
    c.items[1] = c.items[0];
    c.list[1] = &c.items[1];
    c.request.n_items = 2;
    MUST(call_run(&c, t.channel));
    assert_null(c.answer->items[0]->error);
    assert_string_equal(c.answer->items[1]->error->rule, "permit.repeated");
    assert_int_equal(journal_lines(), before + 1);
    arena_clear(&c.arena);
    paper_clear(&p);
}

static void forged_permit_is_refused_per_item(void **state)
{
    (void)state;
    static struct paper p;
    static struct call c;
    unsigned before = journal_lines(), refusals = logged("refusal", "permit.signature");
    paper_certificates(&p, 2);
    p.signature[p.signature_len - 1] ^= 1;
    call_fill(&c, &p);
    MUST(call_run(&c, t.channel));
    assert_string_equal(c.answer->items[0]->error->rule, "permit.signature");
    assert_string_equal(c.answer->items[1]->error->rule, "permit.signature");
    c.request.permit = bytes(slice_str(""));
    c.request.permit_signature = bytes(slice_str(""));
    arena_reset(&c.arena);
    MUST(call_run(&c, t.channel));
    assert_string_equal(c.answer->items[0]->error->rule, "permit.signature");
    assert_int_equal(journal_lines(), before);
    assert_int_equal(logged("refusal", "permit.signature"), refusals + 4);
    arena_clear(&c.arena);
    paper_clear(&p);
}

static void empty_call_is_refused(void **state)
{
    (void)state;
    static struct paper p;
    static struct call c;
    paper_certificates(&p, 1);
    call_fill(&c, &p);
    c.request.n_items = 0;
    assert_int_equal(call_run(&c, t.channel), CH_LIMIT);
    arena_clear(&c.arena);
    paper_clear(&p);
}

static void other_caller_is_denied(void **state)
{
    (void)state;
    static struct paper p;
    static struct call c;
    struct rpc_channel *eve = channel_as(t.eve_dir);
    await_ready(eve);
    paper_certificates(&p, 1);
    call_fill(&c, &p);
    assert_int_equal(call_run(&c, eve), CH_DENIED);
    arena_clear(&c.arena);
    rpc_channel_free(eve);
    paper_clear(&p);
}

static void keys_are_listed(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct diag d = {.field = ""};
    ProtobufCMessage *m = NULL;
    Chancery__Signer__V1__ListKeysRequest in = CHANCERY__SIGNER__V1__LIST_KEYS_REQUEST__INIT;
    MUST(rpc_call_unary(t.channel, &chancery__signer__v1__signer_service__descriptor, "ListKeys",
                        &in.base, 5000, &arena, &m, &d));
    const Chancery__Signer__V1__ListKeysResponse *out =
        (const Chancery__Signer__V1__ListKeysResponse *)m;
    assert_int_equal(out->n_keys, 2);
    for (size_t i = 0; i < 2; i++) {
        bool p256 = strcmp(out->keys[i]->algorithm, "P-256") == 0;
        assert_memory_equal(out->keys[i]->spki_sha256.data, p256 ? t.spki : t.p384, 32);
        assert_non_null(strstr(out->keys[i]->uri, p256 ? "object=issuing-1" : "object=root"));
    }
    arena_clear(&arena);
}

/* ---- CRLs ---- */

static enum chancery_err crl_call(const struct paper *p, size_t chunk, struct arena *arena,
                                  Chancery__Signer__V1__SignResult **out)
{
    ProtobufCBinaryData items[1] = {bytes(p->items[0])};
    Chancery__Signer__V1__SignCrlHeader header = CHANCERY__SIGNER__V1__SIGN_CRL_HEADER__INIT;
    Chancery__Signer__V1__SignCrlRequest m = CHANCERY__SIGNER__V1__SIGN_CRL_REQUEST__INIT;
    struct rpc_stream *s = NULL;
    struct diag d = {.field = ""};
    ProtobufCMessage *answer = NULL;
    header.permit = bytes(buf_slice(&p->permit));
    header.permit_signature = bytes(slice_of(p->signature, p->signature_len));
    header.n_permit_items = 1;
    header.permit_items = items;
    m.header = &header;
    MUST(rpc_stream_open(t.channel, &chancery__signer__v1__signer_service__descriptor, "SignCrl",
                         RPC_CLIENT_STREAM, &m.base, 10000, &s, &d));
    m.header = NULL;
    enum chancery_err err = CH_OK;
    for (size_t at = 0; err == CH_OK && at < p->tbs[0].len; at += chunk) {
        m.chunk = bytes(slice_sub(buf_slice(&p->tbs[0]), at, chunk));
        err = rpc_stream_send(s, &m.base);
    }
    err = rpc_stream_finish(s, arena, &answer, &d); /* a refused stream may end early */
    rpc_stream_free(s);
    if (err == CH_OK) {
        *out = ((Chancery__Signer__V1__SignCrlResponse *)answer)->result;
    }
    return err;
}

static void crl_expect(struct paper *p, size_t chunk, const char *rule)
{
    struct arena arena = {0};
    Chancery__Signer__V1__SignResult *r = NULL;
    unsigned before = journal_lines(), refusals = logged("refusal", rule);
    MUST(crl_call(p, chunk, &arena, &r));
    assert_non_null(r->error);
    assert_string_equal(r->error->rule, rule);
    assert_int_equal(r->signature.len, 0);
    assert_int_equal(journal_lines(), before);
    assert_int_equal(logged("refusal", rule), refusals + 1);
    arena_clear(&arena);
    paper_clear(p);
}

static void crls_of_all_sizes_are_signed(void **state)
{
    (void)state;
    static const size_t rest[] = {10, 32000, SIGNER_TBS_HEAD_MAX, 65536, 1500000};
    for (size_t i = 0; i < sizeof rest / sizeof rest[0]; i++) {
        static struct paper p;
        struct arena arena = {0};
        Chancery__Signer__V1__SignResult *r = NULL;
        struct tests_crl c = tests_crl_good();
        bool p384 = i % 2 == 1; /* its hash is not the permit's */
        c.rest = rest[i];
        c.alg = crypto_alg_der(p384 ? CRYPTO_ALG_ECDSA_SHA384 : CRYPTO_ALG_ECDSA_SHA256);
        paper_crl(&p, &c, p384 ? t.p384 : t.spki);
        MUST(crl_call(&p, i == 2 ? 1000 : 65536, &arena, &r));
        if (r->error != NULL) {
            fail_msg("%zu: %s", rest[i], r->error->message);
        }
        assert_true(verifies(p384 ? t.p384 : t.spki,
                             p384 ? CRYPTO_ALG_ECDSA_SHA384 : CRYPTO_ALG_ECDSA_SHA256,
                             buf_slice(&p.tbs[0]), r->signature));
        arena_clear(&arena);
        paper_clear(&p);
    }
}

static void crl_permit_never_signs_a_certificate(void **state)
{
    (void)state;
    static struct paper p;
    struct tests_crl c = tests_crl_good();
    struct tests_certificate x = tests_certificate_good();
    paper_crl(&p, &c, t.spki);
    buf_reset(&p.tbs[0]);
    tests_put_certificate(&p.tbs[0], &x);
    /* A permit over the certificate's digest, as a deceived policy would give it. */
    struct permit_item item;
    MUST(permit_item_read(p.items[0], &item, NULL));
    crypto_sha256(buf_slice(&p.tbs[0]), item.tbs_sha256);
    buf_reset(&p.item[0]);
    MUST(permit_item_write(&item, &p.item[0]));
    buf_clear(&p.permit);
    paper_seal(&p);
    crl_expect(&p, 65536, "tbs.kind");
}

static void version_1_certificate_is_never_signed_as_crl(void **state)
{
    (void)state;
    static struct paper p;
    struct tests_crl c = tests_crl_good();
    c.sequence_instead_of_time = true;
    paper_crl(&p, &c, t.spki);
    crl_expect(&p, 65536, "tbs.kind");
}

static void certificate_permit_never_signs_a_crl(void **state)
{
    (void)state;
    static struct paper p;
    paper_certificates(&p, 1);
    crl_expect(&p, 65536, "permit.purpose");
}

static void crl_bytes_that_differ_are_refused(void **state)
{
    (void)state;
    static struct paper p;
    struct tests_crl c = tests_crl_good();
    c.rest = 200000;
    paper_crl(&p, &c, t.spki);
    p.tbs[0].ptr[150000] ^= 1;
    crl_expect(&p, 65536, "tbs.digest");
    paper_crl(&p, &c, t.spki);
    p.tbs[0].len -= 1;
    crl_expect(&p, 65536, "tbs.digest");
    paper_crl(&p, &c, t.spki);
    crl_expect(&p, 70000, "signer.crl.chunk");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_is_signed_and_its_replay_refused),
        cmocka_unit_test(one_bad_item_does_not_stop_the_others),
        cmocka_unit_test(item_used_twice_in_one_call_is_signed_once),
        cmocka_unit_test(forged_permit_is_refused_per_item),
        cmocka_unit_test(empty_call_is_refused),
        cmocka_unit_test(other_caller_is_denied),
        cmocka_unit_test(keys_are_listed),
        cmocka_unit_test(crls_of_all_sizes_are_signed),
        cmocka_unit_test(crl_permit_never_signs_a_certificate),
        cmocka_unit_test(version_1_certificate_is_never_signed_as_crl),
        cmocka_unit_test(certificate_permit_never_signs_a_crl),
        cmocka_unit_test(crl_bytes_that_differ_are_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
