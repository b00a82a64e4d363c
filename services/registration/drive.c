/* A batch from record to answer: rows, statement, calls to ca, bisection. What calls decide is
 * settled in settle.c.
 *
 * A call that fails because a part is away fails all its items with UNAVAILABLE: nothing was
 * decided, the rows stay open, and the same idempotency key drives on. A call that fails for
 * another reason is retried as two halves; an item that fails alone twice is refused and logged. */
#include "registration.h"

#include <stdatomic.h>

#include "crypto/alg.h"
#include "log/log.h"
#include "os/os.h"

#define STATEMENT_MAX 4096
#define SIGN_MS 5000
#define FAILURE_LOG_MS 1000
#define ANSWER_MAX ((size_t)32 << 20)

struct batch {
    struct registration *r;
    struct slice statement, signature;
    int64_t until_ms; /* no call begins later (monotonic) */
};

void registration_finish_all(struct registration *r, struct registration_item **items, size_t n,
                             enum chancery_err err, const struct diag *diag)
{
    for (size_t i = 0; i < n; i++) {
        registration_finish(r, items[i], err, diag, NULL, false);
    }
}

/* Failures of a whole call that say nothing about its items: a part is away or busy, or ca accepts
 * neither our identity nor our statement. Anything else may be one item's doing. */
static bool is_away(enum chancery_err err)
{
    switch (err) {
    case CH_UNAVAILABLE:
    case CH_BUSY:
    case CH_DEADLINE:
    case CH_UNKNOWN:
    case CH_CANCELLED:
    case CH_CONFLICT:
    case CH_HSM:
    case CH_DB:
    case CH_IO:
    case CH_NOMEM:
    case CH_PRECONDITION:
    case CH_CRYPTO:
    case CH_DENIED:
    case CH_UNAUTHENTICATED:
    case CH_UNSUPPORTED:
        return true;
    default:
        return false;
    }
}

/* ---- calling ca ---- */

static enum chancery_err call_ca(const struct batch *b, struct registration_item **items, size_t n,
                                 struct arena *arena,
                                 const Chancery__Ca__V1__IssueBatchResponse **out,
                                 struct diag *diag)
{
    Chancery__Ca__V1__IssueBatchRequest req = CHANCERY__CA__V1__ISSUE_BATCH_REQUEST__INIT;
    Chancery__Ca__V1__IssueItem rows[PERMIT_BATCH_MAX];
    Chancery__Ca__V1__IssueItem *list[PERMIT_BATCH_MAX];
    for (size_t i = 0; i < n; i++) {
        chancery__ca__v1__issue_item__init(&rows[i]);
        rows[i].request = &items[i]->request;
        rows[i].pkcs10 =
            (ProtobufCBinaryData){items[i]->pkcs10.len, (uint8_t *)(uintptr_t)items[i]->pkcs10.ptr};
        rows[i].attempt = items[i]->attempt;
        rows[i].approvals = items[i]->approvals;
        rows[i].n_approvals = items[i]->n_approvals;
        list[i] = &rows[i];
    }
    req.statement = (ProtobufCBinaryData){b->statement.len, (uint8_t *)(uintptr_t)b->statement.ptr};
    req.statement_signature =
        (ProtobufCBinaryData){b->signature.len, (uint8_t *)(uintptr_t)b->signature.ptr};
    req.items = list;
    req.n_items = n;
    ProtobufCMessage *answer = NULL;
    TRY(rpc_call_unary(b->r->ca, &chancery__ca__v1__ca_service__descriptor, "IssueBatch", &req.base,
                       REGISTRATION_CA_MS, arena, &answer, diag));
    OS_FAILPOINT("registration.issued");
    const Chancery__Ca__V1__IssueBatchResponse *m =
        (const Chancery__Ca__V1__IssueBatchResponse *)answer;
    if (m->n_items != n) {
        return diag_set(diag, CH_INTERNAL, "items", "ca.answer", "ca answered %zu items for %zu",
                        m->n_items, n);
    }
    *out = m;
    return CH_OK;
}

/* Raises attempts for the next call. Returns how many items are still ours, moved to the front. */
static size_t raise_attempts(struct registration *r, struct registration_item **items, size_t n)
{
    struct diag diag = {.text = ""};
    bool ours[PERMIT_BATCH_MAX];
    for (size_t i = 0; i < n; i++) {
        items[i]->attempt++;
    }
    enum chancery_err err = registration_store_attempts(r, items, n, ours, &diag);
    if (err != CH_OK) {
        registration_finish_all(r, items, n, registration_retry_err(err), &diag);
        return 0;
    }
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (ours[i]) {
            items[kept++] = items[i];
            continue;
        }
        (void)diag_set(&diag, CH_UNAVAILABLE, "", "idempotency.driven",
                       "another instance has taken this request over; ask again in a moment");
        registration_finish(r, items[i], CH_UNAVAILABLE, &diag, NULL, false);
    }
    return kept;
}

