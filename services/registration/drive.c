/* A batch from record to answer: rows, statement, ca, outcomes; retries and bisection.
 *
 * A call that fails because a part is away fails all its items with UNAVAILABLE: nothing was decided, the
 * rows stay open, and the same idempotency key drives on. A call that fails for another reason is retried as
 * two halves; an item that fails alone twice is refused and logged. */
#include "registration.h"

#include <stdlib.h>

#include "crypto/alg.h"
#include "log/log.h"
#include "os/os.h"

#define STATEMENT_MAX 4096
#define SIGN_MS 5000
#define ANSWER_MAX ((size_t)32 << 20)

struct batch {
    struct registration *r;
    struct slice statement, signature;
};

static void finish_all(struct registration *r, struct registration_item **items, size_t n,
                       enum chancery_err err, const struct diag *diag)
{
    for (size_t i = 0; i < n; i++) {
        registration_finish(r, items[i], err, diag, NULL, false);
    }
}

/* What a client hears when a stage is away: one word, whatever the stage said. */
static enum chancery_err as_away(enum chancery_err err)
{
    switch (err) {
    case CH_UNAVAILABLE:
    case CH_DEADLINE:
    case CH_UNKNOWN:
    case CH_CANCELLED:
    case CH_CONFLICT:
    case CH_HSM:
    case CH_DB:
    case CH_IO:
        return CH_UNAVAILABLE;
    default:
        return err;
    }
}

/* ---- one ca call's results ---- */

struct tally {
    struct registration_outcome outcomes[PERMIT_BATCH_MAX];
    struct registration_item *decided[PERMIT_BATCH_MAX];
    struct diag diags[PERMIT_BATCH_MAX];
    struct registration_refusal refusals[PERMIT_BATCH_MAX];
    size_t n, n_refusals;
};

static void tally_issued(struct tally *t, struct registration_item *item,
                         const Chancery__Common__V1__Certificate *certificate)
{
    t->outcomes[t->n] = (struct registration_outcome){item->request_id, certificate, CH_OK, NULL};
    t->decided[t->n++] = item;
}

/* policy logs its own refusals; `logged` says so. */
static void tally_refused(struct tally *t, struct registration_item *item, enum chancery_err err,
                          const struct diag *diag, bool logged)
{
    size_t i = t->n++;
    t->diags[i] = *diag;
    t->outcomes[i] = (struct registration_outcome){item->request_id, NULL, registration_answer_err(err), &t->diags[i]};
    t->decided[i] = item;
    if (!logged) {
        t->refusals[t->n_refusals++] = (struct registration_refusal){
            item->caller, item->request.profile, item->request_id, err, &t->diags[i]};
    }
}

static void settle_tally(struct registration *r, struct tally *t)
{
    struct diag diag = {.text = ""};
    enum chancery_err err = CH_OK;
    if (t->n_refusals > 0) {
        err = registration_audit_refusals(r, t->refusals, t->n_refusals, &diag);
    }
    if (err == CH_OK && t->n > 0) {
        err = registration_store_outcomes(r, t->outcomes, t->n, &diag);
    }
    OS_FAILPOINT("registration.stored");
    for (size_t i = 0; i < t->n; i++) {
        const struct registration_outcome *o = &t->outcomes[i];
        if (err != CH_OK) {
            registration_finish(r, t->decided[i], as_away(err), &diag, NULL, false);
        } else {
            registration_finish(r, t->decided[i], o->err, o->diag, o->certificate, false);
        }
    }
}

