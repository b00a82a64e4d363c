/* The fake chancery-ca; see fake_ca.h. */
#include "fake_ca.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "chancery/ca/v1/ca.pb-c.h"
#include "fixture.h"
#include "os/os.h"
#include "permit/permit.h"

#define SEEN_MAX 20000

typedef Chancery__Ca__V1__IssueBatchRequest issue_request;
typedef Chancery__Ca__V1__IssueBatchResponse issue_response;
typedef Chancery__Ca__V1__IssueResult issue_result;
typedef Chancery__Common__V1__Certificate certificate;

struct seen {
    uint8_t request_id[16], spki[32], serial[16];
    uint32_t attempt;
    bool issued;
};

static struct {
    struct rpc_server *server;
    struct crypto_public *key;
    atomic_int fail;
    atomic_bool hold;
    atomic_uint calls, inside, finds, items, largest, last_attempt, wrong;
    pthread_mutex_t lock;
    struct seen *seen;
    size_t n;
} f = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void fill(struct arena *arena, certificate *c, const struct seen *s)
{
    chancery__common__v1__certificate__init(c);
    c->issuer_id = arena_str(arena, slice_str("issuing-1"));
    c->profile = arena_str(arena, slice_str("fake"));
    c->serial = rpc_bytes(arena, slice_of(s->serial, sizeof s->serial));
    c->request_id = rpc_bytes(arena, slice_of(s->request_id, sizeof s->request_id));
    c->spki_sha256 = rpc_bytes(arena, slice_of(s->spki, sizeof s->spki));
    c->der = rpc_bytes(arena, slice_str("no certificate: a fake ca made this"));
    c->n_names = 1;
    c->names = arena_alloc(arena, sizeof *c->names);
    c->names[0] = arena_str(arena, slice_str("DNS:host.example"));
}

static struct seen *remember(const Chancery__Ca__V1__IssueItem *item)
{
    pthread_mutex_lock(&f.lock);
    struct seen *s = &f.seen[f.n];
    assert_true(f.n < SEEN_MAX);
    for (size_t i = 0; i < f.n; i++) {
        if (memcmp(f.seen[i].request_id, item->request->request_id.data, 16) == 0 &&
            f.seen[i].attempt == item->attempt) {
            atomic_fetch_add(&f.wrong, 1); /* the real one's (request id, attempt) is unique */
        }
    }
    memcpy(s->request_id, item->request->request_id.data, 16);
    memcpy(s->spki, item->request->spki_sha256.data, 32);
    os_random(s->serial, sizeof s->serial);
    s->serial[0] = (uint8_t)(s->serial[0] % 0x7f + 1);
    s->attempt = item->attempt;
    s->issued = false;
    f.n++;
    pthread_mutex_unlock(&f.lock);
    return s;
}

static void issue(struct arena *arena, issue_result *out, struct seen *s)
{
    pthread_mutex_lock(&f.lock);
    s->issued = true;
    pthread_mutex_unlock(&f.lock);
    out->outcome = CHANCERY__CA__V1__ISSUE_OUTCOME__ISSUE_OUTCOME_ISSUED;
    out->certificate = arena_alloc(arena, sizeof *out->certificate);
    fill(arena, out->certificate, s);
}

static void end(struct arena *arena, issue_result *out, Chancery__Ca__V1__IssueOutcome outcome,
                enum chancery_err err, const char *rule)
{
    struct diag diag;
    out->outcome = outcome;
    (void)diag_set(&diag, err, "csr", rule, "the fake ca says so");
    out->error = rpc_error_detail(arena, err, &diag);
    if (err == CH_REFUSED) {
        Chancery__Common__V1__RuleResult *r = arena_alloc(arena, sizeof *r);
        chancery__common__v1__rule_result__init(r);
        out->rules = arena_alloc(arena, sizeof *out->rules);
        out->rules[0] = r;
        out->n_rules = 1;
    }
}

static void add_rule(struct arena *arena, issue_result *out, const char *rule, const char *field)
{
    Chancery__Common__V1__RuleResult *r = arena_alloc(arena, sizeof *r);
    chancery__common__v1__rule_result__init(r);
    r->rule = (char *)(uintptr_t)rule;
    r->field = (char *)(uintptr_t)field;
    if (out->rules == NULL) {
        out->rules = arena_alloc(arena, 8 * sizeof *out->rules);
    }
    out->rules[out->n_rules++] = r;
}

