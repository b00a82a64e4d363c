/* Calls: unary, deferred, errors, limits, bad input, allow-list, shedding, deadlines. */
#include "fixture.h"

#include <stdio.h>
#include <time.h>

#include "chancery/registration/v1/registration.pb-c.h"
#include "os/os.h"

static struct fx fx;

static int setup(void **state)
{
    (void)state;
    fx_setup(&fx);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fx_teardown(&fx);
    return 0;
}

static void unary_with_mutual_tls_answers_and_names_the_caller(void **state)
{
    (void)state;
    fx_serve(&fx, NULL);
    struct rpc_channel *c = fx_channel(&fx, fx.client_dir);
    CLEANUP(arena_clear) struct arena arena = {0};
    Chancery__Audit__V1__AppendResponse *out = NULL;
    struct diag diag = {0};
    enum chancery_err err = fx_append_full(c, "ok", 10000, &arena, &out, &diag);
    assert_string_equal(diag.text, "");
    assert_int_equal(err, CH_OK);
    assert_int_equal(out->n_acks, 1);
    assert_int_equal(out->acks[0]->index, 42);
    assert_true(slice_eq(rpc_slice(out->acks[0]->leaf_hash), slice_str(CLIENT_URI)));
    for (int i = 0; i < 300; i++) { /* call slots are reused */
        assert_int_equal(fx_append(c, i % 7 == 0 ? "fail" : "ok", 5000, NULL),
                         i % 7 == 0 ? CH_REFUSED : CH_OK);
    }
    rpc_channel_free(c);
}

static void failing_handler_round_trips_the_error_detail(void **state)
{
    (void)state;
    fx_serve(&fx, NULL);
    struct rpc_channel *c = fx_channel(&fx, fx.client_dir);
    struct diag d = {0};
    assert_int_equal(fx_append(c, "fail", 10000, &d), CH_REFUSED);
    assert_string_equal(d.field, "entries[0].action");
    assert_string_equal(d.rule, "test.rule");
    assert_string_equal(d.text, "because \xc3\xa9t\xc3\xa9");
    assert_string_equal(d.reference, "RFC 5280 4.1");
    rpc_channel_free(c);
}

static void deferred_call_is_finished_from_another_thread(void **state)
{
    (void)state;
    fx_serve(&fx, NULL);
    struct rpc_channel *c = fx_channel(&fx, fx.client_dir);
    struct fx_async a;
    for (int i = 0; i < 20; i++) {
        fx_append_async(&fx, c, "defer", 10000, &a);
        struct rpc_call *call = fx_wait_deferred(&fx);
        assert_false(fx_async_done(&a));
        rpc_finish(call, i % 2 == 0 ? CH_OK : diag_set(rpc_diag(call), CH_BUSY, "", "x", "later"));
        fx_async_wait(&a);
        assert_int_equal(a.err, i % 2 == 0 ? CH_OK : CH_BUSY);
    }
    rpc_channel_free(c);
}

static void deferred_calls_need_no_worker(void **state)
{
    (void)state;
    struct rpc_server_opts o = fx_opts(&fx);
    o.workers = 1;
    fx_serve(&fx, &o);
    struct rpc_channel *c = fx_channel(&fx, fx.client_dir);
    struct fx_async a[50];
    struct rpc_call *calls[50];
    for (int i = 0; i < 50; i++) {
        fx_append_async(&fx, c, "defer", 10000, &a[i]);
        calls[i] = fx_wait_deferred(&fx);
    }
    assert_int_equal(fx_append(c, "ok", 5000, NULL), CH_OK);
    for (int i = 0; i < 50; i++) {
        rpc_finish(calls[i], CH_OK);
        fx_async_wait(&a[i]);
        assert_int_equal(a[i].err, CH_OK);
    }
    rpc_channel_free(c);
}