/* Reads one answer; returns the number of items to try again, moved to the front of `items`. */
static size_t take_answer(struct registration *r, struct registration_item **items, size_t n,
                          const Chancery__Ca__V1__IssueBatchResponse *answer)
{
    struct tally *t = calloc(1, sizeof *t);
    size_t again = 0;
    if (t == NULL) {
        finish_all(r, items, n, CH_NOMEM, NULL);
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        const Chancery__Ca__V1__IssueResult *result = answer->items[i];
        struct diag diag = {.text = ""};
        enum chancery_err err = rpc_error_read(result->error, &diag);
        if (result->outcome == CHANCERY__CA__V1__ISSUE_OUTCOME__ISSUE_OUTCOME_ISSUED && result->certificate != NULL) {
            tally_issued(t, items[i], result->certificate);
        } else if (result->outcome == CHANCERY__CA__V1__ISSUE_OUTCOME__ISSUE_OUTCOME_REFUSED && err != CH_OK) {
            tally_refused(t, items[i], err, &diag, result->n_rules > 0);
        } else if (++items[i]->voids < REGISTRATION_ATTEMPTS_MAX) {
            items[again++] = items[i];
        } else {
            registration_finish(r, items[i], CH_UNAVAILABLE, &diag, NULL, false);
        }
    }
    settle_tally(r, t);
    free(t);
    return again;
}

/* ---- calling ca ---- */

static enum chancery_err call_ca(const struct batch *b, struct registration_item **items, size_t n,
                                 struct arena *arena, const Chancery__Ca__V1__IssueBatchResponse **out,
                                 struct diag *diag)
{
    Chancery__Ca__V1__IssueBatchRequest req = CHANCERY__CA__V1__ISSUE_BATCH_REQUEST__INIT;
    Chancery__Ca__V1__IssueItem rows[PERMIT_BATCH_MAX];
    Chancery__Ca__V1__IssueItem *list[PERMIT_BATCH_MAX];
    for (size_t i = 0; i < n; i++) {
        chancery__ca__v1__issue_item__init(&rows[i]);
        rows[i].request = &items[i]->request;
        rows[i].pkcs10 = (ProtobufCBinaryData){items[i]->pkcs10.len, (uint8_t *)(uintptr_t)items[i]->pkcs10.ptr};
        rows[i].attempt = items[i]->attempt;
        list[i] = &rows[i];
    }
    req.statement = (ProtobufCBinaryData){b->statement.len, (uint8_t *)(uintptr_t)b->statement.ptr};
    req.statement_signature = (ProtobufCBinaryData){b->signature.len, (uint8_t *)(uintptr_t)b->signature.ptr};
    req.items = list;
    req.n_items = n;
    ProtobufCMessage *answer = NULL;
    TRY(rpc_call_unary(b->r->ca, &chancery__ca__v1__ca_service__descriptor, "IssueBatch", &req.base,
                       REGISTRATION_CA_MS, arena, &answer, diag));
    OS_FAILPOINT("registration.issued");
    const Chancery__Ca__V1__IssueBatchResponse *m = (const Chancery__Ca__V1__IssueBatchResponse *)answer;
    if (m->n_items != n) {
        return diag_set(diag, CH_INTERNAL, "items", "ca.answer", "ca answered %zu items for %zu", m->n_items, n);
    }
    *out = m;
    return CH_OK;
}

static bool raise_attempts(struct registration *r, struct registration_item **items, size_t n)
{
    struct diag diag = {.text = ""};
    for (size_t i = 0; i < n; i++) {
        items[i]->attempt++;
    }
    enum chancery_err err = registration_store_attempts(r, items, n, &diag);
    if (err != CH_OK) {
        finish_all(r, items, n, as_away(err), &diag);
    }
    return err == CH_OK;
}

static void refuse_alone(struct registration *r, struct registration_item *item, enum chancery_err err,
                         const struct diag *diag)
{
    log_diag(LOG_LEVEL_ERROR, "registration.item_refused", err, diag);
    struct tally *t = calloc(1, sizeof *t);
    if (t == NULL) {
        registration_finish(r, item, CH_NOMEM, NULL, NULL, false);
        return;
    }
    tally_refused(t, item, err, diag, false);
    settle_tally(r, t);
    free(t);
}

