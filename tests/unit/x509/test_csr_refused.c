/* lib/x509/csr.c: one refusal per rule, each with its rule id. */
#include "samples.h"

static enum chancery_err read_csr(const struct samples_csr *c, struct diag *d)
{
    struct buf der;
    struct arena arena;
    struct x509_csr csr;
    buf_init(&der, 1 << 20);
    arena_init(&arena, 0);
    samples_csr_write(c, &der);
    enum chancery_err err = x509_csr_read(buf_slice(&der), &arena, &csr, d);
    arena_clear(&arena);
    buf_clear(&der);
    return err;
}

static void expect(const struct samples_csr *c, enum chancery_err err, const char *rule)
{
    struct diag d = {0};
    assert_int_equal(read_csr(c, &d), err);
    assert_string_equal(d.rule, rule);
}

/* Appends Attribute { oid, SET { values } }. */
static void attribute(uint8_t last, struct slice values, struct buf *out)
{
    const uint8_t oid[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, last};
    struct buf b;
    buf_init(&b, 1 << 16);
    samples_tlv(DER_OID, slice_of(oid, sizeof oid), &b);
    samples_tlv(DER_SET, values, &b);
    samples_tlv(DER_SEQUENCE, buf_slice(&b), out);
    buf_clear(&b);
}

#define CHALLENGE 0x07
#define EXTENSIONS 0x0e
#define UNSTRUCTURED 0x02
static const uint8_t text_a[] = {DER_UTF8, 1, 'a'};

static void defaults_are_accepted(void **state)
{
    (void)state;
    struct diag d = {0};
    assert_int_equal(read_csr(&(struct samples_csr){0}, &d), CH_OK);
}

static void versions_and_algorithms_refused(void **state)
{
    (void)state;
    expect(&(struct samples_csr){.version = SAMPLES_BYTES(2, 1, 1)}, CH_INVALID, "csr.version");
    expect(&(struct samples_csr){.version = SAMPLES_BYTES(2, 2, 0, 0)}, CH_MALFORMED, "csr.der");
    expect(&(struct samples_csr){.version = SAMPLES_BYTES(5, 0)}, CH_MALFORMED, "csr.der");
    /* ecdsa-with-SHA1 and sha256WithRSAEncryption without NULL. */
    expect(&(struct samples_csr){.alg = SAMPLES_BYTES(0x30, 9, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d,
                                                      4, 1)},
           CH_UNSUPPORTED, "csr.algorithm");
    expect(&(struct samples_csr){.alg = SAMPLES_BYTES(0x30, 0x0b, 6, 9, 0x2a, 0x86, 0x48, 0x86,
                                                      0xf7, 0x0d, 1, 1, 0x0b)},
           CH_UNSUPPORTED, "csr.algorithm");
    static uint8_t large[70000];
    struct buf value;
    buf_init(&value, 1 << 20);
    samples_tlv(DER_OCTET_STRING, slice_of(large, sizeof large), &value);
    struct buf b;
    buf_init(&b, 1 << 20);
    const uint8_t oid[] = {0x2a, 0x03};
    struct buf in;
    buf_init(&in, 1 << 20);
    samples_tlv(DER_OID, slice_of(oid, 2), &in);
    samples_tlv(DER_SET, buf_slice(&value), &in);
    samples_tlv(DER_SEQUENCE, buf_slice(&in), &b);
    expect(&(struct samples_csr){.attributes = buf_slice(&b)}, CH_LIMIT, "csr.size");
    buf_clear(&in);
    buf_clear(&b);
    buf_clear(&value);
}

