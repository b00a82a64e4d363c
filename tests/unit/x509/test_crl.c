/* lib/x509/crl_write.c and crl_read.c: streamed CRLs verify with OpenSSL; the push reader gives the
 * same fields whatever the chunks; each deviation is refused. */
#include "samples.h"

#include <openssl/x509v3.h>

#define TEXT(z) slice_of((z), sizeof(z) - 1)

static const uint8_t ski[20] = {1, 2, 3};
static const unsigned reasons[] = {0, 1, 2, 3, 4, 5, 9, 10};

static struct x509_crl_head sample_head(const char *url, enum crypto_alg alg)
{
    static const uint8_t issuer[] = {0x30, 12, 0x31, 10, 0x30, 8, 6, 3, 0x55, 4, 3, 12, 1, 'i'};
    return (struct x509_crl_head){.alg = alg,
                                  .issuer = slice_of(issuer, sizeof issuer),
                                  .this_update_s = 1700000000,
                                  .next_update_s = 2600000000,
                                  .number = 300,
                                  .issuer_ski = slice_of(ski, sizeof ski),
                                  .idp_url = url};
}

static void entry_at(size_t i, bool with_reasons, uint8_t serial[16], struct x509_crl_entry *e)
{
    memset(serial, 0x11, 16);
    serial[0] = (uint8_t)(i % 3 == 0 ? 0x80 | i >> 8 : 0x01 | i >> 8); /* some need a sign octet */
    serial[1] = (uint8_t)(i >> 8);
    serial[2] = (uint8_t)i;
    *e = (struct x509_crl_entry){slice_of(serial, 16), 1690000000 + (int64_t)i,
                                 with_reasons ? reasons[i % 8] : 0};
}

static void write_crl(const struct x509_crl_head *h, size_t n, bool with_reasons, struct buf *out)
{
    struct buf entries;
    size_t total;
    buf_init(&entries, 1 << 20);
    for (size_t i = 0; i < n; i++) {
        uint8_t serial[16];
        struct x509_crl_entry e;
        entry_at(i, with_reasons, serial, &e);
        assert_int_equal(x509_crl_entry_write(&e, &entries), CH_OK);
    }
    assert_int_equal(x509_crl_head_write(h, entries.len, out, &total), CH_OK);
    assert_int_equal(buf_add(out, buf_slice(&entries)), CH_OK);
    assert_int_equal(x509_crl_tail_write(h, out), CH_OK);
    assert_int_equal(out->len, total);
    buf_clear(&entries);
}

struct seen {
    const struct x509_crl_head *want;
    bool with_reasons, head, tail;
    size_t entries;
};

static enum chancery_err on_head(void *ctx, const struct x509_crl_head *h, struct diag *diag)
{
    struct seen *s = ctx;
    (void)diag;
    assert_false(s->head);
    s->head = true;
    assert_int_equal(h->alg, s->want->alg);
    assert_true(slice_eq(h->issuer, s->want->issuer));
    assert_true(h->this_update_s == s->want->this_update_s &&
                h->next_update_s == s->want->next_update_s);
    return CH_OK;
}

static enum chancery_err on_entry(void *ctx, const struct x509_crl_entry *e, struct diag *diag)
{
    struct seen *s = ctx;
    (void)diag;
    uint8_t serial[16];
    struct x509_crl_entry want;
    assert_true(s->head && !s->tail);
    entry_at(s->entries++, s->with_reasons, serial, &want);
    assert_true(slice_eq(e->serial, want.serial));
    assert_true(e->revoked_at_s == want.revoked_at_s);
    assert_int_equal(e->reason, want.reason);
    return CH_OK;
}

static enum chancery_err on_tail(void *ctx, const struct x509_crl_head *h, struct diag *diag)
{
    struct seen *s = ctx;
    (void)diag;
    assert_true(s->head && !s->tail);
    s->tail = true;
    assert_true(h->number == s->want->number);
    assert_true(slice_eq(h->issuer_ski, s->want->issuer_ski));
    if (s->want->idp_url == NULL) {
        assert_null(h->idp_url);
    } else {
        assert_string_equal(h->idp_url, s->want->idp_url);
    }
    return CH_OK;
}

static const struct x509_crl_events events = {on_head, on_entry, on_tail};

static void push_in_chunks(struct slice tbs, size_t chunk, struct seen s, size_t n)
{
    struct x509_crl_reader *r = x509_crl_reader_new(&events, &s);
    struct diag d = {0};
    for (size_t at = 0; at < tbs.len; at += chunk) {
        assert_int_equal(x509_crl_reader_push(r, slice_sub(tbs, at, chunk), &d), CH_OK);
    }
    assert_int_equal(x509_crl_reader_finish(r, &d), CH_OK);
    assert_true(s.head && s.tail);
    assert_int_equal(s.entries, n);
    x509_crl_reader_free(r);
}