/* One item; the error is the whole call's. */
static enum chancery_err run_item(struct arena *arena, const Chancery__Ca__V1__IssueItem *item,
                                  issue_result *out)
{
    const char *profile = item->request->profile;
    struct seen *s = remember(item);
    atomic_store(&f.last_attempt, item->attempt);
    if (strcmp(profile, "refuse") == 0) {
        end(arena, out, CHANCERY__CA__V1__ISSUE_OUTCOME__ISSUE_OUTCOME_REFUSED, CH_CRYPTO,
            "csr.signature");
        return CH_OK;
    }
    if (strcmp(profile, "refuse-logged") == 0) {
        end(arena, out, CHANCERY__CA__V1__ISSUE_OUTCOME__ISSUE_OUTCOME_REFUSED, CH_REFUSED,
            "san.dns.allowed");
        return CH_OK;
    }
    if (strcmp(profile, "later") == 0 && item->attempt == 1) {
        end(arena, out, CHANCERY__CA__V1__ISSUE_OUTCOME__ISSUE_OUTCOME_REFUSED, CH_BUSY,
            "limit.requester.rate");
        out->error->retry_after_s = 36;
        return CH_OK;
    }
    if (strncmp(profile, "approve-", 8) == 0 && item->n_approvals < (size_t)(profile[8] - '0')) {
        end(arena, out, CHANCERY__CA__V1__ISSUE_OUTCOME__ISSUE_OUTCOME_REFUSED, CH_PRECONDITION,
            "approval.pending");
        add_rule(arena, out, "approval.quorum", "approvals.owner");
        add_rule(arena, out, "approval.quorum", "approvals.security");
        add_rule(arena, out, "approval.needed", "approvals");
        return CH_OK;
    }
    if (strncmp(profile, "void-", 5) == 0 && item->attempt < (unsigned)(profile[5] - '0')) {
        end(arena, out, CHANCERY__CA__V1__ISSUE_OUTCOME__ISSUE_OUTCOME_VOIDED, CH_UNKNOWN,
            "signer.result");
        return CH_OK;
    }
    if (strcmp(profile, "poison") == 0) {
        return CH_INTERNAL;
    }
    issue(arena, out, s);
    if (strcmp(profile, "poison-issued") == 0) {
        return CH_INTERNAL;
    }
    if (strcmp(profile, "lost") == 0 && item->attempt == 1) {
        return CH_UNAVAILABLE;
    }
    if (strcmp(profile, "mixed-up") == 0) {
        out->certificate->request_id.data[0] ^= 1;
    }
    return CH_OK;
}

static bool covered(const Chancery__Ca__V1__IssueItem *item,
                    const struct permit_statement *statement)
{
    CLEANUP(arena_clear) struct arena arena = {0};
    struct permit_request request;
    uint8_t digest[PERMIT_DIGEST];
    if (permit_request_from_proto(item->request, &arena, &request, NULL) != CH_OK ||
        permit_request_digest(&request, digest, NULL) != CH_OK) {
        return false;
    }
    for (size_t i = 0; i < statement->n; i++) {
        if (memcmp(statement->digests[i], digest, PERMIT_DIGEST) == 0) {
            return true;
        }
    }
    return false;
}

static enum chancery_err check_statement(const issue_request *in)
{
    struct permit_statement statement;
    enum chancery_err err =
        permit_statement_check(rpc_slice(in->statement), rpc_slice(in->statement_signature), &f.key,
                               1, os_now_s(), &statement, NULL);
    for (size_t i = 0; err == CH_OK && i < in->n_items; i++) {
        err = covered(in->items[i], &statement) ? CH_OK : CH_CRYPTO;
    }
    atomic_fetch_add(&f.wrong, err == CH_OK ? 0 : 1);
    return err;
}

static void hold(const issue_request *in)
{
    bool held = false;
    for (size_t i = 0; i < in->n_items; i++) {
        held = held || strcmp(in->items[i]->request->profile, "hold") == 0;
    }
    if (held) {
        atomic_fetch_add(&f.inside, 1);
        while (atomic_load(&f.hold)) {
            (void)sched_yield();
        }
        atomic_fetch_sub(&f.inside, 1);
    }
}

