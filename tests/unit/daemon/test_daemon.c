/* The process frame: start refuses what it must, runs, audits, becomes ready, stops. */
#include "cm.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "chancery/audit/v1/audit.pb-c.h"
#include "conf/conf.h"
#include "daemon/daemon_int.h"
#include "os/os.h"
#include "test_identity.h"
#include "test_trust.h"

#define TD "chancery.test"
#define SINK_MAX 256

static struct {
    char dir[64], conf[96], identity[96], client[96];
    char pin[65];
    struct test_ca *ca;
    struct daemon *d;
    enum chancery_err check;

    pthread_mutex_t lock;
    unsigned n, refuse_first; /* sink: entries seen; calls to answer UNAVAILABLE */
    char actions[SINK_MAX][64], callers[SINK_MAX][128];
    uint64_t sequences[SINK_MAX];
} t;

static void spki_base64(struct buf *out)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(key, &der);
    assert_true(len > 0);
    assert_int_equal(base64_encode(slice_of(der, (size_t)len), out), CH_OK);
    OPENSSL_free(der);
    EVP_PKEY_free(key);
}

static void write_trust(void)
{
    struct buf b;
    buf_init(&b, 100000);
    assert_int_equal(
        buf_add_str(&b, "{\"v\":1,\"trust_domain\":\"" TD "\",\"origin\":\"log.test\",\"keys\":{"),
        CH_OK);
    static const char *const kinds[] = {"permit", "statement", "checkpoint"};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(buf_printf(&b, "%s\"%s\":[\"", i == 0 ? "" : ",", kinds[i]), CH_OK);
        spki_base64(&b);
        assert_int_equal(buf_add_str(&b, "\"]"), CH_OK);
    }
    assert_int_equal(
        buf_printf(&b,
                   "},\"issuers\":[{\"issuer_id\":\"issuing-1\",\"certificate\":\"AQID\","
                   "\"shards\":8,\"crl_url\":\"http://c/x\",\"ocsp_url\":\"http://o\"}],"
                   "\"bundle_sha256\":\"%064d\",\"rehearsal\":true}%c",
                   0, 0),
        CH_OK);
    test_trust_sign(&b);
    test_write(t.dir, "trust.json", (const char *)b.ptr);
    uint8_t hash[32];
    crypto_sha256(slice_of(b.ptr, b.len - 1), hash);
    hex_encode(slice_of(hash, 32), t.pin);
    buf_clear(&b);
}

static void write_conf(const char *extra)
{
    struct buf b;
    buf_init(&b, 100000);
    assert_int_equal(buf_printf(&b,
                                "process: signer\ninstance: signer-1\nlisten: \"unix:%s/sock\"\n"
                                "trust: %s/trust.json\ntrust_sha256: \"%s\"\ntls:\n  dir: %s\n"
                                "log_level: error\n%s%c",
                                t.dir, t.dir, t.pin, t.identity, extra, 0),
                     CH_OK);
    test_write(t.dir, "signer.yaml", (const char *)b.ptr);
    buf_clear(&b);
}

static int setup(void **state)
{
    (void)state;
    memset(&t, 0, sizeof t);
    pthread_mutex_init(&t.lock, NULL);
    test_tmpdir(t.dir);
    (void)snprintf(t.conf, sizeof t.conf, "%s/signer.yaml", t.dir);
    (void)snprintf(t.identity, sizeof t.identity, "%s/id", t.dir);
    (void)snprintf(t.client, sizeof t.client, "%s/client", t.dir);
    t.ca = test_ca_new("infrastructure");
    test_ca_issue(t.ca, t.identity, "spiffe://" TD "/chancery/signer");
    test_ca_issue(t.ca, t.client, "spiffe://" TD "/user/eve");
    write_trust();
    write_conf("");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    daemon_free(t.d);
    test_ca_free(t.ca);
    test_rmdir(t.dir);
    return 0;
}

static enum chancery_err start(struct diag *diag)
{
    char *argv[] = {(char *)(uintptr_t) "chancery-signer", (char *)(uintptr_t) "--config", t.conf,
                    NULL};
    return daemon_start(3, argv, "signer", &t.d, diag);
}

static void expect_start(enum chancery_err want, const char *rule)
{
    struct diag d = {0};
    enum chancery_err err = start(&d);
    if (err != want || strcmp(d.rule, rule) != 0) {
        fail_msg("%s %s: %s", err_name(err), d.rule, d.text);
    }
    assert_true((err == CH_OK) == (t.d != NULL));
}