static void expect_openssl(const struct x509_crl_head *h, struct slice tbs, EVP_PKEY *key, size_t n,
                           bool with_reasons)
{
    struct buf sig, der;
    buf_init(&sig, 1024);
    buf_init(&der, 1 << 20);
    samples_sign(key, h->alg, tbs, &sig);
    assert_int_equal(x509_assemble(tbs, h->alg, buf_slice(&sig), &der), CH_OK);
    const uint8_t *p = der.ptr;
    X509_CRL *crl = d2i_X509_CRL(NULL, &p, (long)der.len);
    assert_non_null(crl);
    assert_int_equal(X509_CRL_verify(crl, key), 1);
    STACK_OF(X509_REVOKED) *list = X509_CRL_get_REVOKED(crl);
    assert_int_equal(list == NULL ? 0 : sk_X509_REVOKED_num(list), (int)n);
    ASN1_INTEGER *number = X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL, NULL);
    assert_int_equal(ASN1_INTEGER_get(number), 300);
    ASN1_INTEGER_free(number);
    int critical = -1;
    ISSUING_DIST_POINT *idp =
        X509_CRL_get_ext_d2i(crl, NID_issuing_distribution_point, &critical, NULL);
    assert_int_equal(critical, h->idp_url == NULL ? -1 : 1);
    assert_int_equal(idp != NULL, h->idp_url != NULL);
    ISSUING_DIST_POINT_free(idp);
    if (n > 4 && with_reasons) {
        ASN1_ENUMERATED *reason =
            X509_REVOKED_get_ext_d2i(sk_X509_REVOKED_value(list, 4), NID_crl_reason, NULL, NULL);
        assert_int_equal(ASN1_ENUMERATED_get(reason), 4);
        ASN1_ENUMERATED_free(reason);
    }
    X509_CRL_free(crl);
    buf_clear(&sig);
    buf_clear(&der);
}

static void crls_of_all_sizes_and_chunks(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 2, 3, 1000};
    EVP_PKEY *key = samples_key(CRYPTO_KEY_P256);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (int variant = 0; variant < 4; variant++) {
            bool with_reasons = (variant & 1) != 0;
            const struct x509_crl_head h = sample_head(
                (variant & 2) != 0 ? "http://crl.example/i/3.crl" : NULL, CRYPTO_ALG_ECDSA_SHA256);
            struct buf tbs;
            buf_init(&tbs, 1 << 20);
            write_crl(&h, sizes[i], with_reasons, &tbs);
            expect_openssl(&h, buf_slice(&tbs), key, sizes[i], with_reasons);
            /* Every chunk size up to 300, then some around the reader's own pieces. */
            for (size_t chunk = 1; chunk <= 300; chunk += sizes[i] == 1000 ? 37 : 1) {
                push_in_chunks(buf_slice(&tbs), chunk,
                               (struct seen){&h, with_reasons, false, false, 0}, sizes[i]);
            }
            static const size_t large[] = {4096, 16383, 16384, 16385, 65536, 1 << 20};
            for (size_t c = 0; c < sizeof large / sizeof large[0]; c++) {
                push_in_chunks(buf_slice(&tbs), large[c],
                               (struct seen){&h, with_reasons, false, false, 0}, sizes[i]);
            }
            buf_clear(&tbs);
        }
    }
    EVP_PKEY_free(key);
}

static void crls_of_every_issuer_key_verify(void **state)
{
    (void)state;
    for (size_t i = 0; i < samples_n_types; i++) {
        EVP_PKEY *key = samples_key(samples_types[i]);
        const struct x509_crl_head h =
            sample_head("http://crl.example/i/0.crl", crypto_alg_default(samples_types[i]));
        struct buf tbs;
        buf_init(&tbs, 1 << 20);
        write_crl(&h, 5, true, &tbs);
        expect_openssl(&h, buf_slice(&tbs), key, 5, true);
        buf_clear(&tbs);
        EVP_PKEY_free(key);
    }
}

static enum chancery_err read_all(struct slice tbs, struct diag *d)
{
    static const struct x509_crl_events none = {NULL, NULL, NULL};
    struct x509_crl_reader *r = x509_crl_reader_new(&none, NULL);
    enum chancery_err err = x509_crl_reader_push(r, tbs, d);
    if (err == CH_OK) {
        err = x509_crl_reader_finish(r, d);
    } else {
        assert_int_equal(x509_crl_reader_push(r, tbs, NULL),
                         CH_PRECONDITION); /* it stays stopped */
    }
    x509_crl_reader_free(r);
    return err;
}