static void expired_calls_are_dropped_before_their_handler(void **state)
{
    (void)state;
    struct rpc_server_opts o = fx_opts(&fx);
    o.workers = 1;
    fx_serve(&fx, &o);
    struct rpc_channel *c = fx_channel(&fx, fx.client_dir);
    struct fx_async gate, late[10];
    fx_append_async(&fx, c, "gate", 20000, &gate);
    fx_wait_inside(&fx, 1);
    for (int i = 0; i < 10; i++) {
        fx_append_async(&fx, c, "ok", 150, &late[i]);
    }
    for (int i = 0; i < 10; i++) {
        fx_async_wait(&late[i]);
        assert_int_equal(late[i].err, CH_DEADLINE);
    }
    /* The server counts 150 ms from when a call reached it, which a loaded machine may delay: time
     * itself is what is awaited here. */
    const struct timespec second = {.tv_sec = 1};
    (void)nanosleep(&second, NULL);
    fx_open(&fx);
    fx_async_wait(&gate);
    assert_int_equal(fx_append(c, "ok", 5000, NULL), CH_OK); /* queued behind the expired ones */
    assert_int_equal(atomic_load(&fx.handled), 2);
    rpc_channel_free(c);
}

static void full_queue_sheds_with_busy(void **state)
{
    (void)state;
    struct rpc_server_opts o = fx_opts(&fx);
    o.workers = 1;
    o.queue_max = 2;
    fx_serve(&fx, &o);
    struct rpc_channel *c = fx_channel(&fx, fx.client_dir);
    struct fx_async gate, a[8];
    fx_append_async(&fx, c, "gate", 20000, &gate);
    fx_wait_inside(&fx, 1);
    for (int i = 0; i < 8; i++) {
        fx_append_async(&fx, c, "ok", 20000, &a[i]);
    }
    unsigned busy = 0;
    while (busy < 6) { /* six of eight find no room; they are answered while the worker stands */
        busy = 0;
        for (int i = 0; i < 8; i++) {
            busy += fx_async_done(&a[i]) ? 1 : 0;
        }
    }
    fx_open(&fx);
    fx_async_wait(&gate);
    unsigned ok = 0;
    for (int i = 0; i < 8; i++) {
        fx_async_wait(&a[i]);
        ok += a[i].err == CH_OK ? 1 : 0;
        assert_true(a[i].err == CH_OK || a[i].err == CH_BUSY);
    }
    assert_int_equal(ok, 2);
    rpc_channel_free(c);
}

static void too_many_calls_in_flight_are_shed(void **state)
{
    (void)state;
    struct rpc_server_opts o = fx_opts(&fx);
    o.inflight_max = 3;
    fx_serve(&fx, &o);
    /* The limit also bounds streams of one connection, so several connections are needed. */
    struct rpc_channel *c[5];
    struct fx_async a[5];
    struct rpc_call *calls[3];
    for (int i = 0; i < 5; i++) {
        c[i] = fx_channel(&fx, fx.client_dir);
    }
    for (int i = 0; i < 3; i++) {
        fx_append_async(&fx, c[i], "defer", 20000, &a[i]);
        calls[i] = fx_wait_deferred(&fx);
    }
    assert_int_equal(fx_append(c[3], "ok", 5000, NULL), CH_BUSY);
    for (int i = 0; i < 3; i++) {
        rpc_finish(calls[i], CH_OK);
        fx_async_wait(&a[i]);
    }
    fx_until_ok(c[4], 2000);
    for (int i = 0; i < 5; i++) {
        rpc_channel_free(c[i]);
    }
}

static void caller_outside_the_allow_list_is_denied_and_reported(void **state)
{
    (void)state;
    fx_serve(&fx, NULL);
    struct rpc_channel *c = fx_channel(&fx, fx.other_dir);
    struct diag d = {0};
    assert_int_equal(fx_append(c, "ok", 10000, &d), CH_DENIED);
    assert_string_equal(d.rule, "caller.not_allowed");
    assert_int_equal(atomic_load(&fx.refused), 1);
    assert_string_equal(fx.refused_uri, OTHER_URI);
    assert_int_equal(atomic_load(&fx.handled), 0);
    rpc_channel_free(c);
}

