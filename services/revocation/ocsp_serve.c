/* Answering OCSP: cached answers at once on the HTTP thread; others by workers, which read status
 * for several requests in one statement, sign under the lease, and fill the cache. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "log/log.h"
#include "os/os.h"
#include "revocation.h"

#define QUEUE_MAX 1024    /* requests waiting; past it: try later */
#define TAKE_MAX 16       /* requests per worker and statement */
#define SIGN_WAIT_MS 2000 /* for an HSM session */
#define BACKDATE_S 300    /* thisUpdate: clients' clocks run behind by minutes */
#define RESPONSE_MAX ((size_t)64 << 10)

struct job {
    struct job *next;
    struct http_request *http;
    bool cacheable;
    struct revocation_issuer *issuer;
    struct revocation_ocsp_request q; /* points into der */
    struct revocation_known *known;   /* of its ids, while a worker has it */
    size_t der_len;
    uint8_t der[];
};

struct revocation_serve {
    struct revocation *rv;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct job *first, **last;
    size_t queued;
    bool stopping;
    pthread_t *threads;
    size_t n_threads;
};

/* ---- HTTP ---- */

static void reply_der(struct http_request *r, struct slice der, const char *const *headers)
{
    const struct http_reply reply = {.status = 200,
                                     .content_type = "application/ocsp-response",
                                     .body = der,
                                     .headers = headers};
    http_reply(r, &reply);
}

static void reply_error(struct http_request *r, enum revocation_ocsp_error e)
{
    static const char *const headers[] = {"Cache-Control", "no-store", NULL};
    reply_der(r, revocation_ocsp_error_der(e), headers);
}

/* Cache fields of RFC 9919 (RFC 5019 6.2); a POST is not cached by anyone. */
static void reply_answer(const struct revocation *rv, struct http_request *r,
                         const struct revocation_answer *a, bool cacheable, int64_t now_s)
{
    static const char *const uncached[] = {"Cache-Control", "no-store", NULL};
    char modified[32], expires[32], control[80];
    if (!cacheable) {
        reply_der(r, slice_of(a->der, a->len), uncached);
        return;
    }
    int64_t age = a->next_update_s - now_s - 1;
    age = age > rv->conf.ocsp_max_age_s ? rv->conf.ocsp_max_age_s : age;
    http_date(a->this_update_s, modified);
    http_date(a->next_update_s, expires);
    (void)snprintf(control, sizeof(control), "max-age=%lld, public, no-transform, must-revalidate",
                   (long long)(age < 0 ? 0 : age));
    const char *const headers[] = {"ETag",  a->etag,         "Last-Modified", modified, "Expires",
                                   expires, "Cache-Control", control,         NULL};
    if (http_not_modified(r, a->etag, -1)) {
        const struct http_reply reply = {.status = 304, .headers = headers};
        http_reply(r, &reply);
        return;
    }
    reply_der(r, slice_of(a->der, a->len), headers);
}

/* ---- making an answer ---- */

static enum revocation_status status_of(const struct revocation *rv,
                                        const struct revocation_issuer *x,
                                        const struct revocation_known *k)
{
    if (k->revoked) {
        return REVOCATION_STATUS_REVOKED;
    }
    switch (k->state) {
    case 2: /* stored. I6: `good` only while the table is known to agree with the log */
        return atomic_load(&x->weak) || !atomic_load(&rv->reconciled) ? REVOCATION_STATUS_NONE
                                                                      : REVOCATION_STATUS_GOOD;
    case 3:
    case 4: /* about to be revoked */
        return REVOCATION_STATUS_NONE;
    case 0:
    case 1:
    case 5:
        return REVOCATION_STATUS_UNKNOWN;
    default:
        return REVOCATION_STATUS_NONE;
    }
}

