/* Idempotency, outcomes, batches: what a caller of Enroll and EnrollBatch may rely on. The ca
 * behind is a fake. */
#include "fixture.h"

#include <sched.h>
#include <stdio.h>

#include "fake_ca.h"
#include "os/os.h"

typedef Chancery__Registration__V1__EnrollRequest enroll_request;
typedef Chancery__Registration__V1__EnrollBatchResponse batch_response;

static bool same_certificate(const struct answer *a, const struct answer *b)
{
    return slice_eq(rpc_slice(a->response->certificate->serial),
                    rpc_slice(b->response->certificate->serial)) &&
           slice_eq(rpc_slice(a->response->request_id), rpc_slice(b->response->request_id));
}

static void expect(const struct answer *a, enum chancery_err err, const char *rule)
{
    if (a->err != err || strcmp(a->diag.rule, rule) != 0) {
        fail_msg("wanted %s %s, got %s %s: %s", err_name(err), rule, err_name(a->err), a->diag.rule,
                 a->diag.text);
    }
}

static void key_replays_the_certificate(void **state)
{
    (void)state;
    struct ask ask = {.profile = "issue", .key = "replay", .csr = 1};
    struct answer a, b;
    enroll(&ask, &a);
    expect(&a, CH_OK, "");
    assert_false(a.response->replayed);
    assert_string_equal(a.response->certificate->names[0], "DNS:host.example");
    unsigned calls = fake_ca_calls();
    enroll(&ask, &b);
    expect(&b, CH_OK, "");
    assert_true(b.response->replayed);
    assert_true(same_certificate(&a, &b));
    assert_int_equal(fake_ca_calls(), calls);
    answer_clear(&a);
    answer_clear(&b);
}

static void without_key_each_call_is_a_request(void **state)
{
    (void)state;
    struct ask ask = {.profile = "issue", .csr = 1};
    struct answer a, b;
    enroll(&ask, &a);
    enroll(&ask, &b);
    expect(&a, CH_OK, "");
    expect(&b, CH_OK, "");
    assert_false(same_certificate(&a, &b) || b.response->replayed);
    answer_clear(&a);
    answer_clear(&b);
}

static void keys_belong_to_their_caller(void **state)
{
    (void)state;
    struct ask ask = {.profile = "issue", .key = "shared", .csr = 1};
    struct ask other = {.profile = "issue", .key = "shared", .csr = 2, .path = "/user/bob"};
    struct answer a, b;
    enroll(&ask, &a);
    enroll(&other, &b);
    expect(&b, CH_OK, "");
    assert_false(same_certificate(&a, &b) || b.response->replayed);
    answer_clear(&a);
    answer_clear(&b);
}

static void concurrent_calls_with_one_key_are_one_request(void **state)
{
    (void)state;
    struct ask ask = {.profile = "hold", .key = "join", .csr = 1};
    struct ask other = {.profile = "hold", .key = "join", .csr = 2};
    struct answer a, b, c;
    unsigned items = fake_ca_items(), refusals = fixture_refusals("idempotency.content");
    fake_ca_hold(true);
    struct pending *first = enroll_start(&ask);
    AWAIT(fake_ca_inside() == 1);
    struct pending *second = enroll_start(&ask);
    AWAIT(fixture_joined("join") == 1);
    enroll(&other, &c); /* another content is refused while the first is still under way */
    expect(&c, CH_EXISTS, "idempotency.content");
    assert_int_equal(fixture_refusals("idempotency.content"), refusals + 1);
    fake_ca_hold(false);
    enroll_join(first, &a);
    enroll_join(second, &b);
    expect(&a, CH_OK, "");
    expect(&b, CH_OK, "");
    assert_true(same_certificate(&a, &b));
    assert_true(!a.response->replayed && b.response->replayed);
    assert_int_equal(fake_ca_items(), items + 1);
    answer_clear(&a);
    answer_clear(&b);
    answer_clear(&c);
}

