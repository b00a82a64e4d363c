/* INTENT, C_Sign, RESULT. */
#include "cycle.h"

#include <stdlib.h>

#include "hsm/hsm.h"
#include "log/log.h"
#include "os/os.h"

#define CYCLE_TIME_MIN_MS 50      /* less is left: not worth burning a permit item */
#define CYCLE_INTENT_WAIT_MS 3000 /* spans a restart of audit */
#define CYCLE_SIGN_WAIT_MS 5000   /* spans a recovery of the token */
/* A RESULT is owed even when the caller has gone, and is worth more of its time than an INTENT:
 * without it a good signature is thrown away and counts as unknown. */
#define CYCLE_RESULT_WAIT_MS 5000
#define CYCLE_FIELDS_MAX 8

/* An entry with room for its fields. */
struct cycle_entry {
    struct daemon_field fields[CYCLE_FIELDS_MAX];
    uint8_t signature_sha256[PERMIT_DIGEST];
};

/* One Append in the making: which job each entry belongs to. */
struct cycle_append {
    struct daemon_entry entries[PERMIT_BATCH_MAX];
    struct cycle_entry storage[PERMIT_BATCH_MAX];
    struct signer_job *jobs[PERMIT_BATCH_MAX];
    struct daemon_ack acks[PERMIT_BATCH_MAX];
    size_t n;
};

static struct slice digest_of(const uint8_t *bytes)
{
    return slice_of(bytes, PERMIT_DIGEST);
}

static void cycle_add(struct cycle_append *a, struct signer_job *job, const char *action,
                      size_t n_fields)
{
    a->entries[a->n].action = action;
    a->entries[a->n].fields = a->storage[a->n].fields;
    a->entries[a->n].n_fields = n_fields;
    a->jobs[a->n] = job;
    a->n++;
}

static void cycle_add_intent(struct cycle_append *a, struct signer_job *job,
                             const struct signer_request *request)
{
    struct daemon_field *f = a->storage[a->n].fields;
    size_t n = 0;
    f[n++] = DAEMON_DIGEST("permit", request->permit_sha256);
    f[n++] = DAEMON_DIGEST("permit_item", digest_of(job->item_id));
    f[n++] = DAEMON_DIGEST("key", digest_of(job->key->spki_sha256));
    f[n++] = DAEMON_DIGEST("tbs", digest_of(job->tbs_sha256));
    f[n++] = DAEMON_STR("purpose", job->purpose == PERMIT_CRL ? "crl" : "certificate");
    a->entries[a->n].permit_item = digest_of(job->item_id);
    a->entries[a->n].permit_expires_s = request->permit_expires_s;
    cycle_add(a, job, "intent", n);
}

static void cycle_add_result(struct cycle_append *a, struct signer_job *job)
{
    struct cycle_entry *e = &a->storage[a->n];
    struct daemon_field *f = e->fields;
    size_t n = 0;
    bool good = job->state == SIGNER_SIGNED;
    f[n++] = DAEMON_NUM("intent", job->intent_index);
    f[n++] = DAEMON_STR("outcome", good ? "signed" : "failed");
    f[n++] = DAEMON_DIGEST("tbs", digest_of(job->tbs_sha256));
    f[n++] = DAEMON_DIGEST("key", digest_of(job->key->spki_sha256));
    if (good) {
        crypto_sha256(slice_of(job->signature, job->signature_len), e->signature_sha256);
        f[n++] = DAEMON_DIGEST("signature", digest_of(e->signature_sha256));
    }
    cycle_add(a, job, "result", n);
}

static void cycle_add_refusal(struct cycle_append *a, struct signer_job *job,
                              const struct signer_request *request)
{
    struct daemon_field *f = a->storage[a->n].fields;
    size_t n = 0;
    f[n++] = DAEMON_STR("rule", job->diag.rule);
    f[n++] = DAEMON_STR("code", err_name(job->err));
    f[n++] = DAEMON_STR("caller", request->caller);
    f[n++] = DAEMON_STR("purpose", job->purpose == PERMIT_CRL ? "crl" : "certificate");
    f[n++] = DAEMON_DIGEST("permit", request->permit_sha256);
    f[n++] = DAEMON_DIGEST("permit_item", digest_of(job->item_id));
    f[n++] = DAEMON_DIGEST("tbs", digest_of(job->tbs_sha256));
    cycle_add(a, job, "refusal", n);
}

