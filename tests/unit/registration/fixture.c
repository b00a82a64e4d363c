/* Registration in a test program; see fixture.h. */
#include "fixture.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "fake_ca.h"
#include "os/os.h"
#include "test_identity.h"
#include "test_softhsm.h"
#include "test_trust.h"

#define LOG_MAX 8192
#define CSRS 16
#define CHANNELS_MAX 8

static struct {
    char dir[64], target[160], ca_target[160];
    struct test_postgres pg;
    struct test_softhsm hsm;
    struct test_ca *ca;
    struct registration registration;
    pthread_t runner;
    bool running;
    struct buf csrs[CSRS];
    struct {
        char path[64];
        struct rpc_channel *channel;
    } channels[CHANNELS_MAX];
    size_t n_channels;

    pthread_mutex_t lock;
    bool log_away;
    char rules[LOG_MAX][64]; /* of refusals */
    size_t n_rules;
    char actions[LOG_MAX][32];
    uint64_t n_entries;
} t = {.lock = PTHREAD_MUTEX_INITIALIZER};

void must(enum chancery_err err, const char *what, const char *file, int line)
{
    if (err != CH_OK) {
        print_error("%s:%d: %s: %s\n", file, line, what, err_name(err));
        _fail(file, line);
    }
}

struct registration *fixture_registration(void)
{
    return &t.registration;
}

const struct test_postgres *fixture_postgres(void)
{
    return &t.pg;
}

/* ---- the fake log ---- */

static enum chancery_err sink(void *ctx, uint64_t sequence, const struct daemon_entry *entries,
                              size_t n, struct daemon_ack *acks, struct diag *diag)
{
    (void)ctx;
    (void)sequence;
    pthread_mutex_lock(&t.lock);
    if (t.log_away) {
        pthread_mutex_unlock(&t.lock);
        return diag_set(diag, CH_INTERNAL, "audit", "test.away", "the fake log is away");
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < entries[i].n_fields; k++) {
            const struct daemon_field *f = &entries[i].fields[k];
            if (strcmp(entries[i].action, "refusal") == 0 && strcmp(f->name, "rule") == 0) {
                assert_true(t.n_rules < LOG_MAX);
                (void)snprintf(t.rules[t.n_rules++], sizeof t.rules[0], "%.*s", (int)f->value.len,
                               f->value.ptr);
            }
        }
        assert_true(t.n_entries < LOG_MAX);
        (void)snprintf(t.actions[t.n_entries], sizeof t.actions[0], "%s", entries[i].action);
        acks[i] = (struct daemon_ack){.index = t.n_entries++};
    }
    pthread_mutex_unlock(&t.lock);
    return CH_OK;
}

unsigned fixture_refusals(const char *rule)
{
    unsigned n = 0;
    pthread_mutex_lock(&t.lock);
    for (size_t i = 0; i < t.n_rules; i++) {
        n += strcmp(t.rules[i], rule) == 0;
    }
    pthread_mutex_unlock(&t.lock);
    return n;
}

unsigned fixture_entries(const char *action)
{
    unsigned n = 0;
    pthread_mutex_lock(&t.lock);
    for (size_t i = 0; i < t.n_entries; i++) {
        n += strcmp(t.actions[i], action) == 0;
    }
    pthread_mutex_unlock(&t.lock);
    return n;
}

void fixture_log_away(bool away)
{
    pthread_mutex_lock(&t.lock);
    t.log_away = away;
    pthread_mutex_unlock(&t.lock);
}

/* ---- start ---- */

