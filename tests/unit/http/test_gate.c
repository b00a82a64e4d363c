/* The gate as a pure function: one row per rule of RFC 9112 it enforces. */
#include "cm.h"

#include <stdio.h>

#include "http/gate.h"

#define F(n, v)                                                                                    \
    {                                                                                              \
        {(const uint8_t *)(n), sizeof(n) - 1},                                                     \
        {                                                                                          \
            (const uint8_t *)(v), sizeof(v) - 1                                                    \
        }                                                                                          \
    }
#define HOST F("Host", "ca.example")

struct row {
    const char *what;
    enum http_method method;
    unsigned major, minor;
    const char *target;
    struct http_field fields[4];
    size_t n;
    int status;
    const char *rule;
};

static const struct row rows[] = {
    {"plain GET", HTTP_GET, 1, 1, "/ocsp/abc%2B?x=1", {HOST}, 1, 0, ""},
    {"HTTP/1.0 without Host", HTTP_GET, 1, 0, "/", {F("", "")}, 0, 0, ""},
    {"absolute-form", HTTP_GET, 1, 1, "http://ca.example:80/x", {HOST}, 1, 0, ""},
    {"absolute-form without path", HTTP_GET, 1, 1, "http://ca.example", {HOST}, 1, 0, ""},
    {"POST with length", HTTP_POST, 1, 1, "/", {HOST, F("Content-Length", "5")}, 2, 0, ""},
    {"POST chunked", HTTP_POST, 1, 1, "/", {HOST, F("Transfer-Encoding", "Chunked")}, 2, 0, ""},
    {"GET with zero length", HTTP_GET, 1, 1, "/", {HOST, F("Content-Length", "0")}, 2, 0, ""},
    {"obs-text in a value", HTTP_GET, 1, 1, "/", {HOST, F("X", "caf\xe9")}, 2, 0, ""},
    {"HTTP/2.0", HTTP_GET, 2, 0, "/", {HOST}, 1, 505, "http.version"},
    {"HTTP/1.2", HTTP_GET, 1, 2, "/", {HOST}, 1, 505, "http.version"},
    {"PUT", HTTP_NONE, 1, 1, "/", {HOST}, 1, 405, "http.method"},
    {"no Host", HTTP_GET, 1, 1, "/", {F("", "")}, 0, 400, "http.host.missing"},
    {"two Hosts", HTTP_GET, 1, 1, "/", {HOST, HOST}, 2, 400, "http.host.repeated"},
    {"empty Host", HTTP_GET, 1, 1, "/", {F("Host", "")}, 1, 400, "http.host.value"},
    {"Host with path", HTTP_GET, 1, 1, "/", {F("Host", "a/b")}, 1, 400, "http.host.value"},
    {"Host with user", HTTP_GET, 1, 1, "/", {F("Host", "a@b")}, 1, 400, "http.host.value"},
    {"CL and TE",
     HTTP_POST,
     1,
     1,
     "/",
     {HOST, F("Content-Length", "5"), F("Transfer-Encoding", "chunked")},
     3,
     400,
     "http.length-and-encoding"},
    {"two CL",
     HTTP_POST,
     1,
     1,
     "/",
     {HOST, F("Content-Length", "5"), F("content-length", "5")},
     3,
     400,
     "http.content-length.repeated"},
    {"CL list",
     HTTP_POST,
     1,
     1,
     "/",
     {HOST, F("Content-Length", "5, 5")},
     2,
     400,
     "http.content-length.value"},
    {"CL +5",
     HTTP_POST,
     1,
     1,
     "/",
     {HOST, F("Content-Length", "+5")},
     2,
     400,
     "http.content-length.value"},
    {"CL -0",
     HTTP_POST,
     1,
     1,
     "/",
     {HOST, F("Content-Length", "-0")},
     2,
     400,
     "http.content-length.value"},
    {"CL 0x5",
     HTTP_POST,
     1,
     1,
     "/",
     {HOST, F("Content-Length", "0x5")},
     2,
     400,
     "http.content-length.value"},
    {"CL empty",
     HTTP_POST,
     1,
     1,
     "/",
     {HOST, F("Content-Length", "")},
     2,
     400,
     "http.content-length.value"},
    {"CL overflow",
     HTTP_POST,
     1,
     1,
     "/",
     {HOST, F("Content-Length", "18446744073709551621")},
     2,
     400,
     "http.content-length.value"},
    {"TE gzip, chunked",
     HTTP_POST,
     1,
     1,
     "/",
     {HOST, F("Transfer-Encoding", "gzip, chunked")},
     2,
     400,
     "http.transfer-encoding.value"},
    {"TE identity",
     HTTP_POST,
     1,
     1,
     "/",
     {HOST, F("Transfer-Encoding", "identity")},
     2,
     400,
     "http.transfer-encoding.value"},
    {"TE twice",
     HTTP_POST,
     1,
     1,
     "/",
     {HOST, F("Transfer-Encoding", "chunked"), F("Transfer-Encoding", "chunked")},
     3,
     400,
     "http.transfer-encoding.repeated"},
    {"TE in 1.0",
     HTTP_POST,
     1,
     0,
     "/",
     {HOST, F("Transfer-Encoding", "chunked")},
     2,
     400,
     "http.transfer-encoding.value"},
    {"GET with body",
     HTTP_GET,
     1,
     1,
     "/",
     {HOST, F("Content-Length", "5")},
     2,
     400,
     "http.body.unexpected"},
    {"HEAD chunked",
     HTTP_HEAD,
     1,
     1,
     "/",
     {HOST, F("Transfer-Encoding", "chunked")},
     2,
     400,
     "http.body.unexpected"},
    {"space before colon", HTTP_GET, 1, 1, "/", {HOST, F("X ", "1")}, 2, 400, "http.field.name"},
    {"empty name", HTTP_GET, 1, 1, "/", {HOST, F("", "1")}, 2, 400, "http.field.name"},
    {"NUL in name", HTTP_GET, 1, 1, "/", {HOST, F("X\0", "1")}, 2, 400, "http.field.name"},
    {"bracket in name", HTTP_GET, 1, 1, "/", {HOST, F("X[]", "1")}, 2, 400, "http.field.name"},
    {"control in value", HTTP_GET, 1, 1, "/", {HOST, F("X", "a\001b")}, 2, 400, "http.field.value"},
    {"NUL in value", HTTP_GET, 1, 1, "/", {HOST, F("X", "a\0b")}, 2, 400, "http.field.value"},
    {"CR in value", HTTP_GET, 1, 1, "/", {HOST, F("X", "a\rb")}, 2, 400, "http.field.value"},
    {"DEL in value", HTTP_GET, 1, 1, "/", {HOST, F("X", "a\177b")}, 2, 400, "http.field.value"},
    {"empty target", HTTP_GET, 1, 1, "", {HOST}, 1, 400, "http.target"},
    {"asterisk", HTTP_GET, 1, 1, "*", {HOST}, 1, 400, "http.target"},
    {"authority-form", HTTP_GET, 1, 1, "ca.example:443", {HOST}, 1, 400, "http.target"},
    {"other scheme", HTTP_GET, 1, 1, "ftp://x/", {HOST}, 1, 400, "http.target"},
    {"userinfo", HTTP_GET, 1, 1, "http://u@x/", {HOST}, 1, 400, "http.target"},
    {"fragment", HTTP_GET, 1, 1, "/a#b", {HOST}, 1, 400, "http.target"},
    {"space", HTTP_GET, 1, 1, "/a b", {HOST}, 1, 400, "http.target"},
    {"control", HTTP_GET, 1, 1, "/a\tb", {HOST}, 1, 400, "http.target"},
    {"high octet", HTTP_GET, 1, 1, "/\xc3\xa9", {HOST}, 1, 400, "http.target"},
    {"bad percent", HTTP_GET, 1, 1, "/%4", {HOST}, 1, 400, "http.target"},
    {"bad percent digits", HTTP_GET, 1, 1, "/%g0", {HOST}, 1, 400, "http.target"},
    {"backslash", HTTP_GET, 1, 1, "/a\\b", {HOST}, 1, 400, "http.target"},
};