static void cycle_fail(struct signer_job *job, enum signer_state state, enum chancery_err err,
                       const struct diag *diag)
{
    job->state = state;
    job->err = err;
    job->diag = *diag;
}

/* ---- INTENT ---- */

/* What the log said about one INTENT. CH_PRECONDITION: item used before, or permit past its life.
 */
static void cycle_intent_ack(struct signer_job *job, const struct daemon_ack *ack)
{
    if (ack->err == CH_OK) {
        job->state = SIGNER_INTENDED;
        job->intent_index = ack->index;
        return;
    }
    bool refused = ack->err == CH_PRECONDITION || ack->err == CH_INVALID || ack->err == CH_EXISTS ||
                   ack->err == CH_DENIED;
    cycle_fail(job, refused ? SIGNER_REFUSED : SIGNER_ABORTED, ack->err, &ack->diag);
    job->intent_before = refused;
}

static void cycle_intents_failed(struct cycle_append *a, enum chancery_err err,
                                 const struct diag *why)
{
    /* The appender answers CH_UNKNOWN as soon as one of its tries may have been written; these say
     * that none was (audit itself keeps UNAVAILABLE for what did not happen). */
    bool clean =
        err == CH_PRECONDITION || err == CH_INVALID || err == CH_UNAVAILABLE || err == CH_BUSY;
    struct diag diag;
    (void)diag_set(&diag, CH_UNAVAILABLE, "audit", "signer.intent",
                   "the INTENT could not be logged, so nothing was signed: %.200s", why->text);
    log_diag(LOG_LEVEL_WARN, "signer.intent_not_logged", err, why);
    for (size_t i = 0; i < a->n; i++) {
        cycle_fail(a->jobs[i], clean ? SIGNER_ABORTED : SIGNER_UNCERTAIN, CH_UNAVAILABLE, &diag);
    }
}

static void cycle_intents(const struct signer_cycle *c, const struct signer_request *request,
                          struct cycle_append *a, struct signer_job *jobs, size_t n)
{
    struct diag diag = {.field = ""};
    a->n = 0;
    for (size_t i = 0; i < n; i++) {
        if (jobs[i].state == SIGNER_CHECKED && request->time_left_ms < CYCLE_TIME_MIN_MS) {
            enum chancery_err err = diag_set(&diag, CH_DEADLINE, "deadline", "signer.deadline",
                                             "too little time is left to sign");
            cycle_fail(&jobs[i], SIGNER_ABORTED, err, &diag);
        } else if (jobs[i].state == SIGNER_CHECKED) {
            cycle_add_intent(a, &jobs[i], request);
        }
    }
    if (a->n == 0) {
        return;
    }
    unsigned wait = request->time_left_ms < CYCLE_INTENT_WAIT_MS ? (unsigned)request->time_left_ms
                                                                 : CYCLE_INTENT_WAIT_MS;
    enum chancery_err err = c->append(c->append_ctx, a->entries, a->n, wait, a->acks, &diag);
    if (err != CH_OK) {
        cycle_intents_failed(a, err, &diag);
        return;
    }
    for (size_t i = 0; i < a->n; i++) {
        cycle_intent_ack(a->jobs[i], &a->acks[i]);
    }
}

/* ---- C_Sign ---- */

struct cycle_sign {
    struct signer_job *jobs[PERMIT_BATCH_MAX];
    size_t n;
    int64_t until_ms; /* of the whole batch, on the monotonic clock: its RESULTs are owed soon */
};

static void cycle_sign_one(void *ctx, size_t i)
{
    const struct cycle_sign *work = ctx;
    struct signer_job *job = work->jobs[i];
    struct diag diag = {.field = ""};
    int64_t left_ms = work->until_ms - os_mono_ms();
    if (left_ms <= 0) {
        (void)diag_set(&diag, CH_UNAVAILABLE, "hsm", "signer.token",
                       "the token did not come back in time; nothing was signed");
        cycle_fail(job, SIGNER_FAILED, CH_UNAVAILABLE, &diag);
        return;
    }
    struct buf signature;
    buf_init(&signature, sizeof job->signature);
    enum chancery_err err = hsm_sign_digest(job->key->hsm, job->alg, job->to_sign,
                                            (unsigned)left_ms, &signature, &diag);
    if (err == CH_OK) {
        memcpy(job->signature, signature.ptr, signature.len);
        job->signature_len = signature.len;
        job->state = SIGNER_SIGNED;
    } else {
        cycle_fail(job, SIGNER_FAILED, err, &diag);
    }
    buf_clear(&signature);
}

