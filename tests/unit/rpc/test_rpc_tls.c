/* Identities: wrong CA, wrong URI, other domain, expiry, deny list, rotation, two ports. */
#include "fixture.h"

#include <stdio.h>
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

static void expect(const char *identity, const char *peer, const char *deny, enum chancery_err want,
                   const char *text)
{
    struct rpc_channel_opts o = {.tls = {identity, deny}, .trust_domain = TD, .peer_uri = peer};
    struct rpc_channel *c = fx_channel_opts(&fx, &o);
    struct diag d = {0};
    bool told = false;
    /* libgrpc keeps the reason of its last connection attempt; one that is cut by the peer first
     * has none. Each call must be refused, one of a few must say why. */
    for (int i = 0; i < 20 && !told; i++) {
        assert_string_equal(err_name(fx_append(c, "ok", 10000, &d)), err_name(want));
        told = strstr(d.text, text) != NULL;
    }
    if (!told) {
        fail_msg("\"%s\" is not in \"%s\"", text, d.text);
    }
    rpc_channel_free(c);
}

static void client_of_another_ca_is_refused(void **state)
{
    (void)state;
    fx_serve(&fx, NULL);
    char dir[128];
    (void)snprintf(dir, sizeof dir, "%s/stranger", fx.dir);
    struct test_ca *other = test_ca_new("another infrastructure");
    test_ca_issue(other, dir, CLIENT_URI);
    /* It trusts our server, so that only the server refuses. */
    char path[160];
    (void)snprintf(path, sizeof path, "%s/ca.pem", fx.client_dir);
    struct buf pem;
    buf_init(&pem, 100000);
    assert_int_equal(os_file_read(path, &pem, NULL), CH_OK);
    assert_int_equal(buf_add_u8(&pem, 0), CH_OK);
    test_write(dir, "ca.pem", (const char *)pem.ptr);
    buf_clear(&pem);
    expect(dir, "/chancery/audit", NULL, CH_UNAVAILABLE, "");
    assert_int_equal(atomic_load(&fx.handled), 0);
    test_ca_free(other);
}

static void server_of_another_ca_is_refused(void **state)
{
    (void)state;
    fx_serve(&fx, NULL);
    char dir[128];
    (void)snprintf(dir, sizeof dir, "%s/stranger", fx.dir);
    struct test_ca *other = test_ca_new("another infrastructure");
    test_ca_issue(other, dir, CLIENT_URI);
    expect(dir, "/chancery/audit", NULL, CH_UNAVAILABLE, "");
    test_ca_free(other);
}

static void server_with_another_uri_is_refused_by_the_client(void **state)
{
    (void)state;
    fx_serve(&fx, NULL);
    expect(fx.client_dir, "/chancery/signer", NULL, CH_UNAVAILABLE, "SAN mismatch");
    assert_int_equal(atomic_load(&fx.handled), 0);
}

static void client_of_another_trust_domain_is_unauthenticated(void **state)
{
    (void)state;
    fx_serve(&fx, NULL);
    char dir[128];
    (void)snprintf(dir, sizeof dir, "%s/foreign", fx.dir);
    static const char *const uris[] = {
        "spiffe://chancery.test.evil/chancery/ca", "spiffe://chancery.tes/chancery/ca",
        "https://chancery.test/chancery/ca", "spiffe://chancery.test/"};
    for (size_t i = 0; i < sizeof uris / sizeof uris[0]; i++) {
        test_ca_issue(fx.ca, dir, uris[i]);
        expect(dir, "/chancery/audit", NULL, CH_UNAUTHENTICATED,
               "no identity of this trust domain");
    }
    assert_int_equal(atomic_load(&fx.refused), 4);
    assert_int_equal(atomic_load(&fx.handled), 0);
}

static void certificate_with_two_uris_is_no_identity(void **state)
{
    (void)state;
    fx_serve(&fx, NULL);
    char dir[128];
    (void)snprintf(dir, sizeof dir, "%s/two", fx.dir);
    static const char *const uris[] = {CLIENT_URI, OTHER_URI, NULL};
    test_ca_issue_uris(fx.ca, dir, uris, 3600);
    expect(dir, "/chancery/audit", NULL, CH_UNAUTHENTICATED, "");
}

static void expired_certificate_is_refused(void **state)
{
    (void)state;
    fx_serve(&fx, NULL);
    char dir[128];
    (void)snprintf(dir, sizeof dir, "%s/old", fx.dir);
    static const char *const uris[] = {CLIENT_URI, NULL};
    test_ca_issue_uris(fx.ca, dir, uris, -60);
    expect(dir, "/chancery/audit", NULL, CH_UNAVAILABLE, "");
}

