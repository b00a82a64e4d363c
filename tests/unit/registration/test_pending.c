/* Requests that wait for approvals: held, shown, approved, asked about again. The ca behind is a
 * fake that counts approvals and believes all of them. */
#include "fixture.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <sched.h>
#include <stdio.h>

#include "approval/approval.h"
#include "fake_ca.h"
#include "os/os.h"
#include "pending.h"

typedef Chancery__Registration__V1__PendingRequest pending_request;

static const ProtobufCServiceDescriptor *const service =
    &chancery__registration__v1__registration_service__descriptor;

/* ---- helpers ---- */

struct officer {
    EVP_PKEY *key;
    uint8_t *spki;
    size_t spki_len;
};

static void officer_make(struct officer *o)
{
    o->key = EVP_EC_gen("P-256");
    o->spki = NULL;
    int n = i2d_PUBKEY(o->key, &o->spki);
    assert_true(n > 0);
    o->spki_len = (size_t)n;
}

static void officer_clear(struct officer *o)
{
    EVP_PKEY_free(o->key);
    OPENSSL_free(o->spki);
}

static void expect(const struct answer *a, enum chancery_err err, const char *rule)
{
    if (a->err != err || strcmp(a->diag.rule, rule) != 0) {
        fail_msg("wanted %s %s, got %s %s: %s", err_name(err), rule, err_name(a->err), a->diag.rule,
                 a->diag.text);
    }
}

/* Asks, and gives the request id out of the field "pending.<id>" of the error. */
static void ask_pending(const struct ask *ask, uint8_t id[16])
{
    struct answer a;
    size_t n = 0;
    enroll(ask, &a);
    expect(&a, CH_PRECONDITION, "approval.pending");
    assert_int_equal(strncmp(a.diag.field, "pending.", 8), 0);
    assert_int_equal(hex_decode(slice_str(a.diag.field + 8), id, 16, &n), CH_OK);
    assert_int_equal(n, 16);
    assert_non_null(strstr(a.diag.text, a.diag.field + 8));
    answer_clear(&a);
}

static enum chancery_err get(const uint8_t id[16], struct arena *arena, pending_request **out,
                             struct diag *diag)
{
    Chancery__Registration__V1__GetPendingRequest q =
        CHANCERY__REGISTRATION__V1__GET_PENDING_REQUEST__INIT;
    ProtobufCMessage *m = NULL;
    q.request_id = (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t)id};
    TRY(rpc_call_unary(fixture_channel("/user/bob"), service, "GetPending", &q.base, 30000, arena,
                       &m, diag));
    *out = ((Chancery__Registration__V1__GetPendingResponse *)m)->request;
    return CH_OK;
}

/* A paper that is right unless the test changes it. */
struct paper {
    struct approval a;
    uint8_t id[16];
    uint8_t bytes[APPROVAL_MAX], signature[APPROVAL_SIGNATURE_MAX];
    size_t len, signature_len;
};

static void paper_for(struct paper *p, const uint8_t id[16], const struct officer *o)
{
    struct arena arena = {0};
    struct diag d = {.text = ""};
    pending_request *m = NULL;
    MUST(get(id, &arena, &m, &d));
    *p = (struct paper){.a = {.purpose = APPROVAL_REQUEST,
                              .decision = APPROVAL_APPROVE,
                              .step = slice_str("owner"),
                              .issued_at_s = os_now_s(),
                              .expires_at_s = os_now_s() + 3600}};
    memcpy(p->id, id, 16);
    memcpy(p->a.subject, m->digest.data, 32);
    crypto_sha256(slice_of(o->spki, o->spki_len), p->a.approver);
    arena_clear(&arena);
}

static void paper_sign(struct paper *p, const struct officer *o)
{
    struct buf b CLEANUP(buf_clear);
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    buf_init(&b, APPROVAL_MAX);
    MUST(approval_write(&p->a, &b, NULL));
    memcpy(p->bytes, b.ptr, b.len);
    p->len = b.len;
    p->signature_len = sizeof p->signature;
    assert_int_equal(EVP_DigestSignInit(c, NULL, EVP_sha256(), NULL, o->key), 1);
    assert_int_equal(EVP_DigestSign(c, p->signature, &p->signature_len, b.ptr, b.len), 1);
    EVP_MD_CTX_free(c);
}

