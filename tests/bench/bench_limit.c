/* The reference for enrolment: nothing but SHA-256, C_Sign and grouped durable inserts, with the
 * same number of threads as the signer has. What it reaches is the most that this machine could
 * issue. */
#include "bench.h"

#include "crypto/alg.h"
#include "db/db.h"
#include "os/os.h"

#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_BATCH 64
#define LIMIT_DER 700 /* octets of a typical certificate row */

struct limit_thread {
    pthread_t thread;
    CK_FUNCTION_LIST *p11;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;
    struct db_pool *pool;
    int64_t until_us;
    uint64_t done;
    struct bench_samples samples;
};

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "chancery-bench: %s failed\n", what);
        exit(1);
    }
}

static enum chancery_err insert_batch(struct db_pool *pool, uint8_t serials[][16],
                                      uint8_t ders[][LIMIT_DER], struct diag *diag)
{
    struct slice ids[LIMIT_BATCH];
    struct slice rows[LIMIT_BATCH];
    for (size_t i = 0; i < LIMIT_BATCH; i++) {
        ids[i] = slice_of(serials[i], 16);
        rows[i] = slice_of(ders[i], LIMIT_DER);
    }
    struct db_param params[] = {DB_P_BYTES_ARRAY(ids, LIMIT_BATCH),
                                DB_P_BYTES_ARRAY(rows, LIMIT_BATCH)};
    struct db_conn *conn = NULL;
    TRY(db_acquire(pool, &conn, diag));
    enum chancery_err err = db_exec(conn,
                                    "INSERT INTO public.bench_limit(serial, der) SELECT * FROM "
                                    "unnest($1::bytea[], $2::bytea[])",
                                    params, 2, NULL, diag);
    db_release(conn);
    return err;
}

static void *limit_main(void *arg)
{
    struct limit_thread *t = arg;
    static const CK_MECHANISM ecdsa = {CKM_ECDSA, NULL, 0};
    uint8_t serials[LIMIT_BATCH][16];
    static _Thread_local uint8_t ders[LIMIT_BATCH][LIMIT_DER];
    struct diag diag;
    while (bench_now_us() < t->until_us) {
        int64_t started = bench_now_us();
        for (size_t i = 0; i < LIMIT_BATCH; i++) {
            os_random(serials[i], 16);
            memcpy(ders[i], serials[i], 16);
            uint8_t digest[32];
            crypto_sha256(slice_of(ders[i], LIMIT_DER - 72), digest);
            CK_MECHANISM mechanism = ecdsa;
            CK_ULONG len = 72;
            must(t->p11->C_SignInit(t->session, &mechanism, t->key) == CKR_OK &&
                     t->p11->C_Sign(t->session, digest, sizeof digest, ders[i] + LIMIT_DER - 72,
                                    &len) == CKR_OK,
                 "C_Sign");
        }
        enum chancery_err err = insert_batch(t->pool, serials, ders, &diag);
        if (err != CH_OK) {
            t->samples.errors++;
            (void)snprintf(t->samples.first_error, sizeof t->samples.first_error, "%s: %s",
                           err_name(err), diag.text);
            break;
        }
        t->done += LIMIT_BATCH;
        bench_samples_add(&t->samples, bench_now_us() - started);
    }
    return NULL;
}

static CK_SLOT_ID find_slot(CK_FUNCTION_LIST *p11, const char *label)
{
    CK_SLOT_ID slots[64];
    CK_ULONG n = 64;
    must(p11->C_GetSlotList(CK_TRUE, slots, &n) == CKR_OK, "C_GetSlotList");
    for (CK_ULONG i = 0; i < n; i++) {
        CK_TOKEN_INFO info;
        size_t len = strlen(label);
        if (p11->C_GetTokenInfo(slots[i], &info) == CKR_OK && len <= 32 &&
            memcmp(info.label, label, len) == 0) {
            return slots[i];
        }
    }
    must(false, "finding the token");
    return 0;
}