static void certificate_that_expires_on_a_live_connection_is_refused(void **state)
{
    (void)state;
    fx_serve(&fx, NULL);
    char dir[128];
    (void)snprintf(dir, sizeof dir, "%s/short", fx.dir);
    static const char *const uris[] = {CLIENT_URI, NULL};
    test_ca_issue_uris(fx.ca, dir, uris, 2);
    struct rpc_channel *c = fx_channel(&fx, dir);
    assert_int_equal(fx_append(c, "ok", 10000, NULL), CH_OK);
    enum chancery_err err = CH_OK;
    for (int64_t until = os_mono_ms() + 8000; err == CH_OK && os_mono_ms() < until;) {
        err = fx_append(c, "ok", 10000, NULL);
        (void)nanosleep(&(struct timespec){0, 50000000}, NULL);
    }
    assert_int_equal(err, CH_UNAUTHENTICATED);
    rpc_channel_free(c);
}

static void denied_key_is_refused_by_the_server_on_a_live_connection(void **state)
{
    (void)state;
    fx_serve(&fx, NULL);
    struct rpc_channel *c = fx_channel(&fx, fx.client_dir);
    assert_int_equal(fx_append(c, "ok", 10000, NULL), CH_OK);
    char line[128], hash[65];
    test_identity_spki(fx.client_dir, hash);
    (void)snprintf(line, sizeof line, "# lost laptop\n%s\n", hash);
    test_write(fx.dir, "deny", line);
    enum chancery_err err = CH_OK;
    for (int64_t until = os_mono_ms() + 5000; err == CH_OK && os_mono_ms() < until;) {
        err = fx_append(c, "ok", 10000, NULL);
    }
    assert_int_equal(err, CH_UNAUTHENTICATED);
    test_write(fx.dir, "deny", "not a hash\n"); /* does not parse: the list in force stays */
    for (int64_t until = os_mono_ms() + 1500; os_mono_ms() < until;) {
        assert_int_equal(fx_append(c, "ok", 10000, NULL), CH_UNAUTHENTICATED);
    }
    rpc_channel_free(c);
}

static void denied_key_is_refused_by_the_client(void **state)
{
    (void)state;
    fx_serve(&fx, NULL);
    char hash[65], path[128];
    test_identity_spki(fx.server_dir, hash);
    test_write(fx.dir, "client-deny", hash);
    (void)snprintf(path, sizeof path, "%s/client-deny", fx.dir);
    expect(fx.client_dir, "/chancery/audit", path, CH_UNAVAILABLE, "deny list");
}

static void server_certificate_rotates_without_a_failed_call(void **state)
{
    (void)state;
    fx_serve(&fx, NULL);
    struct rpc_channel *old = fx_channel(&fx, fx.client_dir);
    assert_int_equal(fx_append(old, "ok", 10000, NULL), CH_OK);
    char hash[65], path[128];
    test_identity_spki(fx.server_dir, hash);
    test_write(fx.dir, "old-key", hash);
    (void)snprintf(path, sizeof path, "%s/old-key", fx.dir);
    expect(fx.client_dir, "/chancery/audit", path, CH_UNAVAILABLE, "deny list");
    test_ca_issue(fx.ca, fx.server_dir, SERVER_URI);
    /* A client that refuses the old key now connects: the server shows the new one. */
    expect(fx.client_dir, "/chancery/audit", path, CH_OK, "");
    assert_int_equal(fx_append(old, "ok", 10000, NULL), CH_OK);
    rpc_channel_free(old);
}

static void half_written_rotation_keeps_the_old_certificate(void **state)
{
    (void)state;
    fx_serve(&fx, NULL);
    expect(fx.client_dir, "/chancery/audit", NULL, CH_OK, "");
    test_write(fx.server_dir, "cert.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n");
    expect(fx.client_dir, "/chancery/audit", NULL, CH_OK, "");
    test_ca_issue(fx.ca, fx.server_dir, SERVER_URI);
    expect(fx.client_dir, "/chancery/audit", NULL, CH_OK, "");
}