static enum chancery_err submit(const char *path, const struct paper *p, const struct officer *o,
                                struct diag *diag, bool *already)
{
    Chancery__Registration__V1__ApproveRequest q =
        CHANCERY__REGISTRATION__V1__APPROVE_REQUEST__INIT;
    Chancery__Common__V1__Approval a = CHANCERY__COMMON__V1__APPROVAL__INIT;
    struct arena arena = {0};
    ProtobufCMessage *m = NULL;
    a.approval = (ProtobufCBinaryData){p->len, (uint8_t *)(uintptr_t)p->bytes};
    a.signature = (ProtobufCBinaryData){p->signature_len, (uint8_t *)(uintptr_t)p->signature};
    q.request_id = (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t)p->id};
    q.approval = &a;
    q.approver_spki = (ProtobufCBinaryData){o->spki_len, o->spki};
    enum chancery_err err =
        rpc_call_unary(fixture_channel(path), service, "Approve", &q.base, 30000, &arena, &m, diag);
    if (err == CH_OK && already != NULL) {
        *already = ((Chancery__Registration__V1__ApproveResponse *)m)->already;
    }
    arena_clear(&arena);
    return err;
}

static void approve(const uint8_t id[16], const struct officer *o)
{
    struct paper p;
    struct diag d = {.text = ""};
    paper_for(&p, id, o);
    paper_sign(&p, o);
    if (submit("/user/bob", &p, o, &d, NULL) != CH_OK) {
        fail_msg("%s: %s", d.rule, d.text);
    }
}

/* ---- tests ---- */

static void request_waits_keeps_its_digest_and_is_issued(void **state)
{
    (void)state;
    struct ask ask = {.profile = "approve-2", .key = "cycle", .csr = 1};
    struct officer o[2];
    struct answer a;
    struct arena arena = {0};
    struct diag d;
    pending_request *m = NULL;
    uint8_t id[16], again[16], digest[32];
    unsigned approvals = fixture_entries("approval");
    officer_make(&o[0]);
    officer_make(&o[1]);
    ask_pending(&ask, id);
    MUST(get(id, &arena, &m, &d));
    memcpy(digest, m->digest.data, 32);
    assert_string_equal(m->state, "pending");
    assert_string_equal(m->request->profile, "approve-2");
    assert_int_equal(m->n_steps, 2);
    assert_string_equal(m->steps[0], "owner");
    assert_string_equal(m->steps[1], "security");
    assert_int_equal(m->expires_at_s, m->since_s + REGISTRATION_PENDING_KEEP_S);
    approve(id, &o[0]);
    fixture_renew("/user/alice"); /* the caller's certificate is another one now */
    ask_pending(&ask, again);
    assert_memory_equal(id, again, 16);
    approve(id, &o[1]);
    MUST(get(id, &arena, &m, &d));
    assert_memory_equal(m->digest.data, digest, 32);
    assert_int_equal(m->n_approvals, 2);
    assert_int_equal(m->approval_count, 2);
    assert_string_equal(m->approvals[0]->submitter, "spiffe://" TD "/user/bob");
    assert_int_equal(fixture_entries("approval"), approvals + 2);
    enroll(&ask, &a);
    expect(&a, CH_OK, "");
    assert_memory_equal(a.response->request_id.data, id, 16);
    assert_memory_equal(a.response->certificate->request_id.data, id, 16);
    answer_clear(&a);
    enroll(&ask, &a); /* and replayed from now on */
    expect(&a, CH_OK, "");
    assert_true(a.response->replayed);
    answer_clear(&a);
    MUST(get(id, &arena, &m, &d));
    assert_string_equal(m->state, "issued");
    arena_clear(&arena);
    officer_clear(&o[0]);
    officer_clear(&o[1]);
}

static void asking_again_without_news_does_not_ask_the_judge(void **state)
{
    (void)state;
    struct ask ask = {.profile = "approve-1", .key = "poll", .csr = 1};
    uint8_t id[16];
    ask_pending(&ask, id);
    unsigned calls = fake_ca_calls();
    for (int i = 0; i < 3; i++) {
        ask_pending(&ask, id);
    }
    assert_int_equal(fake_ca_calls(), calls);
    /* After a minute the judge is asked again: another bundle may want fewer. */
    (void)fixture_number("UPDATE registration.pending SET asked_at_s = asked_at_s - 61"
                         " WHERE profile = 'approve-1' RETURNING 1");
    ask_pending(&ask, id);
    assert_int_equal(fake_ca_calls(), calls + 1);
}