/* Drives items until each is finished. Recursion depth: log2(PERMIT_BATCH_MAX) + attempts. */
static void drive_part(const struct batch *b, struct registration_item **items, size_t n)
{
    while (n > 0) {
        struct arena arena CLEANUP(arena_clear);
        struct diag diag = {.text = ""};
        const Chancery__Ca__V1__IssueBatchResponse *answer = NULL;
        arena_init(&arena, ANSWER_MAX);
        enum chancery_err err = call_ca(b, items, n, &arena, &answer, &diag);
        if (err == CH_OK) {
            n = take_answer(b->r, items, n, answer);
        } else if (as_away(err) == CH_UNAVAILABLE || err == CH_BUSY) {
            finish_all(b->r, items, n, as_away(err), &diag);
            return;
        } else if (n == 1 && ++items[0]->lone_failures >= 2) {
            refuse_alone(b->r, items[0], err, &diag);
            return;
        }
        if (n == 0 || !raise_attempts(b->r, items, n)) {
            return;
        }
        if (err != CH_OK && n > 1) {
            drive_part(b, items, n / 2);
            drive_part(b, items + n / 2, n - n / 2);
            return;
        }
    }
}

/* ---- record, statement ---- */

static size_t drop_late(struct registration *r, struct registration_item **items, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        struct rpc_call *call = items[i]->group->call;
        if (rpc_time_left_ms(call) > 0 && !rpc_cancelled(call)) {
            items[kept++] = items[i];
            continue;
        }
        struct diag diag;
        (void)diag_set(&diag, CH_DEADLINE, "", "registration.deadline", "the deadline passed before work began");
        registration_finish(r, items[i], CH_DEADLINE, &diag, NULL, false);
    }
    return kept;
}

static size_t record(struct registration *r, struct registration_item **items, size_t n)
{
    bool known[PERMIT_BATCH_MAX];
    struct diag diag = {.text = ""};
    enum chancery_err err = registration_store_new(r, items, n, known, &diag);
    if (err != CH_OK) {
        finish_all(r, items, n, as_away(err), &diag);
        return 0;
    }
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        bool drive = true;
        if (known[i]) {
            registration_resume(r, items[i], &drive);
        }
        if (drive) {
            items[kept++] = items[i];
        }
    }
    return kept;
}

static enum chancery_err state(struct registration *r, struct registration_item **items, size_t n,
                               struct buf *statement, struct buf *signature, struct diag *diag)
{
    struct permit_statement s = {.instance = slice_str(daemon_instance(r->daemon)), .n = n};
    s.issued_at_s = os_now_s();
    s.expires_at_s = s.issued_at_s + PERMIT_STATEMENT_TTL_S;
    for (size_t i = 0; i < n; i++) {
        memcpy(s.digests[i], items[i]->digest, PERMIT_DIGEST);
    }
    TRY(permit_statement_write(&s, statement));
    return hsm_sign(r->statement_key, crypto_alg_default(hsm_key_type(r->statement_key)),
                    buf_slice(statement), SIGN_MS, signature, diag);
}

void registration_drive(struct registration *r, struct registration_item **items, size_t n)
{
    n = drop_late(r, items, n);
    n = n == 0 ? 0 : record(r, items, n);
    OS_FAILPOINT("registration.recorded");
    if (n == 0) {
        return;
    }
    struct buf statement CLEANUP(buf_clear);
    struct buf signature CLEANUP(buf_clear);
    struct diag diag = {.text = ""};
    buf_init(&statement, STATEMENT_MAX);
    buf_init(&signature, 1024);
    enum chancery_err err = state(r, items, n, &statement, &signature, &diag);
    if (err != CH_OK) {
        log_diag(LOG_LEVEL_WARN, "registration.statement", err, &diag);
        finish_all(r, items, n, as_away(err), &diag);
        return;
    }
    OS_FAILPOINT("registration.stated");
    struct batch b = {.r = r, .statement = buf_slice(&statement), .signature = buf_slice(&signature)};
    drive_part(&b, items, n);
}
