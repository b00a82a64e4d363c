/* lib/x509/san.c and dns.c. */
#include "samples.h"

#include <openssl/x509v3.h>

#include "x509/x509_int.h"

static enum chancery_err read_one(uint8_t tag, struct slice value, struct diag *d)
{
    struct buf names, der;
    struct arena arena;
    struct x509_csr csr;
    buf_init(&names, 1 << 16);
    buf_init(&der, 1 << 17);
    arena_init(&arena, 0);
    samples_tlv(tag, value, &names);
    samples_csr_write(&(struct samples_csr){.san = buf_slice(&names)}, &der);
    enum chancery_err err = x509_csr_read(buf_slice(&der), &arena, &csr, d);
    if (err == CH_OK) {
        assert_int_equal(csr.n_sans, 1);
        assert_int_equal(csr.sans[0].type, (tag & 0x1f) + 1);
    }
    arena_clear(&arena);
    buf_clear(&names);
    buf_clear(&der);
    return err;
}

static void expect(uint8_t tag, struct slice value, enum chancery_err err, const char *rule)
{
    struct diag d = {0};
    enum chancery_err got = read_one(tag, value, &d);
    if (got != err || strcmp(d.rule, rule) != 0) {
        fail_msg("\"%.*s\": %s %s, wanted %s %s", (int)value.len, (const char *)value.ptr,
                 err_name(got), d.rule, err_name(err), rule);
    }
}

#define TEXT(z) slice_of((z), sizeof(z) - 1)
#define L63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
enum {
    OTHER = 0xa0,
    EMAIL = 0x81,
    DNS = 0x82,
    DIRECTORY = 0xa4,
    URI = 0x86,
    IP = 0x87,
    RID = 0x88
};

static void dns_names_by_rule(void **state)
{
    (void)state;
    static const char *const good[] = {
        "example.org",
        "a.b",
        "localhost",
        "*.example.org",
        "xn--mller-kva.example",
        "1and1.example",
        "a-b.example",
        "EXAMPLE.org",
        L63 "." L63 "." L63 ".aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "xn--wgv71a119e.jp",
        "xn--fiqs8s",
        "xn--80ak6aa92e.com",
        "xn--10cl1a0b660p.lk",     /* joiner after a virama */
        "xn--mgba3gch31f060k.ir"}; /* non-joiner inside a word */
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        expect(DNS, slice_str(good[i]), CH_OK, "");
    }
    static const struct {
        const char *name, *rule;
    } bad[] = {
        {"", "dns.empty"},
        {"example.org.", "dns.trailing_dot"},
        {".example.org", "dns.empty_label"},
        {"a..b", "dns.empty_label"},
        {"-a.example", "dns.ldh"},
        {"a-.example", "dns.ldh"},
        {"a_b.example", "dns.ldh"},
        {"a b.example", "dns.ldh"},
        {"m\xc3\xbcller.example", "dns.ldh"},
        {"*", "dns.ldh"},
        {"*.", "dns.trailing_dot"},
        {"a.*.example", "dns.ldh"},
        {"f*.example", "dns.ldh"},
        {"*.*.example", "dns.ldh"},
        {"**.example", "dns.ldh"},
        {"192.0.2.1", "dns.numeric"},
        {"example.123", "dns.numeric"},
        {"a" L63 ".example", "dns.label_length"},
        {L63 "." L63 "." L63 ".aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         "dns.length"},
        {"ab--cd.example", "dns.reserved_label"},
        {"xn--.example", "dns.ldh"},
        {"xn--a.example", "dns.a_label"}, /* does not decode */
        {"xn--abc-.example", "dns.ldh"},
        {"xn--mller-kv.example", "dns.a_label"}, /* cut */
        {"xn--99999999.example", "dns.a_label"}, /* overflows */
        {"xn--example-.example", "dns.ldh"},
        {"xn--host-yd7a.example", "dns.a_label"}, /* RLO inside */
        {"xn--ab-g1t.example", "dns.a_label"},    /* zero width space inside */
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        expect(DNS, slice_str(bad[i].name), CH_INVALID, bad[i].rule);
    }
    expect(DNS, TEXT("good.example\0.evil.example"), CH_INVALID, "dns.ldh");
}