static void gate_table_holds(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *r = &rows[i];
        struct http_gate_input in = {.method = r->method,
                                     .major = r->major,
                                     .minor = r->minor,
                                     .target = slice_str(r->target),
                                     .fields = r->fields,
                                     .n_fields = r->n,
                                     .header_max = 8192};
        struct http_gate_verdict v;
        http_gate_check(&in, &v);
        if (v.status != r->status || strcmp(v.rule, r->rule) != 0) {
            fail_msg("%s: %d %s", r->what, v.status, v.rule);
        }
    }
}

static void gate_too_many_fields_431(void **state)
{
    (void)state;
    struct http_field fields[HTTP_FIELDS_MAX + 1];
    fields[0] = (struct http_field)HOST;
    for (size_t i = 1; i <= HTTP_FIELDS_MAX; i++) {
        fields[i] = (struct http_field)F("X", "1");
    }
    struct http_gate_input in = {.method = HTTP_GET,
                                 .major = 1,
                                 .minor = 1,
                                 .target = slice_str("/"),
                                 .fields = fields,
                                 .n_fields = HTTP_FIELDS_MAX,
                                 .header_max = 8192};
    struct http_gate_verdict v;
    http_gate_check(&in, &v);
    assert_int_equal(v.status, 0);
    in.n_fields++;
    http_gate_check(&in, &v);
    assert_int_equal(v.status, 431);
    in.n_fields = 3;
    in.header_max = 20;
    http_gate_check(&in, &v);
    assert_int_equal(v.status, 431);
}