static void attributes_that_stand_twice_refused(void **state)
{
    (void)state;
    static const uint8_t kinds[] = {CHALLENGE, UNSTRUCTURED};
    for (size_t i = 0; i < 2; i++) {
        struct buf b;
        buf_init(&b, 4096);
        attribute(kinds[i], slice_of(text_a, 3), &b);
        attribute(kinds[i], slice_of(text_a, 3), &b);
        expect(&(struct samples_csr){.attributes = buf_slice(&b)}, CH_INVALID,
               "csr.attribute.duplicate");
        buf_clear(&b);
    }
    const uint8_t two[] = {DER_UTF8, 1, 'a', DER_UTF8, 1, 'b'};
    struct buf b;
    buf_init(&b, 8192);
    attribute(CHALLENGE, slice_of(two, sizeof two), &b);
    expect(&(struct samples_csr){.attributes = buf_slice(&b)}, CH_INVALID, "csr.attribute.single");
    buf_reset(&b);
    attribute(UNSTRUCTURED, slice_of(two, sizeof two), &b); /* several values where nobody looks */
    struct diag d = {0};
    assert_int_equal(read_csr(&(struct samples_csr){.attributes = buf_slice(&b)}, &d), CH_OK);
    buf_reset(&b);
    attribute(UNSTRUCTURED, slice_of(NULL, 0), &b); /* no value at all */
    expect(&(struct samples_csr){.attributes = buf_slice(&b)}, CH_MALFORMED, "csr.der");
    buf_reset(&b);
    for (uint8_t i = 0; i < 17; i++) {
        attribute((uint8_t)(0x20 + i), slice_of(text_a, 3), &b);
    }
    expect(&(struct samples_csr){.attributes = buf_slice(&b)}, CH_LIMIT, "csr.attributes.count");
    buf_clear(&b);
}

static void challenges_that_are_no_text_refused(void **state)
{
    (void)state;
    const struct slice values[] = {
        SAMPLES_BYTES(DER_UTF8, 0),           SAMPLES_BYTES(DER_UTF8, 2, 'a', 0),
        SAMPLES_BYTES(DER_UTF8, 1, 0xff),     SAMPLES_BYTES(DER_BMP, 2, 0, 'a'),
        SAMPLES_BYTES(DER_PRINTABLE, 1, '*'), SAMPLES_BYTES(DER_OCTET_STRING, 1, 'a')};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct buf b;
        buf_init(&b, 4096);
        attribute(CHALLENGE, values[i], &b);
        expect(&(struct samples_csr){.attributes = buf_slice(&b)}, CH_INVALID, "csr.challenge");
        buf_clear(&b);
    }
}

static void extension(struct slice list, enum chancery_err err, const char *rule)
{
    struct buf value, b;
    buf_init(&value, 1 << 16);
    buf_init(&b, 1 << 16);
    samples_tlv(DER_SEQUENCE, list, &value);
    attribute(EXTENSIONS, buf_slice(&value), &b);
    if (err == CH_OK) {
        struct diag d = {0};
        assert_int_equal(read_csr(&(struct samples_csr){.attributes = buf_slice(&b)}, &d), CH_OK);
    } else {
        expect(&(struct samples_csr){.attributes = buf_slice(&b)}, err, rule);
    }
    buf_clear(&value);
    buf_clear(&b);
}

