/* What a call to ca decided: refusals into the log, outcomes into the rows, then answers.
 *
 * The two need each other's success as little as possible: when the log is away, refusals stay
 * open, while certificates of the same call are recorded and answered. */
#include "pending.h"

#include <stdlib.h>

#include "log/log.h"
#include "os/os.h"

struct tally {
    struct registration_outcome outcomes[PERMIT_BATCH_MAX];
    struct registration_item *decided[PERMIT_BATCH_MAX];
    bool unlogged[PERMIT_BATCH_MAX]; /* a refusal that nobody has logged yet */
    struct diag diags[PERMIT_BATCH_MAX];
    size_t n, n_diags;
    bool replayed; /* an earlier call's certificates */
};

static void add_issued(struct tally *t, struct registration_item *item,
                       const Chancery__Common__V1__Certificate *certificate)
{
    t->outcomes[t->n] = (struct registration_outcome){item->request_id, certificate, CH_OK, NULL};
    t->unlogged[t->n] = false;
    t->decided[t->n++] = item;
}

/* policy logs its own refusals; `logged` says so. */
static void add_refused(struct tally *t, struct registration_item *item, enum chancery_err err,
                        const struct diag *diag, bool logged)
{
    struct diag *kept = &t->diags[t->n_diags++];
    *kept = *diag;
    t->outcomes[t->n] =
        (struct registration_outcome){item->request_id, NULL, registration_answer_err(err), kept};
    t->unlogged[t->n] = !logged;
    t->decided[t->n++] = item;
}

/* Writes the unlogged refusals into the log. When that fails they are finished undecided and leave
 * the tally. */
static void log_refusals(struct registration *r, struct tally *t)
{
    struct registration_refusal list[PERMIT_BATCH_MAX];
    struct diag diag = {.text = ""};
    size_t n = 0, kept = 0;
    for (size_t i = 0; i < t->n; i++) {
        if (t->unlogged[i]) {
            const struct registration_item *item = t->decided[i];
            list[n++] =
                (struct registration_refusal){item->caller, item->request.profile, item->request_id,
                                              t->outcomes[i].err, t->outcomes[i].diag};
        }
    }
    enum chancery_err err = n == 0 ? CH_OK : registration_audit_refusals(r, list, n, &diag);
    if (err == CH_OK) {
        return;
    }
    for (size_t i = 0; i < t->n; i++) {
        if (t->unlogged[i]) {
            registration_finish(r, t->decided[i], registration_retry_err(err), &diag, NULL, false);
            continue;
        }
        t->outcomes[kept] = t->outcomes[i];
        t->unlogged[kept] = false;
        t->decided[kept++] = t->decided[i];
    }
    t->n = kept;
}

static void settle(struct registration *r, struct tally *t)
{
    struct diag diag = {.text = ""}, other;
    bool recorded[PERMIT_BATCH_MAX];
    log_refusals(r, t);
    enum chancery_err err =
        t->n == 0 ? CH_OK : registration_store_outcomes(r, t->outcomes, t->n, recorded, &diag);
    OS_FAILPOINT("registration.stored");
    (void)diag_set(&other, CH_UNAVAILABLE, "", "idempotency.driven",
                   "another instance has decided this request; ask again");
    for (size_t i = 0; i < t->n; i++) {
        const struct registration_outcome *o = &t->outcomes[i];
        if (err != CH_OK) {
            registration_finish(r, t->decided[i], registration_retry_err(err), &diag, NULL, false);
        } else if (!recorded[i]) {
            registration_finish(r, t->decided[i], CH_UNAVAILABLE, &other, NULL, false);
        } else {
            registration_finish(r, t->decided[i], o->err, o->diag, o->certificate, t->replayed);
        }
    }
}

/* The certificate must be for this request and key: a mix-up at ca is nobody's certificate. */
static bool belongs(const struct registration_item *item,
                    const Chancery__Common__V1__Certificate *c)
{
    return slice_eq(rpc_slice(c->request_id),
                    slice_of(item->request_id, sizeof item->request_id)) &&
           slice_eq(rpc_slice(c->spki_sha256), rpc_slice(item->request.spki_sha256));
}

/* This attempt was voided because an earlier one, whose answer was lost, has been issued: that is
 * the outcome. */
static bool adopt_issued(struct registration *r, struct registration_item *item)
{
    struct arena arena CLEANUP(arena_clear);
    struct diag diag = {.text = ""};
    const Chancery__Common__V1__Certificate *certificate = NULL;
    arena_init(&arena, 0);
    if (registration_find_issued(r, item->request_id, &arena, &certificate, &diag) != CH_OK) {
        return false;
    }
    registration_settle_issued(r, item, certificate, true);
    return true;
}