static void other_content_under_the_key_is_refused(void **state)
{
    (void)state;
    struct ask ask = {.profile = "approve-1", .key = "pending-content", .csr = 1};
    struct answer a;
    uint8_t id[16];
    ask_pending(&ask, id);
    ask.csr = 2;
    enroll(&ask, &a);
    expect(&a, CH_EXISTS, "idempotency.content");
    answer_clear(&a);
}

static void without_key_nobody_could_ask_again(void **state)
{
    (void)state;
    struct ask ask = {.profile = "approve-1", .csr = 3};
    struct answer a;
    unsigned refusals = fixture_refusals("approval.key_missing");
    enroll(&ask, &a);
    expect(&a, CH_PRECONDITION, "approval.key_missing");
    assert_int_equal(fixture_refusals("approval.key_missing"), refusals + 1);
    answer_clear(&a);
}

static void altered_store_is_noticed(void **state)
{
    (void)state;
    struct ask ask = {.profile = "approve-1", .key = "altered", .csr = 4};
    struct officer o;
    struct answer a;
    uint8_t id[16];
    officer_make(&o);
    ask_pending(&ask, id);
    approve(id, &o);
    /* Somebody with the database puts another request in the place of the stated one. */
    (void)fixture_number(
        "UPDATE registration.pending p SET request = o.request FROM registration.pending o"
        " WHERE o.request_id <> p.request_id AND p.request_id ="
        " (SELECT request_id FROM registration.request WHERE idempotency_key = 'altered')"
        " RETURNING 1");
    unsigned items = fake_ca_items();
    enroll(&ask, &a);
    expect(&a, CH_INTEGRITY, "approval.request");
    assert_int_equal(fake_ca_items(), items);
    answer_clear(&a);
    officer_clear(&o);
}

static void want_refused(const struct paper *p, const char *path, const struct officer *o,
                         enum chancery_err err, const char *rule)
{
    struct diag d = {.rule = ""};
    unsigned refusals = fixture_refusals(rule);
    assert_int_equal(submit(path, p, o, &d, NULL), err);
    assert_string_equal(d.rule, rule);
    assert_int_equal(fixture_refusals(rule), refusals + 1);
}

static void obviously_bad_papers_are_refused_and_logged(void **state)
{
    (void)state;
    struct ask ask = {.profile = "approve-1", .key = "bad-papers", .csr = 5};
    struct officer o, other;
    struct paper p;
    uint8_t id[16];
    officer_make(&o);
    officer_make(&other);
    ask_pending(&ask, id);
    paper_for(&p, id, &o);
    paper_sign(&p, &o);
    want_refused(&p, "/user/alice", &o, CH_DENIED, "approval.self"); /* the requester's own */
    p.signature[p.signature_len - 1] ^= 1;
    want_refused(&p, "/user/bob", &o, CH_INVALID, "approval.signature");
    p.len--;
    want_refused(&p, "/user/bob", &o, CH_INVALID, "approval.format");
    paper_sign(&p, &o);
    want_refused(&p, "/user/bob", &other, CH_INVALID, "approval.key");
    p.a.subject[0] ^= 1; /* another request's */
    paper_sign(&p, &o);
    want_refused(&p, "/user/bob", &o, CH_INVALID, "approval.subject");
    paper_for(&p, id, &o);
    p.a.issued_at_s -= 7200;
    p.a.expires_at_s = p.a.issued_at_s + 3600;
    paper_sign(&p, &o);
    want_refused(&p, "/user/bob", &o, CH_PRECONDITION, "approval.expired");
    paper_for(&p, id, &o);
    p.a.issued_at_s += 600;
    paper_sign(&p, &o);
    want_refused(&p, "/user/bob", &o, CH_PRECONDITION, "approval.future");
    paper_for(&p, id, &o);
    p.id[0] ^= 1;
    paper_sign(&p, &o);
    want_refused(&p, "/user/bob", &o, CH_NOT_FOUND, "approval.request");
    assert_int_equal(fixture_number("SELECT count(*) FROM registration.approval a JOIN"
                                    " registration.request q USING (request_id)"
                                    " WHERE q.idempotency_key = 'bad-papers'"),
                     0);
    officer_clear(&o);
    officer_clear(&other);
}