static void target_split_gives_path_and_query(void **state)
{
    (void)state;
    struct slice path, query;
    assert_int_equal(http_target_split(slice_str("//a//b?c?d"), &path, &query), CH_OK);
    assert_true(slice_eq(path, slice_str("//a//b")));
    assert_true(slice_eq(query, slice_str("c?d")));
    assert_int_equal(http_target_split(slice_str("HTTP://h?q"), &path, &query), CH_OK);
    assert_true(slice_eq(path, slice_str("/")));
    assert_true(slice_eq(query, slice_str("q")));
}

static void scan_finds_hidden_octets_wherever_cut(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t len;
        bool done, fault;
    } cases[] = {{"G\r\nA: b\r\n\r\n\0", 12, true, false},
                 {"G\nA: b\n\n", 9, true, false},
                 {"\r\n\r\nG\r\n\r\n", 9, true, false},
                 {"G\r\nA: b\r\n", 9, false, false},
                 {"G\r\nA: \0\r\n\r\n", 11, true, true},
                 {"G\r\n B\r\n\r\n", 9, true, true},
                 {"G\r\n\tB\r\n\r\n", 9, true, true},
                 {"G\rH\r\n\r\n", 7, true, true},
                 {"G\r\r\n\r\n", 6, true, true}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t cut = 0; cut <= cases[i].len; cut++) {
            struct http_scan scan = {0};
            http_scan_add(&scan, slice_of(cases[i].text, cut));
            http_scan_add(&scan, slice_of(cases[i].text + cut, cases[i].len - cut));
            assert_int_equal(scan.done, cases[i].done);
            assert_int_equal(scan.fault, cases[i].fault);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gate_table_holds),
        cmocka_unit_test(gate_too_many_fields_431),
        cmocka_unit_test(target_split_gives_path_and_query),
        cmocka_unit_test(scan_finds_hidden_octets_wherever_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