static void crl_cut_or_extended_refused(void **state)
{
    (void)state;
    const struct x509_crl_head h = sample_head("http://crl.example/i/3.crl", CRYPTO_ALG_ED25519);
    struct buf tbs;
    buf_init(&tbs, 1 << 20);
    write_crl(&h, 3, true, &tbs);
    struct diag d = {0};
    for (size_t n = 0; n < tbs.len; n++) {
        assert_int_equal(read_all(slice_of(tbs.ptr, n), &d), CH_MALFORMED);
        assert_string_equal(d.rule, "crl.truncated");
    }
    assert_int_equal(buf_add_u8(&tbs, 0), CH_OK);
    assert_int_equal(read_all(buf_slice(&tbs), &d), CH_MALFORMED);
    assert_string_equal(d.rule, "crl.trailing");
    buf_clear(&tbs);
}

/* What we accept of changed octets, OpenSSL reads too, with as many entries. */
static void crl_changed_at_random_means_the_same_to_openssl(void **state)
{
    (void)state;
    const struct x509_crl_head h =
        sample_head("http://crl.example/i/3.crl", CRYPTO_ALG_ECDSA_SHA256);
    struct buf tbs;
    uint64_t seed = 7;
    size_t accepted = 0;
    buf_init(&tbs, 1 << 20);
    write_crl(&h, 4, true, &tbs);
    const uint8_t *name = memmem(tbs.ptr, tbs.len, h.issuer.ptr, h.issuer.len);
    assert_non_null(name);
    size_t issuer = (size_t)(name - tbs.ptr);
    for (int round = 0; round < 20000; round++) {
        uint8_t raw[1024];
        memcpy(raw, tbs.ptr, tbs.len);
        size_t at = samples_random(&seed) % tbs.len;
        if (at >= issuer && at < issuer + h.issuer.len) {
            continue; /* values of names are not judged here: ca compares the whole name */
        }
        raw[at] = (uint8_t)samples_random(&seed);
        if (read_all(slice_of(raw, tbs.len), NULL) != CH_OK) {
            continue;
        }
        accepted++;
        struct buf der;
        buf_init(&der, 4096);
        struct der_reader r = der_reader_of(slice_of(raw, tbs.len)), in;
        uint64_t version;
        struct der_value alg;
        assert_int_equal(der_enter(&r, DER_SEQUENCE, &in), CH_OK);
        assert_int_equal(der_read_uint(&in, &version), CH_OK);
        assert_int_equal(der_next(&in, &alg), CH_OK);
        assert_int_equal(x509_assemble(slice_of(raw, tbs.len), crypto_alg_from_der(alg.whole),
                                       TEXT("sig"), &der),
                         CH_OK);
        const uint8_t *p = der.ptr;
        X509_CRL *crl = d2i_X509_CRL(NULL, &p, (long)der.len);
        assert_non_null(crl);
        assert_int_equal(sk_X509_REVOKED_num(X509_CRL_get_REVOKED(crl)), 4);
        X509_CRL_free(crl);
        buf_clear(&der);
    }
    assert_true(accepted > 100);
    buf_clear(&tbs);
}

static void expect_refused(struct slice tbs, const char *rule)
{
    struct diag d = {0};
    assert_int_equal(read_all(tbs, &d), CH_MALFORMED);
    assert_string_equal(d.rule, rule);
}

/* Wraps fields in the outer SEQUENCE. */
static void expect_fields_refused(const struct slice *fields, size_t n, const char *rule)
{
    struct buf content, tbs;
    buf_init(&content, 1 << 16);
    buf_init(&tbs, 1 << 16);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(buf_add(&content, fields[i]), CH_OK);
    }
    samples_tlv(DER_SEQUENCE, buf_slice(&content), &tbs);
    if (rule == NULL) {
        struct diag d = {0};
        assert_int_equal(read_all(buf_slice(&tbs), &d), CH_OK);
    } else {
        expect_refused(buf_slice(&tbs), rule);
    }
    buf_clear(&content);
    buf_clear(&tbs);
}

#define V2 SAMPLES_BYTES(2, 1, 1)
#define ALG SAMPLES_BYTES(0x30, 5, 6, 3, 0x2b, 0x65, 0x70)
#define NAME SAMPLES_BYTES(0x30, 0)
#define TIME                                                                                       \
    SAMPLES_BYTES(0x17, 13, '2', '4', '0', '1', '0', '1', '0', '0', '0', '0', '0', '0', 'Z')
