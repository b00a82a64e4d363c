/* Streams in both directions, cancellation, errors in mid-stream, health watch. */
#include "fixture.h"

#include <stdio.h>

#include "grpc/health/v1/health.pb-c.h"
#include "os/os.h"

static struct fx fx;
static struct rpc_channel *channel;

static int setup(void **state)
{
    (void)state;
    fx_setup(&fx);
    fx_serve(&fx, NULL);
    channel = fx_channel(&fx, fx.client_dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rpc_channel_free(channel);
    fx_teardown(&fx);
    return 0;
}

static struct rpc_stream *open_entries(uint64_t n)
{
    Chancery__Audit__V1__StreamEntriesRequest in;
    chancery__audit__v1__stream_entries_request__init(&in);
    in.first_index = n;
    struct rpc_stream *s = NULL;
    assert_int_equal(rpc_stream_open(channel, &chancery__audit__v1__audit_service__descriptor,
                                     "StreamEntries", RPC_SERVER_STREAM, &in.base, 20000, &s, NULL),
                     CH_OK);
    return s;
}

static void server_stream_delivers_all_messages_in_order(void **state)
{
    (void)state;
    struct rpc_stream *s = open_entries(1000);
    CLEANUP(arena_clear) struct arena arena = {0};
    for (uint64_t i = 0; i < 1000; i++) {
        arena_reset(&arena);
        ProtobufCMessage *m = NULL;
        assert_int_equal(rpc_stream_recv(s, &arena, &m), CH_OK);
        assert_int_equal(((Chancery__Audit__V1__StreamEntriesResponse *)m)->entries[0]->index, i);
    }
    ProtobufCMessage *m = NULL;
    assert_int_equal(rpc_stream_recv(s, &arena, &m), CH_END);
    assert_int_equal(rpc_stream_recv(s, &arena, &m), CH_END);
    assert_int_equal(rpc_stream_finish(s, &arena, NULL, NULL), CH_OK);
    rpc_stream_free(s);
}

static void server_stream_error_after_messages_reaches_the_client(void **state)
{
    (void)state;
    struct rpc_stream *s = open_entries(3);
    CLEANUP(arena_clear) struct arena arena = {0};
    ProtobufCMessage *m = NULL;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rpc_stream_recv(s, &arena, &m), CH_OK);
    }
    assert_int_equal(rpc_stream_recv(s, &arena, &m), CH_INTEGRITY);
    struct diag d = {0};
    assert_int_equal(rpc_stream_finish(s, &arena, NULL, &d), CH_INTEGRITY);
    assert_string_equal(d.rule, "test.stream");
    rpc_stream_free(s);
}

static void client_that_leaves_a_stream_stops_the_server(void **state)
{
    (void)state;
    struct rpc_stream *s = open_entries(UINT64_MAX);
    CLEANUP(arena_clear) struct arena arena = {0};
    ProtobufCMessage *m = NULL;
    assert_int_equal(rpc_stream_recv(s, &arena, &m), CH_OK);
    rpc_stream_free(s);
    for (int64_t until = os_mono_ms() + 10000; !atomic_load(&fx.stream_cancelled);) {
        assert_true(os_mono_ms() < until);
    }
}

static struct rpc_stream *open_crl(void)
{
    struct rpc_stream *s = NULL;
    assert_int_equal(rpc_stream_open(channel, &chancery__ca__v1__ca_service__descriptor, "SignCrl",
                                     RPC_CLIENT_STREAM, NULL, 60000, &s, NULL),
                     CH_OK);
    return s;
}

static enum chancery_err send_chunk(struct rpc_stream *s, const void *p, size_t len)
{
    Chancery__Ca__V1__SignCrlRequest m;
    chancery__ca__v1__sign_crl_request__init(&m);
    m.chunk.data = (uint8_t *)(uintptr_t)p;
    m.chunk.len = len;
    return rpc_stream_send(s, &m.base);
}

/* 200 MiB would not fit into a call's arena: the handler reads in constant memory. */
static void client_stream_is_read_in_constant_memory(void **state)
{
    (void)state;
    struct rpc_stream *s = open_crl();
    static uint8_t chunk[65536];
    for (int i = 0; i < 3200; i++) {
        assert_int_equal(send_chunk(s, chunk, sizeof chunk), CH_OK);
    }
    CLEANUP(arena_clear) struct arena arena = {0};
    ProtobufCMessage *out = NULL;
    struct diag d = {0};
    assert_int_equal(rpc_stream_finish(s, &arena, &out, &d), CH_OK);
    assert_int_equal(((Chancery__Ca__V1__SignCrlResponse *)out)->log_index, 3200u * 65536u);
    rpc_stream_free(s);
}

static void client_stream_without_messages_is_answered(void **state)
{
    (void)state;
    struct rpc_stream *s = open_crl();
    CLEANUP(arena_clear) struct arena arena = {0};
    ProtobufCMessage *out = NULL;
    assert_int_equal(rpc_stream_finish(s, &arena, &out, NULL), CH_OK);
    assert_int_equal(((Chancery__Ca__V1__SignCrlResponse *)out)->log_index, 0);
    rpc_stream_free(s);
}