static void make_csrs(void)
{
    for (unsigned i = 0; i < CSRS; i++) {
        EVP_PKEY *key = EVP_EC_gen("P-256");
        X509_REQ *req = X509_REQ_new();
        char name[32];
        unsigned char *der = NULL;
        (void)snprintf(name, sizeof name, "host%u.example", i);
        assert_int_equal(X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(req), "CN",
                                                    MBSTRING_ASC, (const unsigned char *)name, -1,
                                                    -1, 0),
                         1);
        assert_int_equal(X509_REQ_set_version(req, 0), 1);
        assert_int_equal(X509_REQ_set_pubkey(req, key), 1);
        assert_true(X509_REQ_sign(req, key, EVP_sha256()) > 0);
        int len = i2d_X509_REQ(req, &der);
        buf_init(&t.csrs[i], 4096);
        MUST(buf_add(&t.csrs[i], slice_of(der, (size_t)len)));
        OPENSSL_free(der);
        X509_REQ_free(req);
        EVP_PKEY_free(key);
    }
}

struct slice fixture_csr(unsigned n)
{
    assert_true(n < CSRS);
    return buf_slice(&t.csrs[n]);
}

/* The statement key in the token; its SubjectPublicKeyInfo into `out`. */
static void make_key(struct buf *out)
{
    struct hsm_token *token = NULL;
    struct hsm_key *k = NULL;
    struct hsm_opts opts = {.module = TEST_SOFTHSM_MODULE,
                            .token_uri = "pkcs11:token=registration",
                            .pin_file = t.hsm.pin,
                            .pin_fd = -1};
    test_softhsm_token(&t.hsm, "registration");
    MUST(hsm_open(&opts, &token, NULL));
    MUST(hsm_key_generate(token, CRYPTO_KEY_P256, "statement", &k, NULL));
    MUST(buf_add(out, hsm_key_spki(k)));
    hsm_close(token);
}

static void write_files(struct slice spki)
{
    struct buf b;
    char pin[65], db[160];
    uint8_t hash[32];
    buf_init(&b, 100000);
    MUST(buf_printf(&b, "{\"v\":1,\"trust_domain\":\"%s\",\"origin\":\"log.test\",\"keys\":{", TD));
    static const char *const kinds[] = {"permit", "statement", "checkpoint"};
    for (int i = 0; i < 3; i++) {
        MUST(buf_printf(&b, "%s\"%s\":[\"", i == 0 ? "" : ",", kinds[i]));
        MUST(base64_encode(spki, &b));
        MUST(buf_add_str(&b, "\"]"));
    }
    MUST(buf_printf(
        &b,
        "},\"issuers\":[{\"issuer_id\":\"issuing-1\",\"certificate\":\"AQID\",\"shards\":8,"
        "\"crl_url\":\"http://c/x\",\"ocsp_url\":\"http://o\"}],\"bundle_sha256\":\"%064d\","
        "\"rehearsal\":true}%c",
        0, 0));
    test_trust_sign(&b);
    test_write(t.dir, "trust.json", (const char *)b.ptr);
    crypto_sha256(slice_of(b.ptr, b.len - 1), hash);
    hex_encode(slice_of(hash, 32), pin);
    test_postgres_conninfo(&t.pg, "chancery_registration", db, sizeof db);
    buf_reset(&b);
    MUST(buf_printf(
        &b,
        "process: registration\ninstance: registration-1\nlisten: \"%s\"\ntrust: %s/trust.json\n"
        "trust_sha256: \"%s\"\ntls: {dir: %s/id}\nlog_level: error\n"
        "peers: {ca: \"%s\", revocation: \"127.0.0.1:1\"}\noptional_peers: [revocation]\n"
        "revokers: [/user/operator]\nrpc: {workers: 16}\ndatabase: {conninfo: \"%s\", pool: "
        "6}\nhsm:\n"
        "  module: %s\n  token: \"pkcs11:token=registration\"\n  pin_file: %s\n"
        "  key: \"pkcs11:object=statement;type=private\"\n%c",
        t.target, t.dir, pin, t.dir, t.ca_target, db, TEST_SOFTHSM_MODULE, t.hsm.pin, 0));
    test_write(t.dir, "registration.yaml", (const char *)b.ptr);
    buf_clear(&b);
}