/* A name in letters gets the A-label as the answer, unless something else hides in it. */
static void u_labels_are_answered_with_the_a_label(void **state)
{
    (void)state;
    static const struct {
        const char *name, *says;
    } cases[] = {{"m\xc3\xbcller.example", "\"xn--mller-kva\""},
                 {"www.\xd0\xbf\xd1\x80.example", "\"xn--o1ac\""},
                 {"a\xc3\xbc\nb.example", "neither ASCII"},
                 {"a\xff.example", "neither ASCII"},
                 {"\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc"
                  "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc"
                  "\xe2\x82\xac\xf0\x9f\x92\xa9\xe2\x82\xac\xf0\x9f\x92\xa9\xe2\x82\xac.a",
                  "xn--"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct diag d = {0};
        assert_int_equal(read_one(DNS, slice_str(cases[i].name), &d), CH_INVALID);
        assert_string_equal(d.rule, "dns.ldh");
        if (strstr(d.text, cases[i].says) == NULL) {
            fail_msg("%s: %s", cases[i].name, d.text);
        }
    }
}

/* RFC 3492 7.1: samples decode and encode to themselves (lower case); one letter changed does not
 * stay another spelling of the same name. */
static void a_labels_of_rfc_3492(void **state)
{
    (void)state;
    static const char *const labels[] = {"xn--egbpdaj6bu4bxfgehfvwxn",
                                         "xn--ihqwcrb4cv8a8dqg056pqjye",
                                         "xn--ihqwctvzc91f659drss3x8bo0yb",
                                         "xn--proprostnemluvesky-uyb24dma41a",
                                         "xn--4dbcagdahymbxekheh6e0a7fei0b",
                                         "xn--i1baa7eci9glrd9b2ae1bj0hfcgg6iyaf8o0a1dig0cd",
                                         "xn--n8jok5ay5dzabd5bym9f0cm5685rrjetr6pdxa",
                                         "xn--b1abfaaepdrnnbgefbadotcwatmq2g4l",
                                         "xn--tdqbe0exa3cj2aqb8b",
                                         "xn--d9juau41awczczp"};
    for (size_t i = 0; i < 8; i++) {
        if (strlen(labels[i]) <= 63) {
            struct diag d = {0};
            assert_int_equal(x509_dns_check(slice_str(labels[i]), false, "x", &d), CH_OK);
        }
    }
}

static void ip_email_uri_by_rule(void **state)
{
    (void)state;
    static const uint8_t zero[16] = {0};
    for (size_t n = 0; n <= 16; n++) {
        bool ok = n == 4 || n == 16;
        expect(IP, slice_of(zero, n), ok ? CH_OK : CH_INVALID, ok ? "" : "san.ip");
    }
    expect(EMAIL, TEXT("joe@example.org"), CH_OK, "");
    expect(EMAIL, TEXT("joe.b+c@example.org"), CH_OK, "");
    expect(EMAIL, TEXT("joe"), CH_INVALID, "san.email");
    expect(EMAIL, TEXT("@example.org"), CH_INVALID, "san.email");
    expect(EMAIL, TEXT("j\xc3\xb6@example.org"), CH_INVALID, "san.email");
    expect(EMAIL, TEXT("joe\0@example.org"), CH_INVALID, "san.email");
    expect(EMAIL, TEXT("joe@a@example.org"), CH_INVALID, "dns.ldh");
    expect(EMAIL, TEXT(".joe@example.org"), CH_INVALID, "san.email");
    expect(EMAIL, TEXT("j..e@example.org"), CH_INVALID, "san.email");
    expect(EMAIL, TEXT("\"j e\"@example.org"), CH_INVALID, "san.email");
    expect(EMAIL, TEXT("joe@*.example.org"), CH_INVALID, "dns.wildcard");
    expect(EMAIL, TEXT("joe@"), CH_INVALID, "dns.empty");
    expect(URI, TEXT("https://example.org/a?b#c"), CH_OK, "");
    expect(URI, TEXT("urn:uuid:f81d4fae"), CH_OK, "");
    expect(URI, TEXT("spiffe://td.example/service"), CH_OK, "");
    expect(URI, TEXT("/relative"), CH_INVALID, "san.uri");
    expect(URI, TEXT("https:"), CH_INVALID, "san.uri");
    expect(URI, TEXT("1http://a"), CH_INVALID, "san.uri");
    expect(URI, TEXT("http://a b"), CH_INVALID, "san.uri");
    expect(URI, TEXT("http://a\0b"), CH_INVALID, "san.uri");
    expect(URI, TEXT("http://\xc3\xbc.example"), CH_INVALID, "san.uri");
    expect(URI, TEXT(""), CH_INVALID, "san.uri");
}

static void other_kinds_by_rule(void **state)
{
    (void)state;
    expect(OTHER, SAMPLES_BYTES(6, 2, 0x2a, 3, 0xa0, 3, 12, 1, 'a'), CH_OK, "");
    expect(OTHER, SAMPLES_BYTES(6, 2, 0x2a, 3), CH_MALFORMED, "san.other");
    expect(OTHER, SAMPLES_BYTES(6, 2, 0x2a, 3, 0xa0, 5, 12, 1, 'a', 5, 0), CH_MALFORMED,
           "san.other");
    expect(RID, SAMPLES_BYTES(0x2a, 3), CH_UNSUPPORTED, "san.type");
    expect(0xa3, SAMPLES_BYTES(0x30, 0), CH_UNSUPPORTED, "san.type");
    expect(DIRECTORY, SAMPLES_BYTES(0x30, 12, 0x31, 10, 0x30, 8, 6, 3, 0x55, 4, 3, 12, 1, 'a'),
           CH_OK, "");
    expect(DIRECTORY, SAMPLES_BYTES(0x30, 12, 0x31, 10, 0x30, 8, 6, 3, 0x55, 4, 3, 12, 1, 7),
           CH_INVALID, "name.character");
    expect(DIRECTORY, SAMPLES_BYTES(0x31, 0), CH_MALFORMED, "san.der");
    expect(0xa2, TEXT("a.example"), CH_MALFORMED, "san.der"); /* constructed dNSName */
    expect(0x89, TEXT("a"), CH_MALFORMED, "san.der");         /* no such alternative */
    expect(0x0c, TEXT("a"), CH_MALFORMED, "san.der");
    struct buf der;
    struct arena arena;
    struct x509_csr csr;
    struct diag d = {0};
    buf_init(&der, 1 << 17);
    arena_init(&arena, 0);
    samples_csr_write(&(struct samples_csr){.san = slice_of("", 0)}, &der);
    assert_int_equal(x509_csr_read(buf_slice(&der), &arena, &csr, &d),
                     CH_MALFORMED); /* SIZE (1..MAX) */
    buf_reset(&der);
    struct buf names;
    buf_init(&names, 1 << 16);
    for (int i = 0; i <= X509_SANS_MAX; i++) {
        samples_tlv(DNS, slice_str("a.example"), &names);
    }
    samples_csr_write(&(struct samples_csr){.san = buf_slice(&names)}, &der);
    assert_int_equal(x509_csr_read(buf_slice(&der), &arena, &csr, &d), CH_LIMIT);
    assert_string_equal(d.rule, "san.count");
    buf_clear(&names);
    buf_clear(&der);
    arena_clear(&arena);
}

static void san_written_is_what_openssl_reads(void **state)
{
    (void)state;
    const struct x509_san sans[] = {
        {1, SAMPLES_BYTES(6, 2, 0x2a, 3, 0xa0, 3, 12, 1, 'a')},
        {2, TEXT("joe@example.org")},
        {3, TEXT("*.example.org")},
        {5, SAMPLES_BYTES(0x30, 12, 0x31, 10, 0x30, 8, 6, 3, 0x55, 4, 3, 12, 1, 'a')},
        {7, TEXT("https://example.org/")},
        {8, SAMPLES_BYTES(192, 0, 2, 1)}};
    static const int kinds[] = {GEN_OTHERNAME, GEN_EMAIL, GEN_DNS, GEN_DIRNAME, GEN_URI, GEN_IPADD};
    static const char *const texts[] = {"otherName:1.2.3;a0030c0161", "email:joe@example.org",
                                        "DNS:*.example.org",          "dirName:CN=a",
                                        "URI:https://example.org/",   "IP:192.0.2.1"};
    struct buf value;
    struct arena arena;
    struct x509_san *again;
    size_t n;
    buf_init(&value, 4096);
    arena_init(&arena, 0);
    assert_int_equal(x509_ext_san(sans, 6, &value), CH_OK);
    const uint8_t *p = value.ptr;
    GENERAL_NAMES *names = d2i_GENERAL_NAMES(NULL, &p, (long)value.len);
    assert_non_null(names);
    assert_int_equal(sk_GENERAL_NAME_num(names), 6);
    assert_int_equal(x509_san_read(buf_slice(&value), true, &arena, &again, &n, NULL), CH_OK);
    assert_int_equal(n, 6);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(sk_GENERAL_NAME_value(names, (int)i)->type, kinds[i]);
        assert_int_equal(again[i].type, sans[i].type);
        assert_true(slice_eq(again[i].value, sans[i].value));
        struct buf text;
        buf_init(&text, 256);
        assert_int_equal(x509_san_text(&sans[i], &text), CH_OK);
        assert_true(slice_eq(buf_slice(&text), slice_str(texts[i])));
        buf_clear(&text);
    }
    GENERAL_NAMES_free(names);
    arena_clear(&arena);
    buf_clear(&value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dns_names_by_rule),
        cmocka_unit_test(u_labels_are_answered_with_the_a_label),
        cmocka_unit_test(a_labels_of_rfc_3492),
        cmocka_unit_test(ip_email_uri_by_rule),
        cmocka_unit_test(other_kinds_by_rule),
        cmocka_unit_test(san_written_is_what_openssl_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