static void same_paper_is_stored_and_logged_once(void **state)
{
    (void)state;
    struct ask ask = {.profile = "approve-9", .key = "once", .csr = 6};
    struct officer o;
    struct paper p;
    struct diag d;
    uint8_t id[16];
    bool already = true;
    officer_make(&o);
    ask_pending(&ask, id);
    paper_for(&p, id, &o);
    p.a.decision = APPROVAL_REJECT;
    paper_sign(&p, &o);
    unsigned rejections = fixture_entries("rejection");
    MUST(submit("/user/bob", &p, &o, &d, &already));
    assert_false(already);
    MUST(submit("/user/carol", &p, &o, &d, &already));
    assert_true(already);
    assert_int_equal(fixture_entries("rejection"), rejections + 1);
    officer_clear(&o);
}

static void nobody_takes_all_the_places(void **state)
{
    (void)state;
    struct ask ask = {.profile = "approve-9", .key = "places", .csr = 7};
    struct officer o;
    struct paper p;
    struct diag d;
    uint8_t id[16];
    officer_make(&o);
    ask_pending(&ask, id);
    paper_for(&p, id, &o);
    for (int i = 0; i < REGISTRATION_APPROVALS_OF_ONE; i++) {
        p.a.expires_at_s++;
        paper_sign(&p, &o);
        MUST(submit("/user/bob", &p, &o, &d, NULL));
    }
    p.a.expires_at_s++;
    paper_sign(&p, &o);
    want_refused(&p, "/user/bob", &o, CH_INVALID, "approval.count");
    MUST(submit("/user/carol", &p, &o, &d, NULL));
    officer_clear(&o);
}

static void paper_that_cannot_be_logged_is_not_stored(void **state)
{
    (void)state;
    struct ask ask = {.profile = "approve-1", .key = "unlogged", .csr = 8};
    struct officer o;
    struct paper p;
    struct diag d;
    uint8_t id[16];
    officer_make(&o);
    ask_pending(&ask, id);
    paper_for(&p, id, &o);
    paper_sign(&p, &o);
    fixture_log_away(true);
    assert_int_equal(submit("/user/bob", &p, &o, &d, NULL), CH_UNAVAILABLE);
    fixture_log_away(false);
    unsigned items = fake_ca_items();
    ask_pending(&ask, id);
    assert_int_equal(fake_ca_items(), items);
    MUST(submit("/user/bob", &p, &o, &d, NULL));
    officer_clear(&o);
}

static void decided_request_takes_no_more_papers(void **state)
{
    (void)state;
    struct ask ask = {.profile = "approve-1", .key = "decided", .csr = 9};
    struct officer o, late;
    struct answer a;
    struct paper p;
    uint8_t id[16];
    officer_make(&o);
    officer_make(&late);
    ask_pending(&ask, id);
    approve(id, &o);
    enroll(&ask, &a);
    expect(&a, CH_OK, "");
    answer_clear(&a);
    paper_for(&p, id, &late);
    paper_sign(&p, &late);
    want_refused(&p, "/user/bob", &late, CH_PRECONDITION, "approval.decided");
    officer_clear(&o);
    officer_clear(&late);
}

/* A crash between taking a pending row and its outcome leaves it open: the next call still states
 * the request that was stated first. */
static void interrupted_attempt_goes_on_with_the_stored_request(void **state)
{
    (void)state;
    struct ask ask = {.profile = "approve-1", .key = "interrupted", .csr = 10};
    struct officer o;
    struct arena arena = {0};
    struct answer a;
    struct diag d;
    pending_request *m = NULL;
    uint8_t id[16], digest[32];
    officer_make(&o);
    ask_pending(&ask, id);
    MUST(get(id, &arena, &m, &d));
    memcpy(digest, m->digest.data, 32);
    approve(id, &o);
    (void)fixture_number("UPDATE registration.request SET state = 1, driven_until_s = 0"
                         " WHERE idempotency_key = 'interrupted' RETURNING 1");
    fixture_renew("/user/alice");
    enroll(&ask, &a);
    expect(&a, CH_OK, "");
    assert_memory_equal(a.response->request_id.data, id, 16);
    answer_clear(&a);
    MUST(get(id, &arena, &m, &d));
    assert_memory_equal(m->digest.data, digest, 32);
    arena_clear(&arena);
    officer_clear(&o);
}