static enum chancery_err sign(struct revocation_issuer *x, struct slice data, int64_t now_s,
                              struct buf *out, struct diag *diag)
{
    uint8_t digest[CRYPTO_HASH_MAX], record[32];
    struct buf signature CLEANUP(buf_clear) = {0};
    enum crypto_hash hash = crypto_alg_hash(x->responder_alg);
    buf_init(&signature, 4096);
    crypto_sha256(data, record);
    TRY(revocation_lease_take(x->lease, record, now_s, diag));
    if (hash == CRYPTO_HASH_NONE) {
        TRY(hsm_sign(x->responder_key, x->responder_alg, data, SIGN_WAIT_MS, &signature, diag));
    } else {
        crypto_digest(hash, data, digest);
        TRY(hsm_sign_digest(x->responder_key, x->responder_alg,
                            slice_of(digest, crypto_hash_size(hash)), SIGN_WAIT_MS, &signature,
                            diag));
    }
    return revocation_ocsp_assemble(data, x->responder_alg, buf_slice(&signature),
                                    buf_slice(&x->responder_cert), out);
}

static enum chancery_err make_singles(const struct revocation *rv, const struct job *j,
                                      int64_t now_s, struct revocation_ocsp_single *out,
                                      bool *out_unknown)
{
    *out_unknown = false;
    for (size_t i = 0; i < j->q.n; i++) {
        const struct revocation_known *k = &j->known[i];
        out[i] = (struct revocation_ocsp_single){.cert_id = j->q.ids[i].der,
                                                 .status = status_of(rv, j->issuer, k),
                                                 .revoked_at_s = k->row.revoked_at_s,
                                                 .reason = k->row.reason,
                                                 .this_update_s = now_s - BACKDATE_S,
                                                 .next_update_s = now_s + rv->conf.ocsp_validity_s};
        if (out[i].status == REVOCATION_STATUS_NONE) {
            return CH_UNAVAILABLE;
        }
        *out_unknown |= out[i].status == REVOCATION_STATUS_UNKNOWN;
        if (out[i].next_update_s > j->issuer->responder_until_s) {
            out[i].next_update_s = j->issuer->responder_until_s;
        }
    }
    return CH_OK;
}

static enum chancery_err make_answer(struct revocation *rv, const struct job *j, int64_t now_s,
                                     bool *out_unknown, struct revocation_answer **out,
                                     struct diag *diag)
{
    struct revocation_ocsp_single singles[REVOCATION_OCSP_SINGLES_MAX];
    struct revocation_issuer *x = j->issuer;
    struct buf data CLEANUP(buf_clear) = {0}, der CLEANUP(buf_clear) = {0};
    uint8_t hash[32];
    char hex[33];
    buf_init(&data, RESPONSE_MAX);
    buf_init(&der, RESPONSE_MAX);
    if (now_s < x->responder_from_s || now_s + 60 >= x->responder_until_s) {
        return diag_set(diag, CH_UNAVAILABLE, x->id, "ocsp.certificate.time",
                        "the responder certificate is not valid now");
    }
    TRY(make_singles(rv, j, now_s, singles, out_unknown));
    const struct revocation_ocsp_data d = {
        .responder_key_hash = slice_of(x->responder_id, sizeof(x->responder_id)),
        .produced_at_s = now_s,
        .singles = singles,
        .n = j->q.n,
        .nonce = rv->conf.echo_nonce ? j->q.nonce : slice_of(NULL, 0),
        .extended_revoke = *out_unknown && rv->conf.unknown_is_revoked};
    TRY(revocation_ocsp_data_write(&d, &data));
    TRY(sign(x, buf_slice(&data), now_s, &der, diag));
    struct revocation_answer *a = revocation_answer_new(buf_slice(&der));
    if (a == NULL) {
        return CH_NOMEM;
    }
    a->this_update_s = singles[0].this_update_s;
    a->next_update_s = singles[0].next_update_s;
    a->fresh_until_s = now_s + (a->next_update_s - now_s) / 2;
    crypto_sha256(buf_slice(&der), hash);
    hex_encode(slice_of(hash, 16), hex);
    (void)snprintf(a->etag, sizeof(a->etag), "\"%s\"", hex);
    *out = a;
    return CH_OK;
}

static bool storable(const struct revocation *rv, const struct revocation_ocsp_request *q)
{
    return q->n == 1 && (q->nonce.len == 0 || !rv->conf.echo_nonce);
}