static void unknown_service_and_method_are_unsupported(void **state)
{
    (void)state;
    fx_serve(&fx, NULL);
    struct rpc_channel *c = fx_channel(&fx, fx.client_dir);
    CLEANUP(arena_clear) struct arena arena = {0};
    ProtobufCMessage *out = NULL;
    Chancery__Registration__V1__GetIssuerRequest issuer;
    chancery__registration__v1__get_issuer_request__init(&issuer);
    assert_int_equal(rpc_call_unary(c,
                                    &chancery__registration__v1__registration_service__descriptor,
                                    "GetIssuer", &issuer.base, 5000, &arena, &out, NULL),
                     CH_UNSUPPORTED);
    Chancery__Audit__V1__GetProofRequest proof;
    chancery__audit__v1__get_proof_request__init(&proof);
    assert_int_equal(rpc_call_unary(c, &chancery__audit__v1__audit_service__descriptor, "GetProof",
                                    &proof.base, 5000, &arena, &out, NULL),
                     CH_UNSUPPORTED);
    assert_int_equal(rpc_call_unary(c, &chancery__audit__v1__audit_service__descriptor, "Nope",
                                    &proof.base, 5000, &arena, &out, NULL),
                     CH_INVALID);
    assert_int_equal(rpc_call_unary(c, &chancery__audit__v1__audit_service__descriptor, "Append",
                                    &proof.base, 5000, &arena, &out, NULL),
                     CH_INVALID);
    assert_int_equal(fx_append(c, "ok", 0, NULL), CH_INVALID); /* a deadline is required */
    rpc_channel_free(c);
}

/* Sends arbitrary bytes as the first entry of an Append: EnrollRequest.pkcs10 has the field number
 * of AppendRequest.entries. */
static enum chancery_err append_raw(struct rpc_channel *c, const void *entry, size_t len,
                                    struct diag *diag)
{
    const ProtobufCServiceDescriptor *real = &chancery__audit__v1__audit_service__descriptor;
    ProtobufCMethodDescriptor methods[8];
    assert_true(real->n_methods <= 8);
    memcpy(methods, real->methods, real->n_methods * sizeof methods[0]);
    for (unsigned i = 0; i < real->n_methods; i++) {
        methods[i].input = &chancery__registration__v1__enroll_request__descriptor;
    }
    ProtobufCServiceDescriptor sd = *real;
    sd.methods = methods;
    Chancery__Registration__V1__EnrollRequest m;
    chancery__registration__v1__enroll_request__init(&m);
    m.proof_case = CHANCERY__REGISTRATION__V1__ENROLL_REQUEST__PROOF_PKCS10;
    m.pkcs10.data = (uint8_t *)(uintptr_t)entry;
    m.pkcs10.len = len;
    CLEANUP(arena_clear) struct arena arena = {0};
    ProtobufCMessage *out = NULL;
    return rpc_call_unary(c, &sd, "Append", &m.base, 10000, &arena, &out, diag);
}

static void bad_bytes_are_refused_with_their_rule(void **state)
{
    (void)state;
    fx_serve(&fx, NULL);
    static const struct {
        const char *bytes;
        size_t len;
        enum chancery_err err;
        const char *rule;
    } cases[] = {
        {"\x0a\x02ok", 4, CH_OK, ""},
        {"\xff", 1, CH_MALFORMED, "message.wire"},
        {"\x0a\x05ok", 4, CH_MALFORMED, "message.wire"},
        {"\x0b\x0c", 2, CH_MALFORMED, "message.wire"}, /* group */
        {"\x02\x00", 2, CH_MALFORMED, "message.wire"}, /* field number 0 */
        {"\x08\x01", 2, CH_MALFORMED, "message.wire"}, /* varint where a string stands */
        {"\x0a\x03\x61\x00\x62", 5, CH_INVALID, "string.nul"},
        {"\x0a\x02\xc3\x28", 4, CH_INVALID, "string.utf8"},
        {"\x0a\x03\xed\xa0\x80", 5, CH_INVALID, "string.utf8"}, /* surrogate */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rpc_channel *c = fx_channel(&fx, fx.client_dir);
        struct diag d = {0};
        enum chancery_err err = append_raw(c, cases[i].bytes, cases[i].len, &d);
        if (err != cases[i].err || strcmp(d.rule, cases[i].rule) != 0) {
            fail_msg("case %zu: %s %s", i, err_name(err), d.rule);
        }
        rpc_channel_free(c);
    }
    assert_int_equal(atomic_load(&fx.handled), 1);
}