static void start_reads_trust_and_identity(void **state)
{
    (void)state;
    write_conf("state_dir: /x\nhttp: {listen: \"127.0.0.1:1\"}\n");
    expect_start(CH_OK, "");
    assert_string_equal(daemon_identity(t.d), "spiffe://" TD "/chancery/signer");
    assert_string_equal(daemon_instance(t.d), "signer-1");
    assert_string_equal(daemon_state_dir(t.d), "/x");
    assert_string_equal(daemon_http_listen(t.d), "127.0.0.1:1");
    const struct daemon_trust *trust = daemon_trust(t.d);
    assert_int_equal(trust->permit.n, 1);
    assert_int_equal(trust->checkpoint.n, 1);
    assert_true(trust->rehearsal);
    const struct daemon_issuer *i = daemon_trust_issuer(t.d, "issuing-1");
    assert_non_null(i);
    assert_int_equal(i->shards, 8);
    assert_int_equal(i->certificate.len, 3);
    assert_null(daemon_trust_issuer(t.d, "issuing-2"));
    assert_ptr_equal(
        daemon_keys_find(&trust->permit, crypto_public_spki_sha256(trust->permit.keys[0])),
        trust->permit.keys[0]);
    assert_null(
        daemon_keys_find(&trust->statement, crypto_public_spki_sha256(trust->permit.keys[0])));
    assert_null(daemon_peer(t.d, "audit"));
}

static void other_trust_file_is_refused(void **state)
{
    (void)state;
    write_trust(); /* other keys, same pin in the configuration */
    expect_start(CH_INTEGRITY, "trust.pin");
}

/* Writes trust.json with one part replaced, and pins what came out. */
static void change_trust(const char *from, const char *to)
{
    char path[96];
    struct buf b, changed;
    buf_init(&b, 100000);
    buf_init(&changed, 100000);
    (void)snprintf(path, sizeof path, "%s/trust.json", t.dir);
    assert_int_equal(os_file_read(path, &b, NULL), CH_OK);
    assert_int_equal(buf_add_u8(&b, 0), CH_OK);
    const char *at = strstr((const char *)b.ptr, from);
    assert_non_null(at);
    assert_int_equal(buf_printf(&changed, "%.*s%s%s", (int)(at - (const char *)b.ptr),
                                (const char *)b.ptr, to, at + strlen(from)),
                     CH_OK);
    uint8_t hash[32];
    crypto_sha256(buf_slice(&changed), hash);
    hex_encode(slice_of(hash, 32), t.pin);
    assert_int_equal(buf_add_u8(&changed, 0), CH_OK);
    test_write(t.dir, "trust.json", (const char *)changed.ptr);
    write_conf("");
    buf_clear(&b);
    buf_clear(&changed);
}

static void trust_file_that_its_root_did_not_sign_is_refused(void **state)
{
    (void)state;
    static const char *const changes[][2] = {
        {"\"origin\":\"log.test\"", "\"origin\":\"log.tesx\""},
        {"\"rehearsal\":true", "\"rehearsal\":false"},
        {"\"issuer_id\":\"root\"", "\"issuer_id\":\"rot\""},
        {"\"key\":\"root\"", "\"key\":\"issuing-1\""},
        {"ecdsa-with-SHA256", "Ed25519"},
        {"\"value\":\"M", "\"value\":\"N"}, /* DER begins with SEQUENCE: base64 "M" */
        {"\"signature\"", "\"signatur\""},
    };
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        write_trust();
        change_trust(changes[i][0], changes[i][1]);
        expect_start(CH_INTEGRITY, "trust.signature");
    }
    write_trust();
    change_trust("{\"bundle", "{ \"bundle"); /* same content, the pin alone judges the bytes */
    expect_start(CH_OK, "");
}

static void other_identity_is_refused(void **state)
{
    (void)state;
    test_ca_issue(t.ca, t.identity, "spiffe://" TD "/chancery/ca");
    expect_start(CH_INVALID, "identity.uri");
}

static void other_process_or_missing_file_is_refused(void **state)
{
    (void)state;
    struct diag d = {0};
    char *argv[] = {(char *)(uintptr_t) "x", (char *)(uintptr_t) "--config", t.conf, NULL};
    assert_int_equal(daemon_start(3, argv, "ca", &t.d, &d), CH_INVALID);
    assert_string_equal(d.rule, "conf.process");
    assert_int_equal(daemon_start(1, argv, "signer", &t.d, &d), CH_INVALID);
    assert_string_equal(d.rule, "usage");
}

static void unknown_key_stops_the_run(void **state)
{
    (void)state;
    write_conf("databse: {}\n");
    expect_start(CH_OK, "");
    struct diag d = {0};
    assert_int_equal(daemon_run(t.d, &d), CH_INVALID);
}

/* ---- running ---- */