static void extensions_refused(void **state)
{
    (void)state;
    extension(slice_of(NULL, 0), CH_MALFORMED, "extensions.empty");
    extension(SAMPLES_BYTES(0x30, 7, 6, 3, 0x55, 0x1d, 0x0f, 4, 0), CH_OK, "");
    /* RFC 5280 4.2: one instance of an extension. */
    extension(
        SAMPLES_BYTES(0x30, 7, 6, 3, 0x55, 0x1d, 0x0f, 4, 0, 0x30, 7, 6, 3, 0x55, 0x1d, 0x0f, 4, 0),
        CH_INVALID, "extensions.duplicate");
    /* X.690 11.5: critical FALSE is left out; and TRUE is FF. */
    extension(SAMPLES_BYTES(0x30, 10, 6, 3, 0x55, 0x1d, 0x0f, 1, 1, 0, 4, 0), CH_MALFORMED,
              "extensions.der");
    extension(SAMPLES_BYTES(0x30, 10, 6, 3, 0x55, 0x1d, 0x0f, 1, 1, 1, 4, 0), CH_MALFORMED,
              "extensions.der");
    extension(SAMPLES_BYTES(0x30, 10, 6, 3, 0x55, 0x1d, 0x0f, 1, 1, 0xff, 4, 0), CH_OK, "");
    extension(SAMPLES_BYTES(0x30, 9, 6, 3, 0x55, 0x1d, 0x0f, 4, 0, 5, 0), CH_MALFORMED,
              "extensions.der");
    struct buf many;
    buf_init(&many, 4096);
    for (uint8_t i = 0; i < X509_EXTENSIONS_MAX + 1; i++) {
        const uint8_t one[] = {0x30, 7, 6, 3, 0x55, 0x1d, (uint8_t)(0x30 + i), 4, 0};
        assert_int_equal(buf_add(&many, slice_of(one, sizeof one)), CH_OK);
    }
    extension(buf_slice(&many), CH_LIMIT, "extensions.count");
    buf_clear(&many);
    /* Octets behind the list inside the attribute value. */
    struct buf b;
    buf_init(&b, 4096);
    attribute(EXTENSIONS, SAMPLES_BYTES(0x31, 0), &b);
    expect(&(struct samples_csr){.attributes = buf_slice(&b)}, CH_MALFORMED, "csr.der");
    buf_clear(&b);
}

static void missing_attributes_refused(void **state)
{
    (void)state;
    struct buf der;
    struct arena arena;
    struct x509_csr csr;
    buf_init(&der, 4096);
    arena_init(&arena, 0);
    samples_csr_write(&(struct samples_csr){0}, &der);
    /* 30 .. 30 <info> 02 01 00 30 00 30 2a .. a0 00: cut the last two octets of info. */
    const size_t at = 2 + 2 + 3 + 2 + 44;
    assert_int_equal(der.ptr[at], 0xa0);
    memmove(der.ptr + at, der.ptr + at + 2, der.len - at - 2);
    der.len -= 2;
    der.ptr[1] = (uint8_t)(der.ptr[1] - 2);
    der.ptr[3] = (uint8_t)(der.ptr[3] - 2);
    struct diag d = {0};
    assert_int_equal(x509_csr_read(buf_slice(&der), &arena, &csr, &d),
                     CH_MALFORMED); /* RFC 2986 4.1 */
    assert_string_equal(d.field, "csr.attributes");
    arena_clear(&arena);
    buf_clear(&der);
}

static void ber_lengths_refused_anywhere(void **state)
{
    (void)state;
    struct buf der;
    struct arena arena;
    struct x509_csr csr;
    buf_init(&der, 4096);
    arena_init(&arena, 0);
    samples_csr_write(&(struct samples_csr){0}, &der);
    /* Outer length in long form, and indefinite with end-of-contents. */
    uint8_t raw[256] = {0x30, 0x81, der.ptr[1]};
    memcpy(raw + 3, der.ptr + 2, der.len - 2);
    assert_int_equal(x509_csr_read(slice_of(raw, der.len + 1), &arena, &csr, NULL), CH_MALFORMED);
    raw[1] = 0x80;
    memcpy(raw + 2, der.ptr + 2, der.len - 2);
    raw[der.len] = raw[der.len + 1] = 0;
    assert_int_equal(x509_csr_read(slice_of(raw, der.len + 2), &arena, &csr, NULL), CH_MALFORMED);
    arena_clear(&arena);
    buf_clear(&der);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_accepted),
        cmocka_unit_test(versions_and_algorithms_refused),
        cmocka_unit_test(attributes_that_stand_twice_refused),
        cmocka_unit_test(challenges_that_are_no_text_refused),
        cmocka_unit_test(extensions_refused),
        cmocka_unit_test(missing_attributes_refused),
        cmocka_unit_test(ber_lengths_refused_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
