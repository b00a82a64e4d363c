/* Enrolment load: distinct P-256 CSRs over mTLS gRPC to registration, a fixed number in flight. */
#include "bench.h"

#include "chancery/registration/v1/registration.pb-c.h"
#include "rpc/rpc.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define CSR_COUNT 512 /* distinct keys; policy allows a key again, idempotency keys are all new */

struct csr {
    unsigned char *der;
    int len;
};

struct slot {
    struct run *run;
    int64_t started_us;
    struct slot *next;
};

struct run {
    sem_t free_slots;
    pthread_mutex_t lock;
    struct slot *free_list;
    struct bench_samples samples;
    _Atomic uint64_t done;
};

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "chancery-bench: %s failed\n", what);
        exit(1);
    }
}

static struct csr make_csr(unsigned i)
{
    char host[64];
    (void)snprintf(host, sizeof host, "bench-%u.example.test", i);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509_REQ *req = X509_REQ_new();
    must(key != NULL && req != NULL, "key generation");
    X509_NAME *name = X509_REQ_get_subject_name(req);
    must(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (unsigned char *)host, -1, -1, 0) ==
             1,
         "name");
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    GENERAL_NAME *san = GENERAL_NAME_new();
    ASN1_IA5STRING *dns = ASN1_IA5STRING_new();
    must(ASN1_STRING_set(dns, host, -1) == 1, "san");
    GENERAL_NAME_set0_value(san, GEN_DNS, dns);
    must(sk_GENERAL_NAME_push(names, san) > 0, "san");
    STACK_OF(X509_EXTENSION) *exts = sk_X509_EXTENSION_new_null();
    must(X509V3_add1_i2d(&exts, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1, "san");
    must(X509_REQ_add_extensions(req, exts) == 1 && X509_REQ_set_pubkey(req, key) == 1 &&
             X509_REQ_sign(req, key, EVP_sha256()) > 0,
         "csr");
    struct csr out = {.der = NULL};
    out.len = i2d_X509_REQ(req, &out.der);
    must(out.len > 0, "csr");
    sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
    GENERAL_NAMES_free(names);
    X509_REQ_free(req);
    EVP_PKEY_free(key);
    return out;
}

static void on_done(void *ctx, enum chancery_err err, const ProtobufCMessage *out,
                    const struct diag *diag)
{
    struct slot *slot = ctx;
    struct run *run = slot->run;
    (void)out;
    (void)pthread_mutex_lock(&run->lock);
    if (err == CH_OK) {
        bench_samples_add(&run->samples, bench_now_us() - slot->started_us);
        atomic_fetch_add(&run->done, 1);
    } else if (run->samples.errors++ == 0) {
        (void)snprintf(run->samples.first_error, sizeof run->samples.first_error, "%s: %s %s",
                       err_name(err), diag == NULL ? "" : diag->rule,
                       diag == NULL ? "" : diag->text);
    }
    slot->next = run->free_list;
    run->free_list = slot;
    (void)pthread_mutex_unlock(&run->lock);
    (void)sem_post(&run->free_slots);
}

static void drive(const struct bench_opts *o, struct rpc_channel *channel, struct csr *csrs,
                  struct run *run, int64_t until_us)
{
    char nonce[32];
    (void)snprintf(nonce, sizeof nonce, "%lld", (long long)bench_now_us());
    for (uint64_t i = 0; bench_now_us() < until_us; i++) {
        (void)sem_wait(&run->free_slots);
        (void)pthread_mutex_lock(&run->lock);
        struct slot *slot = run->free_list;
        run->free_list = slot->next;
        (void)pthread_mutex_unlock(&run->lock);
        char key[64];
        (void)snprintf(key, sizeof key, "bench-%s-%llu", nonce, (unsigned long long)i);
        Chancery__Registration__V1__EnrollRequest req =
            CHANCERY__REGISTRATION__V1__ENROLL_REQUEST__INIT;
        struct csr *csr = &csrs[i % CSR_COUNT];
        req.profile = (char *)o->profile;
        req.idempotency_key = key;
        req.proof_case = CHANCERY__REGISTRATION__V1__ENROLL_REQUEST__PROOF_PKCS10;
        req.pkcs10.data = csr->der;
        req.pkcs10.len = (size_t)csr->len;
        slot->started_us = bench_now_us();
        enum chancery_err err =
            rpc_call_async(channel, &chancery__registration__v1__registration_service__descriptor,
                           "Enroll", &req.base, 20000, on_done, slot);
        if (err != CH_OK) {
            on_done(slot, err, NULL, NULL);
        }
    }
    for (unsigned i = 0; i < o->inflight; i++) {
        (void)sem_wait(&run->free_slots);
    }
}

int bench_issue(const struct bench_opts *o)
{
    struct csr *csrs = calloc(CSR_COUNT, sizeof *csrs);
    struct slot *slots = calloc(o->inflight, sizeof *slots);
    must(csrs != NULL && slots != NULL, "memory");
    for (unsigned i = 0; i < CSR_COUNT; i++) {
        csrs[i] = make_csr(i);
    }
    struct diag diag;
    must(rpc_init() == CH_OK, "rpc_init");
    struct rpc_channel_opts opts = {.tls = {.dir = o->tls},
                                    .trust_domain = o->trust_domain,
                                    .peer_uri = "/chancery/registration"};
    struct rpc_channel *channel = NULL;
    must(rpc_channel_new(o->target, &opts, &channel, &diag) == CH_OK, "channel");
    struct run run = {.free_list = NULL};
    (void)pthread_mutex_init(&run.lock, NULL);
    (void)sem_init(&run.free_slots, 0, o->inflight);
    for (unsigned i = 0; i < o->inflight; i++) {
        slots[i] = (struct slot){.run = &run, .next = run.free_list};
        run.free_list = &slots[i];
    }
    /* A short warm-up: connections, prepared statements, caches. */
    bench_samples_init(&run.samples, 1u << 20);
    drive(o, channel, csrs, &run, bench_now_us() + 1000000);
    uint64_t warm_errors = run.samples.errors;
    run.samples.n = 0;
    atomic_store(&run.done, 0);
    for (unsigned i = 0; i < o->inflight; i++) {
        (void)sem_post(&run.free_slots);
    }
    printf("{\"bench\":\"mark\",\"at\":\"start\"}\n");
    (void)fflush(stdout);
    int64_t started = bench_now_us();
    drive(o, channel, csrs, &run, started + (int64_t)o->seconds * 1000000);
    int64_t elapsed = bench_now_us() - started;
    bench_report("issue", &run.samples, atomic_load(&run.done), elapsed);
    uint64_t errors = run.samples.errors;
    bench_samples_clear(&run.samples);
    rpc_channel_free(channel);
    rpc_shutdown();
    for (unsigned i = 0; i < CSR_COUNT; i++) {
        OPENSSL_free(csrs[i].der);
    }
    free(csrs);
    free(slots);
    return errors > 0 || warm_errors > 0 ? 1 : 0;
}