/* A call with this item alone failed. Whether to try again: ca may have issued it all the same, and
 * an item that fails twice is refused. */
static bool failed_alone(const struct batch *b, struct registration_item *item,
                         enum chancery_err err, const struct diag *why)
{
    struct arena arena CLEANUP(arena_clear);
    struct diag diag = {.text = ""};
    const Chancery__Common__V1__Certificate *certificate = NULL;
    arena_init(&arena, 0);
    enum chancery_err found =
        registration_find_issued(b->r, item->request_id, &arena, &certificate, &diag);
    if (found == CH_OK) {
        registration_settle_issued(b->r, item, certificate, false);
        return false;
    }
    if (found != CH_NOT_FOUND) {
        registration_finish(b->r, item, CH_UNAVAILABLE, &diag, NULL, false);
        return false;
    }
    if (++item->lone_failures >= 2) {
        registration_settle_poisonous(b->r, item, err, why);
        return false;
    }
    return true;
}

/* While a part is away every call fails for the same reason: said once a second. */
static void log_failure(enum chancery_err err, const struct diag *diag)
{
    static atomic_int_fast64_t next_ms;
    int_fast64_t now = os_mono_ms(), next = atomic_load(&next_ms);
    if (!is_away(err) ||
        (now >= next && atomic_compare_exchange_strong(&next_ms, &next, now + FAILURE_LOG_MS))) {
        log_diag(LOG_LEVEL_WARN, "registration.call_failed", err, diag);
    }
}

/* Drives items until each is finished. Recursion depth: log2(PERMIT_BATCH_MAX). */
static void drive_part(const struct batch *b, struct registration_item **items, size_t n)
{
    while (n > 0) {
        struct arena arena CLEANUP(arena_clear);
        struct diag diag = {.text = ""};
        const Chancery__Ca__V1__IssueBatchResponse *answer = NULL;
        arena_init(&arena, ANSWER_MAX);
        enum chancery_err err =
            os_mono_ms() < b->until_ms
                ? call_ca(b, items, n, &arena, &answer, &diag)
                : diag_set(
                      &diag, CH_DEADLINE, "", "registration.slow",
                      "this batch has taken too long; ask again with the same idempotency key");
        if (err == CH_OK) {
            n = registration_settle(b->r, items, n, answer);
        } else {
            log_failure(err, &diag);
        }
        if (err != CH_OK && is_away(err)) {
            registration_finish_all(b->r, items, n, registration_retry_err(err), &diag);
            return;
        }
        if (err != CH_OK && n == 1 && !failed_alone(b, items[0], err, &diag)) {
            return;
        }
        n = n == 0 ? 0 : raise_attempts(b->r, items, n);
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
        (void)diag_set(&diag, CH_DEADLINE, "", "registration.deadline",
                       "the deadline passed before work began");
        registration_abandon(r, items[i], CH_DEADLINE, &diag);
    }
    return kept;
}

/* Moves the items whose key is known to belong to another request to `other`. */
static size_t split_other(struct registration_item **items, size_t n,
                          struct registration_item **other, size_t *n_other)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (items[i]->other_content) {
            other[(*n_other)++] = items[i];
        } else {
            items[kept++] = items[i];
        }
    }
    return kept;
}

/* Rows of new items are made durable; known ones are replayed or taken over. Returns how many are
 * to be driven, moved to the front. */
static size_t record(struct registration *r, struct registration_item **items, size_t n)
{
    struct registration_item *other[PERMIT_BATCH_MAX];
    bool known[PERMIT_BATCH_MAX], ca_away = false;
    size_t n_other = 0, kept = 0;
    struct diag diag = {.text = ""};
    n = split_other(items, n, other, &n_other);
    enum chancery_err err = n == 0 ? CH_OK : registration_store_new(r, items, n, known, &diag);
    if (err != CH_OK) {
        registration_finish_all(r, items, n, registration_retry_err(err), &diag);
        n = 0;
    }
    for (size_t i = 0; i < n; i++) {
        enum registration_next next =
            known[i] ? registration_resume(r, items[i], &ca_away) : REGISTRATION_DRIVE;
        if (next == REGISTRATION_DRIVE) {
            items[kept++] = items[i];
        } else if (next == REGISTRATION_OTHER_CONTENT) {
            other[n_other++] = items[i];
        }
    }
    registration_settle_other_content(r, other, n_other);
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
        registration_finish_all(r, items, n, err == CH_BUSY ? CH_BUSY : CH_UNAVAILABLE, &diag);
        return;
    }
    OS_FAILPOINT("registration.stated");
    struct batch b = {.r = r,
                      .statement = buf_slice(&statement),
                      .signature = buf_slice(&signature),
                      .until_ms = os_mono_ms() + REGISTRATION_DRIVE_MS};
    drive_part(&b, items, n);
}