static void server_that_refuses_in_mid_stream_ends_the_sending(void **state)
{
    (void)state;
    struct rpc_stream *s = open_crl();
    assert_int_equal(send_chunk(s, "stop", 4), CH_OK);
    static uint8_t chunk[65536];
    enum chancery_err err = CH_OK;
    for (int i = 0; i < 100000 && err == CH_OK; i++) {
        err = send_chunk(s, chunk, sizeof chunk);
    }
    assert_int_equal(err, CH_CANCELLED);
    CLEANUP(arena_clear) struct arena arena = {0};
    ProtobufCMessage *out = NULL;
    struct diag d = {0};
    assert_int_equal(rpc_stream_finish(s, &arena, &out, &d), CH_REFUSED);
    assert_string_equal(d.rule, "test.stop");
    rpc_stream_free(s);
}

static void abandoned_client_stream_ends_the_handler(void **state)
{
    (void)state;
    struct rpc_stream *s = open_crl();
    assert_int_equal(send_chunk(s, "x", 1), CH_OK);
    unsigned before = atomic_load(&fx.done);
    rpc_stream_free(s);
    for (int64_t until = os_mono_ms() + 10000; atomic_load(&fx.done) == before;) {
        assert_true(os_mono_ms() < until);
    }
}

static void stream_needs_the_allow_list_too(void **state)
{
    (void)state;
    struct rpc_channel *mine = channel;
    channel = fx_channel(&fx, fx.other_dir);
    struct rpc_stream *s = open_crl();
    CLEANUP(arena_clear) struct arena arena = {0};
    ProtobufCMessage *out = NULL;
    assert_int_equal(rpc_stream_finish(s, &arena, &out, NULL), CH_DENIED);
    rpc_stream_free(s);
    rpc_channel_free(channel);
    channel = mine;
}

static struct rpc_stream *open_watch(const char *service)
{
    Grpc__Health__V1__HealthCheckRequest in;
    grpc__health__v1__health_check_request__init(&in);
    in.service = (char *)(uintptr_t)service;
    struct rpc_stream *s = NULL;
    assert_int_equal(rpc_stream_open(channel, &grpc__health__v1__health__descriptor, "Watch",
                                     RPC_SERVER_STREAM, &in.base, 60000, &s, NULL),
                     CH_OK);
    return s;
}

static int watch_next(struct rpc_stream *s)
{
    CLEANUP(arena_clear) struct arena arena = {0};
    ProtobufCMessage *m = NULL;
    assert_int_equal(rpc_stream_recv(s, &arena, &m), CH_OK);
    return (int)((Grpc__Health__V1__HealthCheckResponse *)m)->status;
}

static void health_watch_tells_changes_and_ends_at_stop(void **state)
{
    (void)state;
    struct rpc_stream *a = open_watch(""), *b = open_watch("chancery.audit.v1.AuditService");
    assert_int_equal(watch_next(a), 1);
    assert_int_equal(watch_next(b), 1);
    for (int i = 0; i < 10; i++) {
        rpc_server_set_ready(fx.server, false);
        assert_int_equal(watch_next(a), 2);
        rpc_server_set_ready(fx.server, true);
        assert_int_equal(watch_next(a), 1);
    }
    rpc_stream_free(b); /* left by its client */
    fx_stop(&fx);
    CLEANUP(arena_clear) struct arena arena = {0};
    ProtobufCMessage *m = NULL;
    enum chancery_err err = CH_OK;
    while (err == CH_OK) {
        err = rpc_stream_recv(a, &arena, &m);
    }
    assert_int_equal(err, CH_UNAVAILABLE);
    rpc_stream_free(a);
}

static void health_of_an_unknown_service_is_not_found(void **state)
{
    (void)state;
    struct rpc_stream *s = open_watch("no.such.Service");
    CLEANUP(arena_clear) struct arena arena = {0};
    ProtobufCMessage *m = NULL;
    assert_int_equal(rpc_stream_recv(s, &arena, &m), CH_NOT_FOUND);
    rpc_stream_free(s);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(server_stream_delivers_all_messages_in_order),
        TEST(server_stream_error_after_messages_reaches_the_client),
        TEST(client_that_leaves_a_stream_stops_the_server),
        TEST(client_stream_is_read_in_constant_memory),
        TEST(client_stream_without_messages_is_answered),
        TEST(server_that_refuses_in_mid_stream_ends_the_sending),
        TEST(abandoned_client_stream_ends_the_handler),
        TEST(stream_needs_the_allow_list_too),
        TEST(health_watch_tells_changes_and_ends_at_stop),
        TEST(health_of_an_unknown_service_is_not_found),
    };
    if (rpc_init() != CH_OK) {
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rpc_shutdown();
    return failed;
}