static void cycle_sign(const struct signer_cycle *c, struct signer_job *jobs, size_t n)
{
    struct cycle_sign work = {.n = 0, .until_ms = os_mono_ms() + CYCLE_SIGN_WAIT_MS};
    for (size_t i = 0; i < n; i++) {
        if (jobs[i].state == SIGNER_INTENDED) {
            work.jobs[work.n++] = &jobs[i];
        }
    }
    signer_pool_run(c->pool, cycle_sign_one, &work, work.n);
    for (size_t i = 0; i < work.n; i++) {
        if (work.jobs[i]->state == SIGNER_FAILED) {
            log_diag(LOG_LEVEL_ERROR, "signer.sign_failed", work.jobs[i]->err, &work.jobs[i]->diag);
        }
    }
}

/* ---- RESULT and refusals ---- */

static void cycle_withhold(struct signer_job *job)
{
    struct diag diag;
    memset(job->signature, 0, sizeof job->signature);
    job->signature_len = 0;
    enum chancery_err err =
        diag_set(&diag, CH_UNKNOWN, "audit", "signer.result",
                 "the RESULT could not be logged, so the signature was thrown away");
    cycle_fail(job, SIGNER_FAILED, err, &diag);
}

static void cycle_result_ack(struct signer_job *job, enum chancery_err call,
                             const struct daemon_ack *ack)
{
    bool durable = call == CH_OK && ack->err == CH_OK;
    if (durable && job->state != SIGNER_REFUSED) {
        job->result_index = ack->index;
    }
    if (durable && job->state == SIGNER_SIGNED) {
        job->state = SIGNER_RELEASED;
        job->err = CH_OK;
    } else if (job->state == SIGNER_SIGNED) {
        cycle_withhold(job);
    }
    if (!durable && call == CH_OK) {
        log_diag(LOG_LEVEL_ERROR, "signer.entry_refused", ack->err, &ack->diag);
    }
}

static void cycle_results(const struct signer_cycle *c, const struct signer_request *request,
                          struct cycle_append *a, struct signer_job *jobs, size_t n)
{
    struct diag diag = {.field = ""};
    memset(a->entries, 0, sizeof a->entries);
    a->n = 0;
    for (size_t i = 0; i < n; i++) {
        if (jobs[i].state == SIGNER_SIGNED || jobs[i].state == SIGNER_FAILED) {
            cycle_add_result(a, &jobs[i]);
        } else if (jobs[i].state == SIGNER_REFUSED) {
            cycle_add_refusal(a, &jobs[i], request);
        }
    }
    if (a->n == 0) {
        return;
    }
    enum chancery_err err =
        c->append(c->append_ctx, a->entries, a->n, CYCLE_RESULT_WAIT_MS, a->acks, &diag);
    if (err != CH_OK) {
        log_diag(LOG_LEVEL_ERROR, "signer.result_not_logged", err, &diag);
    }
    for (size_t i = 0; i < a->n; i++) {
        cycle_result_ack(a->jobs[i], err, &a->acks[i]);
    }
}

void signer_cycle_run(const struct signer_cycle *c, const struct signer_request *request,
                      struct signer_job *jobs, size_t n)
{
    struct cycle_append *a = calloc(1, sizeof *a);
    if (a == NULL) {
        struct diag diag;
        enum chancery_err err =
            diag_set(&diag, CH_NOMEM, "signer", "signer.memory", "out of memory");
        for (size_t i = 0; i < n; i++) {
            cycle_fail(&jobs[i], SIGNER_ABORTED, err, &diag);
        }
        return;
    }
    cycle_intents(c, request, a, jobs, n);
    OS_FAILPOINT("signer.intent_logged");
    cycle_sign(c, jobs, n);
    OS_FAILPOINT("signer.signed");
    cycle_results(c, request, a, jobs, n);
    OS_FAILPOINT("signer.result_logged");
    free(a);
}

bool signer_job_intent_possible(const struct signer_job *job)
{
    switch (job->state) {
    case SIGNER_REFUSED:
        return job->intent_before;
    case SIGNER_CHECKED:
    case SIGNER_ABORTED:
        return false;
    case SIGNER_UNCERTAIN:
    case SIGNER_INTENDED:
    case SIGNER_SIGNED:
    case SIGNER_FAILED:
    case SIGNER_RELEASED:
        return true;
    }
    return true;
}