static enum chancery_err issue_batch(struct rpc_call *call, const ProtobufCMessage *message,
                                     ProtobufCMessage *answer, void *ctx)
{
    const issue_request *in = (const issue_request *)message;
    issue_response *out = (issue_response *)answer;
    struct arena *arena = rpc_arena(call);
    enum chancery_err whole = CH_OK;
    (void)ctx;
    if (atomic_load(&f.fail) != CH_OK) {
        return (enum chancery_err)atomic_load(&f.fail);
    }
    atomic_fetch_add(&f.calls, 1);
    atomic_fetch_add(&f.items, (unsigned)in->n_items);
    if (in->n_items > atomic_load(&f.largest)) {
        atomic_store(&f.largest, (unsigned)in->n_items);
    }
    TRY(check_statement(in));
    hold(in);
    out->items = arena_alloc(arena, in->n_items * sizeof *out->items);
    for (size_t i = 0; i < in->n_items; i++) {
        issue_result *result = arena_alloc(arena, sizeof *result);
        chancery__ca__v1__issue_result__init(result);
        enum chancery_err err = run_item(arena, in->items[i], result);
        whole = whole == CH_OK ? err : whole;
        out->items[i] = result;
    }
    out->n_items = in->n_items;
    return whole;
}

static enum chancery_err find(struct rpc_call *call, const ProtobufCMessage *message,
                              ProtobufCMessage *answer, void *ctx)
{
    const Chancery__Ca__V1__FindCertificatesRequest *in =
        (const Chancery__Ca__V1__FindCertificatesRequest *)message;
    Chancery__Ca__V1__FindCertificatesResponse *out =
        (Chancery__Ca__V1__FindCertificatesResponse *)answer;
    struct arena *arena = rpc_arena(call);
    (void)ctx;
    if (atomic_load(&f.fail) != CH_OK) {
        return (enum chancery_err)atomic_load(&f.fail);
    }
    atomic_fetch_add(&f.finds, 1);
    out->certificates = arena_alloc(arena, sizeof *out->certificates);
    pthread_mutex_lock(&f.lock);
    for (size_t i = f.n; i-- > 0 && out->n_certificates == 0;) {
        const struct seen *s = &f.seen[i];
        bool match = in->serial.len > 0
                         ? slice_eq(rpc_slice(in->serial), slice_of(s->serial, sizeof s->serial))
                         : slice_eq(rpc_slice(in->request_id), slice_of(s->request_id, 16));
        if (s->issued && match) {
            out->certificates[0] = arena_alloc(arena, sizeof **out->certificates);
            fill(arena, out->certificates[0], s);
            out->n_certificates = 1;
        }
    }
    pthread_mutex_unlock(&f.lock);
    return CH_OK;
}

static const char *const callers[] = {"/chancery/registration", NULL};
static const struct rpc_method methods[] = {{"IssueBatch", RPC_UNARY, issue_batch, callers},
                                            {"FindCertificates", RPC_UNARY, find, callers}};

void fake_ca_start(const char *identity_dir, const char *address,
                   struct crypto_public *statement_key)
{
    struct rpc_server_opts o = {.tls = {identity_dir, NULL}, .trust_domain = TD, .workers = 16};
    f.key = statement_key;
    f.seen = calloc(SEEN_MAX, sizeof *f.seen);
    assert_non_null(f.seen);
    MUST(rpc_server_new(&o, &f.server, NULL));
    MUST(rpc_server_add(f.server, &chancery__ca__v1__ca_service__descriptor, methods, 2, NULL));
    MUST(rpc_server_listen(f.server, address, NULL, NULL));
    MUST(rpc_server_start(f.server, NULL));
    rpc_server_set_ready(f.server, true);
}

void fake_ca_stop(void)
{
    if (f.server != NULL) {
        rpc_server_stop(f.server);
        rpc_server_free(f.server);
        f.server = NULL;
    }
    crypto_public_free(f.key);
    free(f.seen);
    f.seen = NULL;
}

void fake_ca_fail(enum chancery_err err)
{
    atomic_store(&f.fail, (int)err);
}

void fake_ca_hold(bool on)
{
    atomic_store(&f.hold, on);
}

unsigned fake_ca_calls(void)
{
    return atomic_load(&f.calls);
}

unsigned fake_ca_inside(void)
{
    return atomic_load(&f.inside);
}

unsigned fake_ca_finds(void)
{
    return atomic_load(&f.finds);
}

unsigned fake_ca_items(void)
{
    return atomic_load(&f.items);
}

unsigned fake_ca_largest(void)
{
    return atomic_load(&f.largest);
}

unsigned fake_ca_last_attempt(void)
{
    return atomic_load(&f.last_attempt);
}

unsigned fake_ca_wrong(void)
{
    return atomic_load(&f.wrong);
}