static enum chancery_err sink(void *ctx, uint64_t sequence, const struct daemon_entry *entries,
                              size_t n, struct daemon_ack *acks, struct diag *diag)
{
    (void)ctx;
    (void)diag;
    enum chancery_err err = CH_OK;
    pthread_mutex_lock(&t.lock);
    for (size_t i = 0; i < n && t.n < SINK_MAX; i++) {
        (void)snprintf(t.actions[t.n], sizeof t.actions[0], "%s", entries[i].action);
        t.sequences[t.n] = sequence;
        for (size_t k = 0; k < entries[i].n_fields; k++) {
            if (strcmp(entries[i].fields[k].name, "caller") == 0) {
                (void)snprintf(t.callers[t.n], sizeof t.callers[0], "%.*s",
                               (int)entries[i].fields[k].value.len, entries[i].fields[k].value.ptr);
            }
        }
        acks[i] = (struct daemon_ack){.index = t.n++};
    }
    if (t.refuse_first > 0) {
        t.refuse_first--;
        err = CH_UNAVAILABLE;
    }
    pthread_mutex_unlock(&t.lock);
    return err;
}

static unsigned count(const char *action)
{
    unsigned n = 0;
    pthread_mutex_lock(&t.lock);
    for (unsigned i = 0; i < t.n; i++) {
        n += strcmp(t.actions[i], action) == 0 ? 1 : 0;
    }
    pthread_mutex_unlock(&t.lock);
    return n;
}

static enum chancery_err check(void *ctx, struct diag *diag)
{
    (void)ctx;
    (void)diag;
    pthread_mutex_lock(&t.lock);
    enum chancery_err err = t.check;
    pthread_mutex_unlock(&t.lock);
    return err;
}

static void *run_main(void *arg)
{
    (void)arg;
    struct diag d = {0};
    enum chancery_err err = daemon_run(t.d, &d);
    return (void *)(uintptr_t)err;
}

static enum chancery_err append(struct rpc_call *call, const ProtobufCMessage *in,
                                ProtobufCMessage *out, void *ctx)
{
    (void)call;
    (void)in;
    (void)out;
    (void)ctx;
    return CH_OK;
}

static const char *const nobody[] = {"/chancery/ca", NULL};
static const struct rpc_method methods[] = {{"Append", RPC_UNARY, append, nobody}};

static void wait_ready(bool want)
{
    for (int64_t until = os_mono_ms() + 10000; daemon_ready(t.d) != want;) {
        assert_true(os_mono_ms() < until);
    }
}

static void process_runs_audits_and_stops(void **state)
{
    (void)state;
    expect_start(CH_OK, "");
    t.refuse_first = 2; /* the log is not there at once */
    t.check = CH_UNAVAILABLE;
    daemon_audit_sink(t.d, sink, NULL);
    assert_int_equal(daemon_check_add(t.d, "test", check, NULL), CH_OK);
    assert_int_equal(rpc_server_add(daemon_server(t.d),
                                    &chancery__audit__v1__audit_service__descriptor, methods, 1,
                                    NULL),
                     CH_OK);
    pthread_t runner;
    pthread_create(&runner, NULL, run_main, NULL);
    struct rpc_channel_opts o = {
        .tls = {t.client, NULL}, .trust_domain = TD, .peer_uri = "/chancery/signer"};
    struct rpc_channel *c = NULL;
    char target[128];
    (void)snprintf(target, sizeof target, "unix:%s/sock", t.dir);
    assert_int_equal(rpc_channel_new(target, &o, &c, NULL), CH_OK);
    bool ready = true;
    for (int64_t until = os_mono_ms() + 10000; rpc_health_check(c, 1000, &ready, NULL) != CH_OK;) {
        assert_true(os_mono_ms() < until);
    }
    assert_false(ready);
    assert_int_equal(count("process.start"), 0);
    pthread_mutex_lock(&t.lock);
    t.check = CH_OK;
    pthread_mutex_unlock(&t.lock);
    wait_ready(true);
    assert_true(count("process.start") == 3 && t.sequences[0] == t.sequences[2]);

    Chancery__Audit__V1__AppendRequest in;
    chancery__audit__v1__append_request__init(&in);
    CLEANUP(arena_clear) struct arena arena = {0};
    ProtobufCMessage *out = NULL;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rpc_call_unary(c, &chancery__audit__v1__audit_service__descriptor,
                                        "Append", &in.base, 5000, &arena, &out, NULL),
                         CH_DENIED);
    }
    for (int64_t until = os_mono_ms() + 10000; count("refusal") < 3;) {
        assert_true(os_mono_ms() < until);
    }
    assert_string_equal(t.callers[t.n - 1], "spiffe://" TD "/user/eve");
    uint64_t counted = 0; /* a call is counted after its answer has left */
    for (int64_t until = os_mono_ms() + 10000; counted < 3;) {
        struct daemon_calls rows[DAEMON_CALLS_MAX];
        size_t n = daemon_calls_take(t.d, rows);
        for (size_t i = 0; i < n; i++) {
            assert_string_equal(rows[i].method, "Append");
            assert_true(rows[i].errors == rows[i].n && rows[i].unavailable == 0);
            counted += rows[i].n;
        }
        assert_true(os_mono_ms() < until);
    }
    assert_int_equal(counted, 3);
    pthread_mutex_lock(&t.lock);
    t.check = CH_DB;
    pthread_mutex_unlock(&t.lock);
    wait_ready(false);
    rpc_channel_free(c);
    daemon_stop(t.d, CH_HSM);
    void *result = NULL;
    pthread_join(runner, &result);
    assert_int_equal((uintptr_t)result, CH_HSM);
    assert_int_equal(count("process.stop"), 1);
}

