/* lib/x509/pem.c. */
#include "samples.h"

#include <stdio.h>

struct found {
    size_t n;
    struct buf last;
};

static enum chancery_err take(void *ctx, struct slice der)
{
    struct found *f = ctx;
    f->n++;
    buf_reset(&f->last);
    return buf_add(&f->last, der);
}

static enum chancery_err each(const char *text, struct found *f)
{
    f->n = 0;
    return x509_pem_each("CERTIFICATE", slice_str(text), take, f, NULL);
}

static void blocks_round_trip_at_every_length(void **state)
{
    (void)state;
    struct found f = {0};
    buf_init(&f.last, 4096);
    uint8_t raw[200];
    memset(raw, 0xa5, sizeof raw);
    for (size_t n = 1; n < sizeof raw; n++) {
        struct buf text;
        buf_init(&text, 4096);
        assert_int_equal(x509_pem_write("CERTIFICATE", slice_of(raw, n), &text), CH_OK);
        assert_int_equal(x509_pem_write("OTHER", slice_of(raw, n), &text), CH_OK);
        assert_int_equal(x509_pem_write("CERTIFICATE", slice_of(raw, n), &text), CH_OK);
        f.n = 0;
        assert_int_equal(x509_pem_each("CERTIFICATE", buf_slice(&text), take, &f, NULL), CH_OK);
        assert_int_equal(f.n, 2);
        assert_true(slice_eq(buf_slice(&f.last), slice_of(raw, n)));
        buf_clear(&text);
    }
    buf_clear(&f.last);
}

static void texts_around_and_line_ends_are_taken(void **state)
{
    (void)state;
    struct found f = {0};
    buf_init(&f.last, 4096);
    assert_int_equal(
        each(
            "subject: x\r\n-----BEGIN CERTIFICATE-----\r\nAQID\r\n-----END CERTIFICATE-----\r\nbye",
            &f),
        CH_OK);
    assert_int_equal(f.n, 1);
    assert_true(slice_eq(buf_slice(&f.last), SAMPLES_BYTES(1, 2, 3)));
    assert_int_equal(each("-----BEGIN CERTIFICATE-----\nAQ\nID  \n-----END CERTIFICATE-----", &f),
                     CH_OK);
    assert_int_equal(f.n, 1);
    assert_int_equal(each("", &f), CH_OK);
    assert_int_equal(f.n, 0);
    buf_clear(&f.last);
}

static void broken_blocks_refused(void **state)
{
    (void)state;
    struct found f = {0};
    buf_init(&f.last, 4096);
    static const char *const bad[] = {
        "-----BEGIN CERTIFICATE-----\nAQID\n",
        "-----BEGIN CERTIFICATE-----\nAQID\n-----END X-----\n",
        "-----BEGIN CERTIFICATE-----\nAQI\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nAQ=D\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\n\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\n\nAQID\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\nAQID\n-----END "
        "CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\n A Q I D\n-----END CERTIFICATE-----\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(each(bad[i], &f), CH_MALFORMED);
    }
    buf_clear(&f.last);
}

static void csr_from_pem_or_der(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 4096);
    static const char one[] =
        "-----BEGIN NEW CERTIFICATE REQUEST-----\nMAA=\n-----END NEW CERTIFICATE REQUEST-----\n";
    assert_int_equal(x509_csr_from_pem_or_der(slice_str(one), &out, NULL), CH_OK);
    assert_true(slice_eq(buf_slice(&out), SAMPLES_BYTES(0x30, 0)));
    buf_reset(&out);
    assert_int_equal(x509_csr_from_pem_or_der(SAMPLES_BYTES(0x30, 0), &out, NULL), CH_OK);
    assert_int_equal(out.len, 2);
    struct diag d = {0};
    char two[300];
    (void)snprintf(two, sizeof two, "%s%s", one, one);
    assert_int_equal(x509_csr_from_pem_or_der(slice_str(two), &out, &d), CH_MALFORMED);
    assert_string_equal(d.rule, "csr.pem");
    assert_int_equal(x509_csr_from_pem_or_der(slice_str("hello"), &out, &d), CH_MALFORMED);
    buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_round_trip_at_every_length),
        cmocka_unit_test(texts_around_and_line_ends_are_taken),
        cmocka_unit_test(broken_blocks_refused),
        cmocka_unit_test(csr_from_pem_or_der),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
