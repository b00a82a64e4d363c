/* The traps of the library: reconnect, busy workers, keepalive, drain, ports, fork and exec. */
#include "fixture.h"

#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>

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

/* No call is in flight while the server is away: only the background thread can reconnect. */
static void channel_recovers_quickly_after_a_server_restart(void **state)
{
    (void)state;
    fx_serve(&fx, NULL);
    struct rpc_channel *c = fx_channel(&fx, fx.client_dir);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(fx_append(c, "ok", 10000, NULL), CH_OK);
        fx_stop(&fx);
        struct diag d = {0};
        enum chancery_err err = fx_append(c, "ok", 5000, &d);
        assert_true(err == CH_UNAVAILABLE || err == CH_UNKNOWN);
        for (int k = 0; k < 20; k++) { /* fail fast, no waiting for a connection */
            int64_t start = os_mono_ms();
            assert_int_not_equal(fx_append(c, "ok", 5000, NULL), CH_OK);
            assert_true(os_mono_ms() - start < 2000);
        }
        fx_serve(&fx, NULL);
        assert_true(fx_until_ok(c, 3000) < 1500);
    }
    rpc_channel_free(c);
}

static void call_that_never_left_is_unavailable_not_unknown(void **state)
{
    (void)state;
    (void)snprintf(fx.target, sizeof fx.target, "127.0.0.1:1");
    struct rpc_channel *c = fx_channel(&fx, fx.client_dir);
    struct diag d = {0};
    assert_string_equal(err_name(fx_append(c, "ok", 5000, &d)), "UNAVAILABLE");
    rpc_channel_free(c);
}

static void idempotent_calls_survive_a_restart(void **state)
{
    (void)state;
    fx_serve(&fx, NULL);
    static const char *const repeatable[] = {"chancery.audit.v1.AuditService/Append", NULL};
    struct rpc_channel_opts o = {.tls = {fx.client_dir, NULL},
                                 .trust_domain = TD,
                                 .peer_uri = "/chancery/audit",
                                 .idempotent = repeatable};
    struct rpc_channel *c = fx_channel_opts(&fx, &o);
    assert_int_equal(fx_append(c, "ok", 10000, NULL), CH_OK);
    struct fx_async a;
    fx_append_async(&fx, c, "gate", 10000, &a);
    fx_wait_inside(&fx, 1);
    fx_open(&fx);
    fx_async_wait(&a);
    fx_stop(&fx);
    assert_string_equal(err_name(fx_append(c, "ok", 5000, NULL)), "UNAVAILABLE");
    fx_serve(&fx, NULL);
    assert_true(fx_until_ok(c, 3000) < 1500);
    rpc_channel_free(c);
}

static void unavailable_that_a_handler_answers_is_not_repeated(void **state)
{
    (void)state;
    fx_serve(&fx, NULL);
    static const char *const repeatable[] = {"chancery.audit.v1.AuditService/Append", NULL};
    struct rpc_channel_opts o = {.tls = {fx.client_dir, NULL},
                                 .trust_domain = TD,
                                 .peer_uri = "/chancery/audit",
                                 .idempotent = repeatable};
    struct rpc_channel *c = fx_channel_opts(&fx, &o);
    struct diag d = {0};
    assert_int_equal(fx_append(c, "ok", 10000, NULL), CH_OK);
    unsigned before = atomic_load(&fx.handled);
    assert_int_equal(fx_append(c, "away", 10000, &d), CH_UNAVAILABLE);
    assert_string_equal(d.rule, "fx.away");
    assert_int_equal(atomic_load(&fx.handled), before + 1);
    rpc_channel_free(c);
}

static void blocked_workers_leave_health_and_new_connections_alive(void **state)
{
    (void)state;
    struct rpc_server_opts o = fx_opts(&fx);
    o.workers = 2;
    fx_serve(&fx, &o);
    struct rpc_channel *c = fx_channel(&fx, fx.client_dir);
    struct fx_async a[2];
    fx_append_async(&fx, c, "gate", 30000, &a[0]);
    fx_append_async(&fx, c, "gate", 30000, &a[1]);
    fx_wait_inside(&fx, 2);
    bool ready = false;
    int64_t start = os_mono_ms();
    assert_int_equal(rpc_health_check(c, 3000, &ready, NULL), CH_OK);
    assert_true(ready);
    struct rpc_channel *fresh = fx_channel(&fx, fx.other_dir);
    assert_int_equal(rpc_health_check(fresh, 3000, &ready, NULL), CH_OK);
    assert_true(ready && os_mono_ms() - start < 2000);
    rpc_channel_free(fresh);
    fx_open(&fx);
    fx_async_wait(&a[0]);
    fx_async_wait(&a[1]);
    assert_true(a[0].err == CH_OK && a[1].err == CH_OK);
    rpc_channel_free(c);
}