static void append_gives_up_with_an_honest_error(void **state)
{
    (void)state;
    write_conf("peers: {audit: \"127.0.0.1:1\"}\n");
    expect_start(CH_OK, "");
    assert_non_null(daemon_peer(t.d, "audit"));
    const struct daemon_field f[] = {DAEMON_STR("a", "b"), DAEMON_NUM("n", -3),
                                     DAEMON_DIGEST("h", slice_str("xyz"))};
    struct daemon_entry e = {.action = "test", .fields = f, .n_fields = 3};
    struct daemon_ack ack;
    struct diag d = {0};
    int64_t start_ms = os_mono_ms();
    enum chancery_err err = daemon_audit_append(t.d, &e, 1, 600, &ack, &d);
    assert_true(err == CH_UNAVAILABLE ||
                err == CH_UNKNOWN); /* a try that ran out of time is unknown */
    assert_true(os_mono_ms() - start_ms < 3000);
    assert_int_equal(daemon_audit_append(t.d, &e, 0, 600, &ack, &d), CH_INVALID);
}

/* An audit log that reads the entries and never answers. */
static enum chancery_err silent_append(struct rpc_call *call, const ProtobufCMessage *in,
                                       ProtobufCMessage *out, void *ctx)
{
    (void)out;
    pthread_mutex_lock(&t.lock);
    t.sequences[t.n++ % SINK_MAX] = ((const Chancery__Audit__V1__AppendRequest *)in)->sequence;
    pthread_mutex_unlock(&t.lock);
    while (!rpc_cancelled(call)) {
        (void)sched_yield();
    }
    atomic_store((atomic_bool *)ctx, true);
    return CH_CANCELLED;
}

static void append_without_an_answer_is_unknown_and_repeats_its_sequence(void **state)
{
    (void)state;
    static const char *const anyone[] = {"*", NULL};
    static const struct rpc_method silent[] = {{"Append", RPC_UNARY, silent_append, anyone}};
    char dir[96], address[128], peers[160];
    (void)snprintf(dir, sizeof dir, "%s/audit", t.dir);
    (void)snprintf(address, sizeof address, "unix:%s/audit.sock", t.dir);
    (void)snprintf(peers, sizeof peers, "peers: {audit: \"%s\"}\n", address);
    test_ca_issue(t.ca, dir, "spiffe://" TD "/chancery/audit");
    write_conf(peers);
    expect_start(CH_OK, "");
    struct rpc_server *s = NULL;
    struct rpc_server_opts o = {.tls = {dir, NULL}, .trust_domain = TD};
    atomic_bool seen = false;
    assert_int_equal(rpc_server_new(&o, &s, NULL), CH_OK);
    assert_int_equal(
        rpc_server_add(s, &chancery__audit__v1__audit_service__descriptor, silent, 1, &seen),
        CH_OK);
    assert_int_equal(rpc_server_listen(s, address, NULL, NULL), CH_OK);
    assert_int_equal(rpc_server_start(s, NULL), CH_OK);
    struct daemon_entry e = {.action = "test"};
    struct daemon_ack ack;
    assert_int_equal(daemon_audit_append(t.d, &e, 1, 4000, &ack, NULL), CH_UNKNOWN);
    assert_true(atomic_load(&seen) && t.n >= 2);
    for (unsigned i = 1; i < t.n; i++) {
        assert_int_equal(t.sequences[i], t.sequences[0]);
    }
    rpc_server_stop(s);
    rpc_server_free(s);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(start_reads_trust_and_identity),
        TEST(other_trust_file_is_refused),
        TEST(trust_file_that_its_root_did_not_sign_is_refused),
        TEST(other_identity_is_refused),
        TEST(other_process_or_missing_file_is_refused),
        TEST(unknown_key_stops_the_run),
        TEST(process_runs_audits_and_stops),
        TEST(append_gives_up_with_an_honest_error),
        TEST(append_without_an_answer_is_unknown_and_repeats_its_sequence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