static void key_with_other_content_is_refused_and_logged(void **state)
{
    (void)state;
    struct ask ask = {.profile = "issue", .key = "content", .csr = 1};
    struct ask others[] = {{.profile = "issue", .key = "content", .csr = 2},
                           {.profile = "refuse", .key = "content", .csr = 1}};
    struct answer a;
    enroll(&ask, &a);
    expect(&a, CH_OK, "");
    answer_clear(&a);
    unsigned calls = fake_ca_calls(), refusals = fixture_refusals("idempotency.content");
    for (unsigned i = 0; i < 2; i++) {
        enroll(&others[i], &a);
        expect(&a, CH_EXISTS, "idempotency.content");
        assert_string_equal(a.diag.field, "idempotency_key");
        assert_int_equal(fixture_refusals("idempotency.content"), refusals + i + 1);
        answer_clear(&a);
    }
    assert_int_equal(fake_ca_calls(), calls);
}

static void refusal_is_logged_once_and_replayed(void **state)
{
    (void)state;
    struct ask ask = {.profile = "refuse", .key = "refused", .csr = 1};
    struct answer a;
    unsigned refusals = fixture_refusals("csr.signature");
    for (int i = 0; i < 2; i++) {
        enroll(&ask, &a);
        expect(&a, CH_INVALID,
               "csr.signature"); /* ca's CRYPTO: what is wrong with a request is INVALID */
        assert_string_equal(a.diag.text, "the fake ca says so");
        answer_clear(&a);
    }
    assert_int_equal(fixture_refusals("csr.signature"), refusals + 1);
    assert_int_equal(
        fixture_number(
            "SELECT state::int FROM registration.request WHERE idempotency_key = 'refused'"),
        REGISTRATION_REFUSED);
}

static void refusal_of_policy_is_not_logged_again(void **state)
{
    (void)state;
    struct ask ask = {.profile = "refuse-logged", .csr = 1};
    struct answer a;
    enroll(&ask, &a);
    expect(&a, CH_REFUSED, "san.dns.allowed");
    assert_int_equal(fixture_refusals("san.dns.allowed"), 0);
    answer_clear(&a);
}

static void refusal_for_now_leaves_the_request_open(void **state)
{
    (void)state;
    struct ask ask = {.profile = "later", .key = "later", .csr = 1};
    struct answer a;
    enroll(&ask, &a);
    expect(&a, CH_BUSY, "limit.requester.rate");
    assert_int_equal(a.diag.retry_after_s, 36);
    assert_int_equal(fixture_refusals("limit.requester.rate"), 0); /* policy has logged it */
    answer_clear(&a);
    assert_int_equal(
        fixture_number(
            "SELECT state::int FROM registration.request WHERE idempotency_key = 'later'"),
        REGISTRATION_OPEN);
    enroll(&ask, &a);
    assert_int_equal(a.err, CH_OK);
    answer_clear(&a);
}

static void voided_attempt_is_tried_again(void **state)
{
    (void)state;
    struct ask ask = {.profile = "void-2", .key = "voided", .csr = 1};
    struct answer a;
    enroll(&ask, &a);
    expect(&a, CH_OK, "");
    assert_int_equal(fake_ca_last_attempt(), 2);
    assert_int_equal(
        fixture_number("SELECT attempt FROM registration.request WHERE idempotency_key = 'voided'"),
        2);
    answer_clear(&a);
}

static void request_that_stays_void_is_driven_on_by_its_key(void **state)
{
    (void)state;
    struct ask ask = {.profile = "void-5", .key = "stays-void", .csr = 1};
    struct answer a;
    enroll(&ask, &a);
    expect(&a, CH_UNAVAILABLE, "signer.result");
    assert_int_equal(fake_ca_last_attempt(), REGISTRATION_ATTEMPTS_MAX);
    answer_clear(&a);
    enroll(&ask, &a);
    expect(&a, CH_OK, "");
    assert_int_equal(fake_ca_last_attempt(), 5);
    answer_clear(&a);
}

/* ---- EnrollBatch ---- */

struct batch {
    struct arena arena;
    enroll_request rows[64], *list[64];
    size_t n;
    enum chancery_err err;
    struct diag diag;
    batch_response *response;
};

static enroll_request *batch_add(struct batch *b, const char *profile, const char *key,
                                 unsigned csr)
{
    enroll_request *m = &b->rows[b->n];
    struct slice der = fixture_csr(csr);
    chancery__registration__v1__enroll_request__init(m);
    m->profile = (char *)(uintptr_t)profile;
    m->idempotency_key = (char *)(uintptr_t)key;
    m->proof_case = CHANCERY__REGISTRATION__V1__ENROLL_REQUEST__PROOF_PKCS10;
    m->pkcs10 = (ProtobufCBinaryData){der.len, (uint8_t *)(uintptr_t)der.ptr};
    b->list[b->n++] = m;
    return m;
}