struct page {
    struct arena arena;
    struct diag diag;
    Chancery__Registration__V1__ListPendingResponse *m;
};

static enum chancery_err list(struct page *p, const char *profile, uint32_t size,
                              const char *cursor)
{
    Chancery__Registration__V1__ListPendingRequest q =
        CHANCERY__REGISTRATION__V1__LIST_PENDING_REQUEST__INIT;
    ProtobufCMessage *m = NULL;
    q.profile = (char *)(uintptr_t)profile;
    q.page_size = size;
    q.cursor = (char *)(uintptr_t)cursor;
    TRY(rpc_call_unary(fixture_channel("/user/bob"), service, "ListPending", &q.base, 30000,
                       &p->arena, &m, &p->diag));
    p->m = (Chancery__Registration__V1__ListPendingResponse *)m;
    return CH_OK;
}

static void list_pages_through_what_waits(void **state)
{
    (void)state;
    static const char *const keys[] = {"list-1", "list-2", "list-3"};
    struct page p = {.m = NULL};
    uint8_t ids[3][16];
    char cursor[80] = "";
    size_t seen = 0;
    for (unsigned i = 0; i < 3; i++) {
        struct ask ask = {.profile = "approve-7", .key = keys[i], .csr = 11 + i};
        ask_pending(&ask, ids[i]);
    }
    do {
        MUST(list(&p, "approve-7", 2, cursor));
        for (size_t i = 0; i < p.m->n_requests; i++) {
            const pending_request *m = p.m->requests[i];
            assert_string_equal(m->request->profile, "approve-7");
            assert_int_equal(m->n_approvals, 0);
            for (unsigned k = 0; k < 3; k++) {
                seen += memcmp(m->request->request_id.data, ids[k], 16) == 0;
            }
        }
        (void)snprintf(cursor, sizeof cursor, "%s", p.m->next_cursor);
    } while (cursor[0] != '\0');
    assert_int_equal(seen, 3);
    static const char *const bad[] = {
        "x", "12", "12:", ":00", "12:zz", "99999999999999999999:00112233445566778899aabbccddeeff"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(list(&p, "", 0, bad[i]), CH_INVALID);
        assert_string_equal(p.diag.rule, "request.cursor");
    }
    assert_int_equal(list(&p, "", 51, ""), CH_INVALID);
    MUST(list(&p, "nothing", 0, ""));
    assert_int_equal(p.m->n_requests, 0);
    arena_clear(&p.arena);
}

static void waiting_requests_are_kept_thirty_days(void **state)
{
    (void)state;
    struct ask ask = {.profile = "approve-8", .key = "kept", .csr = 14};
    struct diag d;
    uint8_t id[16];
    static const char count[] = "SELECT count(*) FROM registration.request q JOIN"
                                " registration.pending p USING (request_id)"
                                " WHERE q.idempotency_key = 'kept'";
    ask_pending(&ask, id);
    int64_t now_s = os_now_s();
    MUST(registration_store_purge(fixture_registration(), now_s + 29 * 86400, &d));
    assert_int_equal(fixture_number(count), 1);
    MUST(registration_store_purge(fixture_registration(), now_s + 31 * 86400, &d));
    assert_int_equal(fixture_number(count), 0);
    assert_int_equal(fixture_number("SELECT count(*) FROM registration.approval"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_waits_keeps_its_digest_and_is_issued),
        cmocka_unit_test(asking_again_without_news_does_not_ask_the_judge),
        cmocka_unit_test(other_content_under_the_key_is_refused),
        cmocka_unit_test(without_key_nobody_could_ask_again),
        cmocka_unit_test(altered_store_is_noticed),
        cmocka_unit_test(obviously_bad_papers_are_refused_and_logged),
        cmocka_unit_test(same_paper_is_stored_and_logged_once),
        cmocka_unit_test(nobody_takes_all_the_places),
        cmocka_unit_test(paper_that_cannot_be_logged_is_not_stored),
        cmocka_unit_test(decided_request_takes_no_more_papers),
        cmocka_unit_test(interrupted_attempt_goes_on_with_the_stored_request),
        cmocka_unit_test(list_pages_through_what_waits),
        cmocka_unit_test(waiting_requests_are_kept_thirty_days),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