static size_t series_of(const struct revocation_issuer *x, struct slice serial)
{
    return x->series + x509_shard(serial, x->shards);
}

static void finish(struct revocation *rv, struct job *j, uint64_t token, int64_t now_s)
{
    struct diag diag = {0};
    struct revocation_answer *a = NULL;
    bool unknown = false;
    enum chancery_err err = make_answer(rv, j, now_s, &unknown, &a, &diag);
    if (err != CH_OK) {
        if (err != CH_UNAVAILABLE || diag.rule[0] != 0) {
            log_diag(LOG_LEVEL_WARN, "revocation.ocsp", err, &diag);
        }
        reply_error(j->http, REVOCATION_OCSP_TRY_LATER);
        return;
    }
    /* Answers about serials that nobody issued are not kept: they would push real ones out. */
    bool keep = storable(rv, &j->q) && !unknown;
    if (keep) {
        const struct revocation_cache_key key = {j->issuer->index, j->q.ids[0].serial,
                                                 j->q.ids[0].der};
        revocation_cache_put(rv->cache, &key, series_of(j->issuer, key.serial), a, token);
    }
    reply_answer(rv, j->http, a, j->cacheable && keep, now_s);
    revocation_answer_unref(a);
}

/* ---- workers ---- */

static enum chancery_err read_status(struct revocation *rv, struct job *const *jobs, size_t n,
                                     struct revocation_known *known, struct diag *diag)
{
    struct revocation_key keys[TAKE_MAX * REVOCATION_OCSP_SINGLES_MAX];
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        jobs[i]->known = known + at;
        for (size_t k = 0; k < jobs[i]->q.n; k++) {
            keys[at++] = (struct revocation_key){jobs[i]->issuer->id, jobs[i]->q.ids[k].serial};
        }
    }
    return revocation_known_read(rv->db, keys, at, known, diag);
}

static void work(struct revocation *rv, struct job *const *jobs, size_t n)
{
    struct diag diag = {0};
    struct revocation_known *known =
        calloc(TAKE_MAX * REVOCATION_OCSP_SINGLES_MAX, sizeof(known[0]));
    uint64_t token = revocation_cache_token(rv->cache);
    enum chancery_err err = known == NULL ? CH_NOMEM : read_status(rv, jobs, n, known, &diag);
    if (err != CH_OK) {
        log_diag(LOG_LEVEL_WARN, "revocation.ocsp", err, &diag);
    }
    int64_t now = os_now_s();
    for (size_t i = 0; i < n; i++) {
        if (err == CH_OK) {
            finish(rv, jobs[i], token, now);
        } else {
            reply_error(jobs[i]->http, REVOCATION_OCSP_TRY_LATER);
        }
        free(jobs[i]);
    }
    free(known);
}

/* Takes up to TAKE_MAX jobs; 0: stopping and nothing is left. */
static size_t take(struct revocation_serve *s, struct job *out[TAKE_MAX])
{
    size_t n = 0;
    pthread_mutex_lock(&s->lock);
    while (s->first == NULL && !s->stopping) {
        pthread_cond_wait(&s->wake, &s->lock);
    }
    /* A fair share, so that one worker does not sign alone what all could. */
    size_t share = s->queued / s->n_threads + 1;
    while (s->first != NULL && n < TAKE_MAX && n < share) {
        out[n] = s->first;
        s->first = out[n]->next;
        s->queued--;
        n++;
    }
    if (s->first == NULL) {
        s->last = &s->first;
    }
    pthread_mutex_unlock(&s->lock);
    return n;
}

static void *worker(void *arg)
{
    struct revocation_serve *s = arg;
    struct job *jobs[TAKE_MAX];
    size_t n;
    while ((n = take(s, jobs)) > 0) {
        work(s->rv, jobs, n);
    }
    return NULL;
}

static bool enqueue(struct revocation_serve *s, struct job *j)
{
    pthread_mutex_lock(&s->lock);
    bool room = s->queued < QUEUE_MAX && !s->stopping;
    if (room) {
        *s->last = j;
        s->last = &j->next;
        s->queued++;
        pthread_cond_signal(&s->wake);
    }
    pthread_mutex_unlock(&s->lock);
    return room;
}