static void issue_identity(const char *path)
{
    char dir[160], uri[160];
    (void)snprintf(uri, sizeof uri, "spiffe://%s%s", TD, path);
    (void)snprintf(dir, sizeof dir, "%s/peer-%zu", t.dir, t.n_channels);
    test_ca_issue(t.ca, dir, uri);
}

struct rpc_channel *fixture_channel(const char *path)
{
    for (size_t i = 0; i < t.n_channels; i++) {
        if (strcmp(t.channels[i].path, path) == 0) {
            return t.channels[i].channel;
        }
    }
    char dir[160];
    assert_true(t.n_channels < CHANNELS_MAX);
    issue_identity(path);
    (void)snprintf(dir, sizeof dir, "%s/peer-%zu", t.dir, t.n_channels);
    struct rpc_channel_opts o = {
        .tls = {dir, NULL}, .trust_domain = TD, .peer_uri = "/chancery/registration"};
    struct rpc_channel *c = NULL;
    MUST(rpc_channel_new(t.target, &o, &c, NULL));
    (void)snprintf(t.channels[t.n_channels].path, sizeof t.channels[0].path, "%s", path);
    t.channels[t.n_channels++].channel = c;
    bool ready = false;
    AWAIT(rpc_health_check(c, 1000, &ready, NULL) == CH_OK && ready);
    return c;
}

void fixture_renew(const char *path)
{
    for (size_t i = 0; i < t.n_channels; i++) {
        if (strcmp(t.channels[i].path, path) == 0) {
            t.channels[i].path[0] = '\0';
        }
    }
    (void)fixture_channel(path);
}

static void *run_main(void *arg)
{
    struct diag d = {.field = ""};
    (void)arg;
    return (void *)(uintptr_t)daemon_run(t.registration.daemon, &d);
}

static void start_registration(void)
{
    char conf[128];
    struct diag d = {.field = ""};
    (void)snprintf(conf, sizeof conf, "%s/registration.yaml", t.dir);
    char *argv[] = {(char *)(uintptr_t) "chancery-registration", (char *)(uintptr_t) "--config",
                    conf, NULL};
    enum chancery_err err = daemon_start(3, argv, "registration", &t.registration.daemon, &d);
    if (err == CH_OK) {
        err = registration_service_open(&t.registration, &d);
    }
    if (err != CH_OK) {
        print_error("%s %s: %s\n", d.field, d.rule, d.text);
    }
    MUST(err);
    daemon_audit_sink(t.registration.daemon, sink, NULL);
}

int fixture_setup(void **state)
{
    (void)state;
    char dir[96];
    struct buf spki;
    struct crypto_public *key = NULL;
    buf_init(&spki, 1024);
    test_tmpdir(t.dir);
    test_postgres_start(&t.pg);
    test_postgres_migrate(&t.pg);
    test_softhsm_start(&t.hsm);
    (void)snprintf(t.target, sizeof t.target, "unix:%s/sock", t.dir);
    (void)snprintf(t.ca_target, sizeof t.ca_target, "unix:%s/ca.sock", t.dir);
    t.ca = test_ca_new("infrastructure");
    (void)snprintf(dir, sizeof dir, "%s/id", t.dir);
    test_ca_issue(t.ca, dir, "spiffe://" TD "/chancery/registration");
    (void)snprintf(dir, sizeof dir, "%s/ca", t.dir);
    test_ca_issue(t.ca, dir, "spiffe://" TD "/chancery/ca");
    make_key(&spki);
    make_csrs();
    write_files(buf_slice(&spki));
    MUST(crypto_public_from_spki(buf_slice(&spki), &key, NULL));
    start_registration();
    fake_ca_start(dir, t.ca_target, key);
    assert_int_equal(pthread_create(&t.runner, NULL, run_main, NULL), 0);
    t.running = true;
    buf_clear(&spki);
    (void)fixture_channel("/user/alice");
    return 0;
}