/* The judge misses nothing but approvals. Without a key nobody could ask for the outcome. */
static void hold(struct registration *r, struct tally *t, struct registration_item *item,
                 const Chancery__Ca__V1__IssueResult *result, const struct diag *judge)
{
    struct diag diag;
    if (item->key[0] != '\0') {
        registration_pending_hold(r, item, result, judge);
        return;
    }
    (void)diag_set(&diag, CH_PRECONDITION, "idempotency_key", "approval.key_missing",
                   "this request %s: send it with an idempotency key, so that it can be asked for "
                   "again",
                   judge->text);
    add_refused(t, item, CH_PRECONDITION, &diag, false);
}

/* Takes one result into the tally, or finishes the item. true: to be tried again. */
static bool take_result(struct registration *r, struct tally *t, struct registration_item *item,
                        const Chancery__Ca__V1__IssueResult *result)
{
    struct diag diag = {.text = ""};
    enum chancery_err err = rpc_error_read(result->error, &diag);
    if (result->outcome == CHANCERY__CA__V1__ISSUE_OUTCOME__ISSUE_OUTCOME_ISSUED &&
        result->certificate != NULL) {
        if (belongs(item, result->certificate)) {
            add_issued(t, item, result->certificate);
            return false;
        }
        err = diag_set(&diag, CH_INTEGRITY, "certificate", "ca.answer",
                       "ca answered with another request's certificate");
        log_diag(LOG_LEVEL_ERROR, "registration.mixed_up", err, &diag);
        registration_finish(r, item, err, &diag, NULL, false);
        return false;
    }
    if (result->outcome == CHANCERY__CA__V1__ISSUE_OUTCOME__ISSUE_OUTCOME_REFUSED && err != CH_OK) {
        if (err == CH_BUSY || err == CH_UNAVAILABLE) { /* not yet: the same key may ask again */
            registration_finish(r, item, err, &diag, NULL, false);
            return false;
        }
        if (err == CH_PRECONDITION && strcmp(diag.rule, "approval.pending") == 0) {
            hold(r, t, item, result, &diag);
            return false;
        }
        add_refused(t, item, err, &diag, result->n_rules > 0);
        return false;
    }
    if (err == CH_EXISTS && strcmp(diag.rule, "ca.request_issued") == 0 && adopt_issued(r, item)) {
        return false;
    }
    if (++item->voids < REGISTRATION_ATTEMPTS_MAX) {
        return true;
    }
    registration_finish(r, item, CH_UNAVAILABLE, &diag, NULL, false);
    return false;
}

static struct tally *tally_new(struct registration *r, struct registration_item **items, size_t n)
{
    struct tally *t = calloc(1, sizeof *t);
    if (t == NULL) {
        registration_finish_all(r, items, n, CH_UNAVAILABLE, NULL);
    }
    return t;
}

size_t registration_settle(struct registration *r, struct registration_item **items, size_t n,
                           const Chancery__Ca__V1__IssueBatchResponse *answer)
{
    struct tally *t = tally_new(r, items, n);
    size_t again = 0;
    if (t == NULL) {
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        struct registration_item *item = items[i];
        if (take_result(r, t, item, answer->items[i])) {
            items[again++] = item;
        }
    }
    settle(r, t);
    free(t);
    return again;
}

void registration_settle_issued(struct registration *r, struct registration_item *item,
                                const Chancery__Common__V1__Certificate *certificate, bool replayed)
{
    struct tally *t = tally_new(r, &item, 1);
    if (t != NULL) {
        t->replayed = replayed;
        add_issued(t, item, certificate);
        settle(r, t);
        free(t);
    }
}

void registration_settle_poisonous(struct registration *r, struct registration_item *item,
                                   enum chancery_err why, const struct diag *detail)
{
    struct diag diag;
    struct tally *t = tally_new(r, &item, 1);
    if (t != NULL) {
        log_diag(LOG_LEVEL_ERROR, "registration.poisonous", why, detail);
        (void)diag_set(&diag, CH_REFUSED, "", "request.fails_alone",
                       "this request failed twice on its own (%s) and was refused", err_name(why));
        add_refused(t, item, CH_REFUSED, &diag, false);
        settle(r, t);
        free(t);
    }
}

void registration_settle_other_content(struct registration *r, struct registration_item **items,
                                       size_t n)
{
    struct registration_refusal list[PERMIT_BATCH_MAX];
    struct diag diag, failure = {.text = ""};
    if (n == 0) {
        return;
    }
    (void)diag_set(&diag, CH_EXISTS, "idempotency_key", "idempotency.content",
                   "this key was used for another request; choose a new one");
    for (size_t i = 0; i < n; i++) {
        list[i] = (struct registration_refusal){items[i]->caller, items[i]->request.profile, NULL,
                                                CH_EXISTS, &diag};
    }
    enum chancery_err err = registration_audit_refusals(r, list, n, &failure);
    if (err != CH_OK) {
        registration_finish_all(r, items, n, registration_retry_err(err), &failure);
        return;
    }
    registration_finish_all(r, items, n, CH_EXISTS, &diag);
}