static void open_key(CK_FUNCTION_LIST *p11, CK_SLOT_ID slot, const struct bench_opts *o, bool login,
                     struct limit_thread *t)
{
    t->p11 = p11;
    must(p11->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &t->session) == CKR_OK,
         "C_OpenSession");
    if (login) {
        struct buf pin;
        buf_init(&pin, 64);
        must(os_file_read(o->pin_file, &pin, NULL) == CH_OK && pin.len > 0, "reading the PIN");
        pin.len -= pin.ptr[pin.len - 1] == '\n' ? 1 : 0;
        must(p11->C_Login(t->session, CKU_USER, pin.ptr, (CK_ULONG)pin.len) == CKR_OK, "C_Login");
        explicit_bzero(pin.ptr, pin.cap);
        buf_clear(&pin);
    }
    CK_OBJECT_CLASS private_key = CKO_PRIVATE_KEY;
    CK_ATTRIBUTE want[] = {{CKA_CLASS, &private_key, sizeof private_key},
                           {CKA_LABEL, (void *)(uintptr_t)o->key, (CK_ULONG)strlen(o->key)}};
    CK_ULONG n = 0;
    must(p11->C_FindObjectsInit(t->session, want, 2) == CKR_OK &&
             p11->C_FindObjects(t->session, &t->key, 1, &n) == CKR_OK &&
             p11->C_FindObjectsFinal(t->session) == CKR_OK && n == 1,
         "finding the key");
}

int bench_limit(const struct bench_opts *o)
{
    must(o->module != NULL && o->token != NULL && o->pin_file != NULL && o->key != NULL &&
             o->conninfo != NULL,
         "reading options");
    void *module = dlopen(o->module, RTLD_NOW | RTLD_LOCAL);
    must(module != NULL, "dlopen");
    CK_C_GetFunctionList get = NULL;
    *(void **)&get = dlsym(module, "C_GetFunctionList");
    CK_FUNCTION_LIST *p11 = NULL;
    CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
    must(get != NULL && get(&p11) == CKR_OK && p11->C_Initialize(&args) == CKR_OK, "C_Initialize");
    CK_SLOT_ID slot = find_slot(p11, o->token);
    struct diag diag = {.text = ""};
    struct db_pool *pool = NULL;
    struct db_pool_opts pool_opts = {.conninfo = o->conninfo, .size = o->threads};
    must(db_pool_new(&pool_opts, &pool, &diag) == CH_OK, "the pool");
    struct db_conn *conn = NULL;
    must(db_acquire(pool, &conn, &diag) == CH_OK, diag.text);
    must(db_script(conn, "TRUNCATE public.bench_limit", &diag) == CH_OK, diag.text);
    db_release(conn);
    struct limit_thread *threads = calloc(o->threads, sizeof *threads);
    must(threads != NULL, "memory");
    for (unsigned i = 0; i < o->threads; i++) {
        open_key(p11, slot, o, i == 0, &threads[i]);
        threads[i].pool = pool;
        bench_samples_init(&threads[i].samples, 1u << 18);
    }
    printf("{\"bench\":\"mark\",\"at\":\"start\"}\n");
    (void)fflush(stdout);
    int64_t started = bench_now_us();
    for (unsigned i = 0; i < o->threads; i++) {
        threads[i].until_us = started + (int64_t)o->seconds * 1000000;
        must(pthread_create(&threads[i].thread, NULL, limit_main, &threads[i]) == 0,
             "pthread_create");
    }
    uint64_t done = 0;
    for (unsigned i = 0; i < o->threads; i++) {
        (void)pthread_join(threads[i].thread, NULL);
        done += threads[i].done;
        if (i > 0 && threads[i].samples.errors > 0) {
            threads[0].samples.errors += threads[i].samples.errors;
            memcpy(threads[0].samples.first_error, threads[i].samples.first_error,
                   sizeof threads[0].samples.first_error);
        }
    }
    bench_report("limit", &threads[0].samples, done, bench_now_us() - started);
    int failed = threads[0].samples.errors > 0;
    for (unsigned i = 0; i < o->threads; i++) {
        bench_samples_clear(&threads[i].samples);
    }
    free(threads);
    db_pool_free(pool);
    (void)p11->C_Finalize(NULL);
    (void)dlclose(module);
    return failed;
}