void fixture_stop(void)
{
    void *result = NULL;
    if (!t.running) {
        return;
    }
    daemon_stop(t.registration.daemon, CH_OK);
    assert_int_equal(pthread_join(t.runner, &result), 0);
    assert_int_equal((int)(uintptr_t)result, CH_OK);
    t.running = false;
}

int fixture_teardown(void **state)
{
    (void)state;
    fake_ca_hold(false);
    fixture_stop();
    for (size_t i = 0; i < t.n_channels; i++) {
        rpc_channel_free(t.channels[i].channel);
    }
    fake_ca_stop();
    daemon_free(t.registration.daemon);
    for (size_t i = 0; i < CSRS; i++) {
        buf_clear(&t.csrs[i]);
    }
    test_ca_free(t.ca);
    test_softhsm_end(&t.hsm);
    test_postgres_end(&t.pg);
    test_rmdir(t.dir);
    return 0;
}

int64_t fixture_number(const char *sql)
{
    char conninfo[160];
    struct db_conn *conn = NULL;
    struct db_result *result = NULL;
    test_postgres_conninfo(&t.pg, "admin", conninfo, sizeof conninfo);
    MUST(db_connect(conninfo, &conn, NULL));
    MUST(db_exec(conn, sql, NULL, 0, &result, NULL));
    int64_t value = db_rows(result) == 0 ? -1 : db_int(result, 0, 0);
    db_result_free(result);
    db_disconnect(conn);
    return value;
}

unsigned fixture_joined(const char *key)
{
    struct registration *r = &t.registration;
    unsigned n = 0;
    (void)pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < sizeof r->active / sizeof r->active[0]; i++) {
        for (const struct registration_item *a = r->active[i]; a != NULL; a = a->map_next) {
            for (const struct registration_item *w = a->waiters; w != NULL; w = w->next) {
                n += strcmp(a->key, key) == 0;
            }
        }
    }
    (void)pthread_mutex_unlock(&r->lock);
    return n;
}

/* ---- Enroll ---- */

void answer_clear(struct answer *a)
{
    arena_clear(&a->arena);
    memset(a, 0, sizeof *a);
}

void enroll(const struct ask *ask, struct answer *out)
{
    Chancery__Registration__V1__EnrollRequest in = CHANCERY__REGISTRATION__V1__ENROLL_REQUEST__INIT;
    struct slice csr = fixture_csr(ask->csr);
    ProtobufCMessage *m = NULL;
    memset(out, 0, sizeof *out);
    in.profile = (char *)(uintptr_t)ask->profile;
    in.idempotency_key = (char *)(uintptr_t)(ask->key == NULL ? "" : ask->key);
    in.protocol = (char *)(uintptr_t)(ask->protocol == NULL ? "" : ask->protocol);
    in.proof_case = CHANCERY__REGISTRATION__V1__ENROLL_REQUEST__PROOF_PKCS10;
    in.pkcs10 = (ProtobufCBinaryData){csr.len, (uint8_t *)(uintptr_t)csr.ptr};
    out->err = rpc_call_unary(fixture_channel(ask->path == NULL ? "/user/alice" : ask->path),
                              &chancery__registration__v1__registration_service__descriptor,
                              "Enroll", &in.base, ask->timeout_ms == 0 ? 30000 : ask->timeout_ms,
                              &out->arena, &m, &out->diag);
    out->response = (Chancery__Registration__V1__EnrollResponse *)m;
}

struct pending {
    pthread_t thread;
    struct ask ask;
    struct answer answer;
};

static void *pending_main(void *arg)
{
    struct pending *p = arg;
    enroll(&p->ask, &p->answer);
    return NULL;
}

struct pending *enroll_start(const struct ask *ask)
{
    struct pending *p = calloc(1, sizeof *p);
    assert_non_null(p);
    p->ask = *ask;
    assert_int_equal(pthread_create(&p->thread, NULL, pending_main, p), 0);
    return p;
}

void enroll_join(struct pending *p, struct answer *out)
{
    assert_int_equal(pthread_join(p->thread, NULL), 0);
    *out = p->answer;
    free(p);
}