static void batch_run(struct batch *b)
{
    Chancery__Registration__V1__EnrollBatchRequest in =
        CHANCERY__REGISTRATION__V1__ENROLL_BATCH_REQUEST__INIT;
    ProtobufCMessage *m = NULL;
    in.items = b->list;
    in.n_items = b->n;
    b->err = rpc_call_unary(fixture_channel("/user/alice"),
                            &chancery__registration__v1__registration_service__descriptor,
                            "EnrollBatch", &in.base, 30000, &b->arena, &m, &b->diag);
    b->response = (batch_response *)m;
}

static void batch_clear(struct batch *b)
{
    arena_clear(&b->arena);
    memset(b, 0, sizeof *b);
}

static void expect_item(const struct batch *b, size_t i, const char *code, const char *rule)
{
    const Chancery__Common__V1__ErrorDetail *e = b->response->items[i]->error;
    if (code[0] == '\0') {
        if (e != NULL || b->response->items[i]->response == NULL) {
            fail_msg("item %zu: %s", i, e == NULL ? "no answer" : e->message);
        }
        return;
    }
    assert_non_null(e);
    assert_null(b->response->items[i]->response);
    assert_string_equal(e->code, code);
    assert_string_equal(e->rule, rule);
}

static void batch_answers_per_item(void **state)
{
    (void)state;
    static struct batch b;
    struct answer a;
    static uint8_t rubbish[] = {0x30, 0x03, 0x02, 0x01};
    static char long_profile[100];
    memset(long_profile, 'p', sizeof long_profile - 1);
    unsigned refusals = fixture_refusals("request.profile");
    enroll(&(struct ask){.profile = "issue", .key = "batch-old", .csr = 1}, &a);
    expect(&a, CH_OK, "");
    (void)batch_add(&b, "issue", "", 1);
    batch_add(&b, "issue", "", 1)->pkcs10 = (ProtobufCBinaryData){sizeof rubbish, rubbish};
    (void)batch_add(&b, "refuse", "", 2);
    (void)batch_add(&b, "issue", "batch-same", 3);
    (void)batch_add(&b, "issue", "batch-same", 3); /* joins its sister */
    (void)batch_add(&b, "issue", "batch-same", 4);
    (void)batch_add(&b, "issue", "batch-old", 1);
    (void)batch_add(&b, "issue", "batch-old", 2);
    (void)batch_add(&b, long_profile, "", 1);
    (void)batch_add(&b, "void-3", "", 5);
    batch_run(&b);
    MUST(b.err);
    assert_int_equal(b.response->n_items, b.n);
    expect_item(&b, 0, "", "");
    assert_string_equal(b.response->items[1]->error->code, "INVALID");
    assert_true(fixture_refusals(b.response->items[1]->error->rule) > 0);
    expect_item(&b, 2, "INVALID", "csr.signature");
    expect_item(&b, 3, "", "");
    expect_item(&b, 4, "", "");
    expect_item(&b, 5, "EXISTS", "idempotency.content");
    expect_item(&b, 6, "", "");
    expect_item(&b, 7, "EXISTS", "idempotency.content");
    expect_item(&b, 8, "INVALID", "request.profile");
    expect_item(&b, 9, "", "");
    assert_int_equal(fixture_refusals("request.profile"), refusals + 1);
    assert_true(slice_eq(rpc_slice(b.response->items[3]->response->certificate->serial),
                         rpc_slice(b.response->items[4]->response->certificate->serial)));
    assert_true(b.response->items[3]->response->replayed !=
                b.response->items[4]->response->replayed);
    assert_true(b.response->items[6]->response->replayed);
    assert_true(slice_eq(rpc_slice(b.response->items[6]->response->certificate->serial),
                         rpc_slice(a.response->certificate->serial)));
    batch_clear(&b);
    answer_clear(&a);
}

static void batch_of_wrong_size_is_refused(void **state)
{
    (void)state;
    static struct batch b;
    unsigned refusals = fixture_refusals("request.batch");
    batch_run(&b);
    assert_int_equal(b.err, CH_INVALID);
    assert_string_equal(b.diag.rule, "request.batch");
    assert_int_equal(fixture_refusals("request.batch"), refusals + 1);
    batch_clear(&b);
}