/* ---- arrival, on the HTTP thread ---- */

/* All certificates of a request must be one issuer's: a delegated responder speaks for nobody else.
 */
static struct revocation_issuer *issuer_for(const struct revocation *rv,
                                            const struct revocation_ocsp_request *q)
{
    struct revocation_issuer *x = revocation_issuer_of(rv, &q->ids[0]);
    for (size_t i = 1; x != NULL && i < q->n; i++) {
        if (revocation_issuer_of(rv, &q->ids[i]) != x) {
            return NULL;
        }
    }
    return x;
}

static bool from_cache(struct revocation *rv, struct http_request *r,
                       const struct revocation_issuer *x, const struct revocation_ocsp_request *q,
                       bool cacheable, int64_t now_s)
{
    if (!storable(rv, q) || atomic_load(&x->weak)) {
        return false;
    }
    const struct revocation_cache_key key = {x->index, q->ids[0].serial, q->ids[0].der};
    struct revocation_answer *a =
        revocation_cache_get(rv->cache, &key, series_of(x, key.serial), now_s);
    if (a == NULL) {
        return false;
    }
    reply_answer(rv, r, a, cacheable, now_s);
    revocation_answer_unref(a);
    return true;
}

static struct job *job_new(struct http_request *r, struct slice der, struct revocation_issuer *x,
                           bool cacheable)
{
    struct job *j = calloc(1, sizeof(*j) + der.len);
    if (j == NULL) {
        return NULL;
    }
    j->http = r;
    j->issuer = x;
    j->cacheable = cacheable;
    j->der_len = der.len;
    memcpy(j->der, der.ptr, der.len);
    if (revocation_ocsp_read(slice_of(j->der, der.len), &j->q, NULL) != CH_OK) {
        free(j);
        return NULL;
    }
    return j;
}

void revocation_serve(struct revocation_serve *s, struct http_request *r, struct slice der,
                      bool cacheable, int64_t now_s)
{
    struct revocation_ocsp_request q;
    if (revocation_ocsp_read(der, &q, NULL) != CH_OK) {
        reply_error(r, REVOCATION_OCSP_MALFORMED);
        return;
    }
    struct revocation_issuer *x = issuer_for(s->rv, &q);
    if (x == NULL) {
        reply_error(r, REVOCATION_OCSP_UNAUTHORIZED); /* RFC 9919 2.2.3 (RFC 5019 2.2.3) */
        return;
    }
    if (from_cache(s->rv, r, x, &q, cacheable, now_s)) {
        return;
    }
    struct job *j = job_new(r, der, x, cacheable);
    if (j == NULL) {
        reply_error(r, REVOCATION_OCSP_TRY_LATER);
        return;
    }
    http_defer(r);
    if (!enqueue(s, j)) {
        free(j);
        reply_error(r, REVOCATION_OCSP_TRY_LATER);
    }
}

/* ---- life ---- */

enum chancery_err revocation_serve_new(struct revocation *rv, struct revocation_serve **out)
{
    struct revocation_serve *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return CH_NOMEM;
    }
    s->rv = rv;
    s->last = &s->first;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->wake, NULL);
    size_t n = (size_t)rv->conf.workers;
    s->threads = calloc(n, sizeof(s->threads[0]));
    while (s->threads != NULL && s->n_threads < n &&
           pthread_create(&s->threads[s->n_threads], NULL, worker, s) == 0) {
        s->n_threads++;
    }
    if (s->n_threads < n) {
        revocation_serve_free(s);
        return CH_NOMEM;
    }
    *out = s;
    return CH_OK;
}

void revocation_serve_stop(struct revocation_serve *s)
{
    if (s == NULL) {
        return;
    }
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_broadcast(&s->wake);
    pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < s->n_threads; i++) {
        pthread_join(s->threads[i], NULL);
    }
    s->n_threads = 0;
}

void revocation_serve_free(struct revocation_serve *s)
{
    if (s == NULL) {
        return;
    }
    revocation_serve_stop(s);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    free(s->threads);
    free(s);
}