static void client_certificate_rotates_in_a_live_channel(void **state)
{
    (void)state;
    fx_serve(&fx, NULL);
    struct rpc_channel *c = fx_channel(&fx, fx.client_dir);
    assert_int_equal(fx_append(c, "ok", 10000, NULL), CH_OK);
    test_ca_issue(fx.ca, fx.client_dir, OTHER_URI);
    enum chancery_err err = CH_OK;
    for (int64_t until = os_mono_ms() + 10000; err != CH_DENIED && os_mono_ms() < until;) {
        fx_stop(&fx); /* a new connection */
        fx_serve(&fx, NULL);
        for (err = CH_UNAVAILABLE; err == CH_UNAVAILABLE || err == CH_UNKNOWN;) {
            err = fx_append(c, "ok", 5000, NULL);
        }
        (void)nanosleep(&(struct timespec){0, 100000000}, NULL); /* the file watcher's second */
    }
    assert_int_equal(err, CH_DENIED); /* "/user/eve" arrived, and may not Append */
    rpc_channel_free(c);
}

static void two_ports_and_a_unix_socket_serve_one_identity(void **state)
{
    (void)state;
    struct rpc_server_opts o = fx_opts(&fx);
    struct diag diag = {0};
    struct rpc_server *s = NULL;
    char path[128];
    int a = 0, b = 0;
    (void)snprintf(path, sizeof path, "unix:%s/sock", fx.dir);
    assert_int_equal(rpc_server_new(&o, &s, &diag), CH_OK);
    assert_int_equal(rpc_server_listen(s, "127.0.0.1:0", &a, &diag), CH_OK);
    assert_int_equal(rpc_server_listen(s, "127.0.0.1:0", &b, &diag), CH_OK);
    assert_int_equal(rpc_server_listen(s, path, NULL, &diag), CH_OK);
    assert_true(a > 0 && b > 0 && a != b);
    assert_int_equal(rpc_server_start(s, &diag), CH_OK);
    char targets[3][160];
    (void)snprintf(targets[0], sizeof targets[0], "127.0.0.1:%d", a);
    (void)snprintf(targets[1], sizeof targets[1], "127.0.0.1:%d", b);
    (void)snprintf(targets[2], sizeof targets[2], "%s", path);
    for (int i = 0; i < 3; i++) {
        struct rpc_channel_opts co = {
            .tls = {fx.client_dir, NULL}, .trust_domain = TD, .peer_uri = SERVER_URI};
        struct rpc_channel *c = NULL;
        bool ready = true;
        assert_int_equal(rpc_channel_new(targets[i], &co, &c, &diag), CH_OK);
        assert_int_equal(rpc_health_check(c, 10000, &ready, &diag), CH_OK);
        assert_false(ready);
        rpc_server_set_ready(s, true);
        assert_int_equal(rpc_health_check(c, 10000, &ready, &diag), CH_OK);
        assert_true(ready);
        rpc_server_set_ready(s, false);
        rpc_channel_free(c);
    }
    rpc_server_stop(s);
    rpc_server_free(s);
}

static void missing_or_unfitting_files_are_refused_at_start(void **state)
{
    (void)state;
    struct rpc_server *s = NULL;
    struct rpc_server_opts o = fx_opts(&fx);
    struct diag d = {0};
    o.tls.dir = "/nonexistent";
    assert_int_equal(rpc_server_new(&o, &s, &d), CH_NOT_FOUND);
    o = fx_opts(&fx);
    test_write(fx.server_dir, "key.pem", "nonsense");
    assert_int_equal(rpc_server_new(&o, &s, &d), CH_INVALID);
    assert_string_equal(d.rule, "tls.identity");
    struct rpc_channel *c = NULL;
    struct rpc_channel_opts co = {
        .tls = {fx.client_dir, NULL}, .trust_domain = TD, .peer_uri = "spiffe://other/x"};
    assert_int_equal(rpc_channel_new("127.0.0.1:1", &co, &c, &d), CH_INVALID);
    assert_string_equal(d.rule, "rpc.peer_uri");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(client_of_another_ca_is_refused),
        TEST(server_of_another_ca_is_refused),
        TEST(server_with_another_uri_is_refused_by_the_client),
        TEST(client_of_another_trust_domain_is_unauthenticated),
        TEST(certificate_with_two_uris_is_no_identity),
        TEST(expired_certificate_is_refused),
        TEST(certificate_that_expires_on_a_live_connection_is_refused),
        TEST(denied_key_is_refused_by_the_server_on_a_live_connection),
        TEST(denied_key_is_refused_by_the_client),
        TEST(server_certificate_rotates_without_a_failed_call),
        TEST(half_written_rotation_keeps_the_old_certificate),
        TEST(client_certificate_rotates_in_a_live_channel),
        TEST(two_ports_and_a_unix_socket_serve_one_identity),
        TEST(missing_or_unfitting_files_are_refused_at_start),
    };
    if (rpc_init() != CH_OK) {
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rpc_shutdown();
    return failed;
}