#define AKI 0x30, 12, 6, 3, 0x55, 0x1d, 0x23, 4, 5, 0x30, 3, 0x80, 1, 7
#define NUMBER 0x30, 10, 6, 3, 0x55, 0x1d, 0x14, 4, 3, 2, 1, 9
#define GOOD_EXT SAMPLES_BYTES(0xa0, 28, 0x30, 26, AKI, NUMBER)

static void crl_fields_by_rule(void **state)
{
    (void)state;
    const struct slice good[] = {V2, ALG, NAME, TIME, TIME, GOOD_EXT};
    expect_fields_refused(good, 6, NULL);
    const struct {
        size_t at;
        struct slice value;
        const char *rule;
    } rows[] = {
        {0, SAMPLES_BYTES(2, 1, 0), "crl.version"},
        {0, SAMPLES_BYTES(5, 0), "crl.version"},
        {1, SAMPLES_BYTES(0x30, 3, 6, 1, 0x2b), "crl.algorithm"},
        {2, SAMPLES_BYTES(0x31, 0), "crl.issuer"},
        {3, SAMPLES_BYTES(5, 0), "crl.this_update"},
        {4, SAMPLES_BYTES(5, 0), "crl.next_update"},
        {5, SAMPLES_BYTES(0xa0, 2, 0x30, 0), "crl.extensions"},
        {5, SAMPLES_BYTES(0xa0, 16, 0x30, 14, AKI), "crl.extensions"},    /* no number */
        {5, SAMPLES_BYTES(0xa0, 14, 0x30, 12, NUMBER), "crl.extensions"}, /* no AKI */
        {5, SAMPLES_BYTES(0xa0, 40, 0x30, 38, AKI, NUMBER, NUMBER), "crl.extensions"}, /* twice */
        {5, SAMPLES_BYTES(0xa1, 28, 0x30, 26, AKI, NUMBER), "crl.extensions"},
        {5, SAMPLES_BYTES(0x30, 0), "crl.entries.empty"},
        /* Unknown extension; IDP not critical; number critical. */
        {5, SAMPLES_BYTES(0xa0, 37, 0x30, 35, AKI, NUMBER, 0x30, 7, 6, 3, 0x55, 0x1d, 0x12, 4, 0),
         "crl.extensions"},
        {5,
         SAMPLES_BYTES(0xa0, 46, 0x30, 44, AKI, NUMBER, 0x30, 16, 6, 3, 0x55, 0x1d, 0x1c, 4, 9,
                       0x30, 7, 0xa0, 5, 0xa0, 3, 0x86, 1, 'a'),
         "crl.extensions"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct slice fields[6];
        memcpy(fields, good, sizeof fields);
        fields[rows[i].at] = rows[i].value;
        expect_fields_refused(fields, 6, rows[i].rule);
    }
    const struct slice idp[] = {V2,
                                ALG,
                                NAME,
                                TIME,
                                TIME,
                                SAMPLES_BYTES(0xa0, 49, 0x30, 47, AKI, NUMBER, 0x30, 19, 6, 3, 0x55,
                                              0x1d, 0x1c, 1, 1, 0xff, 4, 9, 0x30, 7, 0xa0, 5, 0xa0,
                                              3, 0x86, 1, 'a')};
    expect_fields_refused(idp, 6, NULL);
    const struct slice more[] = {V2, ALG, NAME, TIME, TIME, GOOD_EXT, SAMPLES_BYTES(5, 0)};
    expect_fields_refused(more, 7, "crl.trailing");
}

static void crl_entries_by_rule(void **state)
{
    (void)state;
#define T 0x17, 13, '2', '4', '0', '1', '0', '1', '0', '0', '0', '0', '0', '0', 'Z'
#define REASON(r) 0x30, 12, 0x30, 10, 6, 3, 0x55, 0x1d, 0x15, 4, 3, 10, 1, (r)
    const struct {
        struct slice entry;
        bool ok;
    } rows[] = {
        {SAMPLES_BYTES(0x30, 18, 2, 1, 1, T), true},
        {SAMPLES_BYTES(0x30, 32, 2, 1, 1, T, REASON(1)), true},
        {SAMPLES_BYTES(0x30, 32, 2, 1, 1, T, REASON(0)), false}, /* RFC 5280 5.3.1: leave it out */
        {SAMPLES_BYTES(0x30, 32, 2, 1, 1, T, REASON(7)), false},
        {SAMPLES_BYTES(0x30, 32, 2, 1, 1, T, REASON(11)), false},
        {SAMPLES_BYTES(0x30, 18, 2, 1, 0, T), false},          /* serial 0 */
        {SAMPLES_BYTES(0x30, 18, 2, 1, 0x80, T), false},       /* negative */
        {SAMPLES_BYTES(0x30, 19, 2, 2, 0, 1, T), false},       /* padded */
        {SAMPLES_BYTES(0x30, 20, 2, 1, 1, T, 0x30, 0), false}, /* empty extensions */
        {SAMPLES_BYTES(0x30, 20, 2, 1, 1, T, 5, 0), false},
        {SAMPLES_BYTES(0x30, 3, 2, 1, 1), false},
        {SAMPLES_BYTES(0x31, 18, 2, 1, 1, T), false},
        {SAMPLES_BYTES(0x30, 29, 2, 1, 1, T, 0x30, 9, 0x30, 7, 6, 3, 0x55, 0x1d, 0x18, 4, 0),
         false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf list;
        buf_init(&list, 4096);
        samples_tlv(DER_SEQUENCE, rows[i].entry, &list);
        const struct slice fields[] = {V2, ALG, NAME, TIME, TIME, buf_slice(&list), GOOD_EXT};
        expect_fields_refused(fields, 7, rows[i].ok ? NULL : "crl.entry");
        buf_clear(&list);
    }
    /* An entry that claims more octets than the list has is refused at its header. */
    const struct slice fields[] = {
        V2, ALG, NAME, TIME, TIME, SAMPLES_BYTES(0x30, 3, 0x30, 9, 0), GOOD_EXT};
    expect_fields_refused(fields, 7, "crl.entry");
}

static void crl_element_of_unbounded_size_refused(void **state)
{
    (void)state;
    /* A "name" that claims 1 MiB inside a CRL that claims 2 MiB: refused before it is collected. */
    const struct slice tbs = SAMPLES_BYTES(0x30, 0x83, 0x20, 0, 0, 2, 1, 1, 0x30, 5, 6, 3, 0x2b,
                                           0x65, 0x70, 0x30, 0x83, 0x10, 0, 0);
    expect_refused(tbs, "crl.der");
}

static enum chancery_err stop(void *ctx, const struct x509_crl_entry *e, struct diag *diag)
{
    (void)ctx;
    (void)e;
    return diag_set(diag, CH_CONFLICT, "x", "test.stop", "stopped");
}

static void crl_callback_error_stops(void **state)
{
    (void)state;
    const struct x509_crl_events only = {NULL, stop, NULL};
    const struct x509_crl_head h = sample_head(NULL, CRYPTO_ALG_ED25519);
    struct buf tbs;
    struct diag d = {0};
    buf_init(&tbs, 1 << 16);
    write_crl(&h, 2, false, &tbs);
    struct x509_crl_reader *r = x509_crl_reader_new(&only, NULL);
    assert_int_equal(x509_crl_reader_push(r, buf_slice(&tbs), &d), CH_CONFLICT);
    assert_string_equal(d.rule, "test.stop");
    x509_crl_reader_free(r);
    x509_crl_reader_free(NULL);
    buf_clear(&tbs);
}

static void crl_writer_refuses_bad_values(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 4096);
    const uint8_t serial[21] = {1};
    struct x509_crl_entry e = {slice_of(serial, 16), 1, 7};
    assert_int_equal(x509_crl_entry_write(&e, &out), CH_INVALID);
    e = (struct x509_crl_entry){slice_of(serial, 21), 1, 1};
    assert_int_equal(x509_crl_entry_write(&e, &out), CH_INVALID);
    struct x509_crl_head h = sample_head(NULL, CRYPTO_ALG_ED25519);
    h.next_update_s = h.this_update_s;
    assert_int_equal(x509_crl_head_write(&h, 0, &out, NULL), CH_INVALID);
    assert_int_equal(out.len, 0);
    buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crls_of_all_sizes_and_chunks),
        cmocka_unit_test(crls_of_every_issuer_key_verify),
        cmocka_unit_test(crl_cut_or_extended_refused),
        cmocka_unit_test(crl_changed_at_random_means_the_same_to_openssl),
        cmocka_unit_test(crl_fields_by_rule),
        cmocka_unit_test(crl_entries_by_rule),
        cmocka_unit_test(crl_element_of_unbounded_size_refused),
        cmocka_unit_test(crl_callback_error_stops),
        cmocka_unit_test(crl_writer_refuses_bad_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
