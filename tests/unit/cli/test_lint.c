/* chancery lint: names the planted fault of each bad object, and nothing in good ones. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli.h"
#include "lint_der.h"
#include "x509/x509.h"

static char out[1 << 18], err[4096];

/* Runs the program; its exit code. */
static int run(int argc, const char *const *words)
{
    char *argv[16] = {(char[]){"chancery"}};
    for (int i = 0; i < argc; i++) {
        argv[i + 1] = strdup(words[i]);
    }
    memset(out, 0, sizeof out);
    memset(err, 0, sizeof err);
    FILE *o = fmemopen(out, sizeof out - 1, "w"), *e = fmemopen(err, sizeof err - 1, "w");
    int code = cli_main(argc + 1, argv, o, e);
    (void)fclose(o);
    (void)fclose(e);
    for (int i = 0; i < argc; i++) {
        free(argv[i + 1]);
    }
    return code;
}
#define RUN(...)                                                                                   \
    run((int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)),                        \
        (const char *const[]){__VA_ARGS__})

static char path[] = "/tmp/chancery-lint-XXXXXX";

static void put(struct slice s)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(s.ptr, 1, s.len, f), s.len);
    assert_int_equal(fclose(f), 0);
}

static void put_object(enum policy_lint_kind kind, const char *const *parts)
{
    struct buf der CLEANUP(buf_clear);
    buf_init(&der, 1 << 20);
    lint_der(kind, parts, &der);
    put(buf_slice(&der));
}

static const char *kind_word(const char *id)
{
    static const char *const words[] = {"", "certificate", "crl", "ocsp"};
    return words[lint_kind(id)];
}

/* Whether findings name the lint, and whether any of them is an error. */
static bool named(const char *id, bool *out_error)
{
    bool is = false;
    json_t *v = json_loads(out, 0, NULL);
    size_t i;
    json_t *row;
    assert_non_null(v);
    *out_error = false;
    json_array_foreach(json_object_get(v, "findings"), i, row)
    {
        is = is || strcmp(json_string_value(json_object_get(row, "lint")), id) == 0;
        *out_error =
            *out_error || strcmp(json_string_value(json_object_get(row, "severity")), "error") == 0;
    }
    json_decref(v);
    return is;
}

static void planted_fault_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < LINT_CASES_COUNT; i++) {
        const struct lint_case *c = &LINT_CASES[i];
        bool error;
        put_object(lint_kind(c->id), c->bad);
        int code = RUN("lint", "--json", "--set", "cabf-server", "--kind", kind_word(c->id), path);
        if (!named(c->id, &error)) {
            fail_msg("%s is not named: %s", c->id, out);
        }
        assert_int_equal(code, error ? 1 : 0);
        code = RUN("lint", "--warnings-fail", "--set", "cabf-server", "--kind", kind_word(c->id),
                   path);
        assert_int_equal(code, 1);
        assert_non_null(strstr(out, c->id));
    }
}

static void clean_objects_pass(void **state)
{
    (void)state;
    static const char *const none[] = {NULL};
    static const char *const words[] = {"", "certificate", "crl", "ocsp"};
    for (int kind = POLICY_LINT_CERTIFICATE; kind <= POLICY_LINT_OCSP; kind++) {
        put_object((enum policy_lint_kind)kind, none);
        assert_int_equal(
            RUN("lint", "--warnings-fail", "--set", "cabf-server", "--kind", words[kind], path), 0);
        assert_string_equal(out, "1 objects, 0 errors, 0 warnings\n");
    }
}

static void signed_objects_need_no_kind(void **state)
{
    (void)state;
    static const char *const whole[] = {"@whole", NULL};
    static const char *const labels[] = {"", "CERTIFICATE", "X509 CRL", "OCSP RESPONSE"};
    struct buf all CLEANUP(buf_clear);
    buf_init(&all, 1 << 16);
    for (int kind = POLICY_LINT_CERTIFICATE; kind <= POLICY_LINT_OCSP; kind++) {
        struct buf der CLEANUP(buf_clear);
        buf_init(&der, 1 << 16);
        lint_der((enum policy_lint_kind)kind, whole, &der);
        put(buf_slice(&der));
        (void)RUN("lint", "--json", path);
        assert_non_null(strstr(out, "\"objects\": 1,"));
        assert_int_equal(x509_pem_write(labels[kind], buf_slice(&der), &all), CH_OK);
    }
    put(buf_slice(&all)); /* several blocks of several kinds in one file, and the file twice */
    (void)RUN("lint", "--json", path, path);
    assert_non_null(strstr(out, "\"objects\": 6,"));
}

static void what_is_no_object_is_refused(void **state)
{
    (void)state;
    put(slice_str("hello\n"));
    assert_int_equal(RUN("lint", path), 1);
    assert_non_null(strstr(err, "neither DER nor PEM"));
    put(slice_of("\x30\x03\x02\x01\x05", 5));
    assert_int_equal(RUN("lint", path), 1);
    assert_non_null(strstr(err, "--kind"));
    assert_int_equal(RUN("lint", "--kind", "crl", path), 1);
    assert_non_null(strstr(out, "lint.crl.der"));
    assert_int_equal(RUN("lint", "/nonexistent"), 1);
}

static void wrong_use_is_told(void **state)
{
    (void)state;
    assert_int_equal(RUN("lint"), 2);
    assert_int_equal(RUN("lint", "--set", "rfc5820", path), 2);
    assert_int_equal(RUN("lint", "--kind", "csr", path), 2);
    assert_int_equal(RUN("help", "lint"), 0);
    assert_non_null(strstr(out, "chancery lint FILE..."));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(planted_fault_is_named),
        cmocka_unit_test(clean_objects_pass),
        cmocka_unit_test(signed_objects_need_no_kind),
        cmocka_unit_test(what_is_no_object_is_refused),
        cmocka_unit_test(wrong_use_is_told),
    };
    int fd = mkstemp(path);
    if (fd < 0) {
        return 1;
    }
    (void)close(fd);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)unlink(path);
    return failed;
}