static void many_tiny_elements_do_not_unfold(void **state)
{
    (void)state;
    fx_serve(&fx, NULL);
    struct rpc_channel *c = fx_channel(&fx, fx.client_dir);
    size_t len = 600000; /* 300,000 empty fields (tag 2, length 0) */
    char *bytes = test_malloc(len);
    for (size_t i = 0; i < len; i += 2) {
        bytes[i] = 0x12;
        bytes[i + 1] = 0;
    }
    struct diag d = {0};
    assert_int_equal(append_raw(c, bytes, len, &d), CH_LIMIT);
    assert_string_equal(d.rule, "message.elements");
    test_free(bytes);
    rpc_channel_free(c);
}

static void oversized_message_is_refused_and_the_connection_lives(void **state)
{
    (void)state;
    struct rpc_server_opts o = fx_opts(&fx);
    o.message_max = 100000;
    fx_serve(&fx, &o);
    struct rpc_channel *c = fx_channel(&fx, fx.client_dir);
    char *text = test_malloc(200001);
    memset(text, 'a', 200000);
    text[200000] = '\0';
    assert_int_equal(fx_append(c, text, 10000, NULL), CH_LIMIT);
    text[90000] = '\0';
    assert_int_equal(fx_append(c, text, 10000, NULL), CH_OK);
    test_free(text);
    rpc_channel_free(c);
}

static void large_message_in_many_slices_is_read_whole(void **state)
{
    (void)state;
    fx_serve(&fx, NULL);
    struct rpc_channel *c = fx_channel(&fx, fx.client_dir);
    char *text = test_malloc(3000001);
    memset(text, 'b', 3000000);
    text[3000000] = '\0';
    assert_int_equal(fx_append(c, text, 20000, NULL), CH_OK);
    test_free(text);
    rpc_channel_free(c);
}

static void error_detail_helpers_round_trip(void **state)
{
    (void)state;
    CLEANUP(arena_clear) struct arena arena = {0};
    struct diag d = {0}, got = {0};
    (void)diag_set(&d, CH_INVALID, "a.b", "rule.id", "text");
    d.retry_after_s = 36;
    struct Chancery__Common__V1__ErrorDetail *e = rpc_error_detail(&arena, CH_INVALID, &d);
    assert_int_equal(rpc_error_read(e, &got), CH_INVALID);
    assert_memory_equal(&d, &got, sizeof d);
    assert_int_equal(rpc_error_read(NULL, &got), CH_OK);
    assert_int_equal(rpc_error_read(rpc_error_detail(&arena, CH_OK, NULL), &got), CH_OK);
    for (int err = 1; err < CH_ERR_COUNT; err++) {
        assert_int_equal(
            rpc_error_read(rpc_error_detail(&arena, (enum chancery_err)err, NULL), NULL), err);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(unary_with_mutual_tls_answers_and_names_the_caller, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(failing_handler_round_trips_the_error_detail, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(deferred_call_is_finished_from_another_thread, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(deferred_calls_need_no_worker, setup, teardown),
        cmocka_unit_test_setup_teardown(expired_calls_are_dropped_before_their_handler, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(full_queue_sheds_with_busy, setup, teardown),
        cmocka_unit_test_setup_teardown(too_many_calls_in_flight_are_shed, setup, teardown),
        cmocka_unit_test_setup_teardown(caller_outside_the_allow_list_is_denied_and_reported, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(unknown_service_and_method_are_unsupported, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(bad_bytes_are_refused_with_their_rule, setup, teardown),
        cmocka_unit_test_setup_teardown(many_tiny_elements_do_not_unfold, setup, teardown),
        cmocka_unit_test_setup_teardown(oversized_message_is_refused_and_the_connection_lives,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(large_message_in_many_slices_is_read_whole, setup,
                                        teardown),
        cmocka_unit_test(error_detail_helpers_round_trip),
    };
    if (rpc_init() != CH_OK) {
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rpc_shutdown();
    return failed;
}