/* Server limits of ping rate and client keepalive must agree, or this call dies by GOAWAY. */
static void keepalive_does_not_kill_a_long_call(void **state)
{
    (void)state;
    struct rpc_server_opts o = fx_opts(&fx);
    o.workers = 1;
    fx_serve(&fx, &o);
    struct rpc_channel_opts co = {.tls = {fx.client_dir, NULL},
                                  .trust_domain = TD,
                                  .peer_uri = "/chancery/audit",
                                  .keepalive_ms = 1000};
    struct rpc_channel *c = fx_channel_opts(&fx, &co);
    struct fx_async a;
    fx_append_async(&fx, c, "gate", 30000, &a);
    fx_wait_inside(&fx, 1);
    /* Time itself is under test here: six pings go by. */
    for (int64_t until = os_mono_ms() + 6500; os_mono_ms() < until;) {
        (void)nanosleep(&(struct timespec){0, 50000000}, NULL);
        assert_false(fx_async_done(&a));
    }
    fx_open(&fx);
    fx_async_wait(&a);
    assert_int_equal(a.err, CH_OK);
    rpc_channel_free(c);
}

static void *stop_server(void *arg)
{
    rpc_server_stop(arg);
    return NULL;
}

static void stop_lets_a_running_call_finish_and_refuses_new_ones(void **state)
{
    (void)state;
    fx_serve(&fx, NULL);
    struct rpc_channel *c = fx_channel(&fx, fx.client_dir);
    struct fx_async a;
    fx_append_async(&fx, c, "gate", 30000, &a);
    fx_wait_inside(&fx, 1);
    pthread_t stopper;
    pthread_create(&stopper, NULL, stop_server, fx.server);
    enum chancery_err err = CH_OK;
    struct diag d = {0};
    while (err == CH_OK) {
        err = fx_append(c, "ok", 2000, &d);
    }
    if (err != CH_UNAVAILABLE && err != CH_UNKNOWN) {
        print_error("%s %s\n", err_name(err), d.text);
    }
    assert_true(err == CH_UNAVAILABLE || err == CH_UNKNOWN);
    assert_false(fx_async_done(&a));
    fx_open(&fx);
    fx_async_wait(&a);
    assert_int_equal(a.err, CH_OK);
    pthread_join(stopper, NULL);
    rpc_server_free(fx.server);
    fx.server = NULL;
    rpc_channel_free(c);
}

static void stop_cancels_what_outlives_the_grace(void **state)
{
    (void)state;
    struct rpc_server_opts o = fx_opts(&fx);
    o.grace_ms = 200;
    fx_serve(&fx, &o);
    struct rpc_channel *c = fx_channel(&fx, fx.client_dir);
    struct fx_async a;
    fx_append_async(&fx, c, "cancel", 30000, &a); /* ends when it sees the cancellation */
    fx_wait_inside(&fx, 1);
    int64_t start = os_mono_ms();
    fx_stop(&fx);
    assert_true(os_mono_ms() - start < 3000);
    fx_async_wait(&a);
    assert_int_not_equal(a.err, CH_OK);
    rpc_channel_free(c);
}

static void cancelled_caller_is_seen_by_the_handler(void **state)
{
    (void)state;
    fx_serve(&fx, NULL);
    struct rpc_channel *c = fx_channel(&fx, fx.client_dir);
    assert_int_equal(fx_append(c, "cancel", 200, NULL), CH_DEADLINE);
    for (int64_t until = os_mono_ms() + 5000; !atomic_load(&fx.stream_cancelled);) {
        assert_true(os_mono_ms() < until);
    }
    rpc_channel_free(c);
}

static void two_servers_never_share_a_port(void **state)
{
    (void)state;
    fx_serve(&fx, NULL);
    struct rpc_server_opts o = fx_opts(&fx);
    struct rpc_server *second = NULL;
    struct diag d = {0};
    assert_int_equal(rpc_server_new(&o, &second, &d), CH_OK);
    assert_int_equal(rpc_server_listen(second, fx.target, NULL, &d), CH_IO);
    assert_int_equal(rpc_server_start(second, &d),
                     CH_OK); /* no port, but it has one slot: harmless */
    rpc_server_free(second);
    rpc_server_free(NULL);
}

extern char **environ;

static void child_programs_do_not_disturb_calls(void **state)
{
    (void)state;
    fx_serve(&fx, NULL);
    struct rpc_channel *c = fx_channel(&fx, fx.client_dir);
    assert_int_equal(fx_append(c, "ok", 10000, NULL), CH_OK);
    for (int i = 0; i < 5; i++) {
        char *argv[] = {(char *)(uintptr_t) "/bin/true", NULL};
        pid_t pid;
        assert_int_equal(posix_spawn(&pid, argv[0], NULL, NULL, argv, environ), 0);
        assert_int_equal(fx_append(c, "ok", 10000, NULL), CH_OK);
        int status = 0;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
    rpc_channel_free(c);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(channel_recovers_quickly_after_a_server_restart),
        TEST(call_that_never_left_is_unavailable_not_unknown),
        TEST(idempotent_calls_survive_a_restart),
        TEST(unavailable_that_a_handler_answers_is_not_repeated),
        TEST(blocked_workers_leave_health_and_new_connections_alive),
        TEST(keepalive_does_not_kill_a_long_call),
        TEST(stop_lets_a_running_call_finish_and_refuses_new_ones),
        TEST(stop_cancels_what_outlives_the_grace),
        TEST(cancelled_caller_is_seen_by_the_handler),
        TEST(two_servers_never_share_a_port),
        TEST(child_programs_do_not_disturb_calls),
    };
    if (rpc_init() != CH_OK) {
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rpc_shutdown();
    return failed;
}