static void full_batch_travels_whole(void **state)
{
    (void)state;
    static struct batch b;
    for (unsigned i = 0; i < 64; i++) {
        (void)batch_add(&b, "issue", "", i % 16);
    }
    batch_run(&b);
    MUST(b.err);
    for (size_t i = 0; i < 64; i++) {
        expect_item(&b, i, "", "");
    }
    /* The first item may leave alone: nobody was driving. */
    assert_true(fake_ca_largest() >= 32);
    batch_clear(&b);
}

static void poisonous_item_is_found_by_bisection(void **state)
{
    (void)state;
    static struct batch b;
    char keys[16][16];
    unsigned refusals = fixture_refusals("request.fails_alone");
    for (unsigned i = 0; i < 16; i++) {
        (void)snprintf(keys[i], sizeof keys[i], "poison-%u", i);
        (void)batch_add(&b, i == 11 ? "poison" : i == 5 ? "poison-issued" : "issue", keys[i], i);
    }
    batch_run(&b);
    MUST(b.err);
    for (size_t i = 0; i < 16; i++) {
        /* Item 5 makes its calls fail as well, but ca has its certificate. */
        expect_item(&b, i, i == 11 ? "REFUSED" : "", i == 11 ? "request.fails_alone" : "");
    }
    assert_int_equal(fixture_refusals("request.fails_alone"), refusals + 1);
    batch_clear(&b);
    struct answer a;
    unsigned calls = fake_ca_calls();
    enroll(&(struct ask){.profile = "poison", .key = "poison-11", .csr = 11}, &a);
    expect(&a, CH_REFUSED, "request.fails_alone");
    assert_int_equal(fake_ca_calls(), calls);
    answer_clear(&a);
}

/* ---- who may say what ---- */

static void protocol_is_its_gateways_to_name(void **state)
{
    (void)state;
    struct answer a;
    unsigned refusals = fixture_refusals("request.protocol");
    enroll(&(struct ask){.profile = "issue", .protocol = "acme", .csr = 1}, &a);
    expect(&a, CH_DENIED, "request.protocol");
    answer_clear(&a);
    enroll(
        &(struct ask){
            .profile = "issue", .protocol = "acme", .csr = 1, .path = "/user/chancery/acme"},
        &a);
    expect(&a, CH_DENIED, "request.protocol");
    answer_clear(&a);
    enroll(&(struct ask){.profile = "issue", .protocol = "est", .csr = 1, .path = "/chancery/acme"},
           &a);
    expect(&a, CH_DENIED, "request.protocol");
    answer_clear(&a);
    /* Nor may a gateway pass as a plain gRPC client. */
    enroll(
        &(struct ask){.profile = "issue", .protocol = "grpc", .csr = 1, .path = "/chancery/acme"},
        &a);
    expect(&a, CH_DENIED, "request.protocol");
    answer_clear(&a);
    assert_int_equal(fixture_refusals("request.protocol"), refusals + 4);
    enroll(
        &(struct ask){.profile = "issue", .protocol = "acme", .csr = 1, .path = "/chancery/acme"},
        &a);
    expect(&a, CH_OK, "");
    answer_clear(&a);
}

static void fake_ca_saw_nothing_wrong(void **state)
{
    (void)state;
    assert_int_equal(fake_ca_wrong(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_replays_the_certificate),
        cmocka_unit_test(without_key_each_call_is_a_request),
        cmocka_unit_test(keys_belong_to_their_caller),
        cmocka_unit_test(concurrent_calls_with_one_key_are_one_request),
        cmocka_unit_test(key_with_other_content_is_refused_and_logged),
        cmocka_unit_test(refusal_is_logged_once_and_replayed),
        cmocka_unit_test(refusal_of_policy_is_not_logged_again),
        cmocka_unit_test(refusal_for_now_leaves_the_request_open),
        cmocka_unit_test(voided_attempt_is_tried_again),
        cmocka_unit_test(request_that_stays_void_is_driven_on_by_its_key),
        cmocka_unit_test(batch_answers_per_item),
        cmocka_unit_test(batch_of_wrong_size_is_refused),
        cmocka_unit_test(full_batch_travels_whole),
        cmocka_unit_test(poisonous_item_is_found_by_bisection),
        cmocka_unit_test(protocol_is_its_gateways_to_name),
        cmocka_unit_test(fake_ca_saw_nothing_wrong),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
