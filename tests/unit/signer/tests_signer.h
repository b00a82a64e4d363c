/* TBS bytes built field by field, so that each field can be wrong on its own. */
#ifndef CHANCERY_TESTS_SIGNER_H
#define CHANCERY_TESTS_SIGNER_H

#include "cm.h"

#include "crypto/alg.h"
#include "der/der.h"

#define MUST(call) assert_int_equal((call), CH_OK)

/* Name with one CN: SEQUENCE { SET { SEQUENCE { 2.5.4.3, UTF8String } } }. */
static inline void tests_put_name(struct buf *b)
{
    static const uint8_t cn[] = {0x55, 0x04, 0x03};
    size_t name, set, pair;
    MUST(der_open(b, DER_SEQUENCE, &name));
    MUST(der_open(b, DER_SET, &set));
    MUST(der_open(b, DER_SEQUENCE, &pair));
    MUST(der_put(b, DER_OID, slice_of(cn, sizeof cn)));
    MUST(der_put(b, DER_UTF8, slice_str("Test CA")));
    MUST(der_close(b, pair));
    MUST(der_close(b, set));
    MUST(der_close(b, name));
}

/* The four first fields of a version 3 certificate, then `rest` more octets in an OCTET STRING. */
struct tests_certificate {
    uint64_t version;
    struct slice serial; /* content of the INTEGER */
    struct slice alg;    /* AlgorithmIdentifier DER */
    size_t rest;
};

static inline struct tests_certificate tests_certificate_good(void)
{
    static const uint8_t serial[] = {0x01, 0x02, 0x03};
    return (struct tests_certificate){
        .version = 2,
        .serial = slice_of(serial, sizeof serial),
        .alg = crypto_alg_der(CRYPTO_ALG_ECDSA_SHA256),
        .rest = 300,
    };
}

static inline void tests_put_rest(struct buf *b, size_t n)
{
    size_t mark;
    MUST(der_open(b, DER_OCTET_STRING, &mark));
    for (size_t i = 0; i < n; i++) {
        MUST(buf_add_u8(b, (uint8_t)i));
    }
    MUST(der_close(b, mark));
}

static inline void tests_put_certificate(struct buf *b, const struct tests_certificate *c)
{
    size_t tbs, version;
    MUST(der_open(b, DER_SEQUENCE, &tbs));
    MUST(der_open(b, DER_CONTEXT_CONS(0), &version));
    MUST(der_put_uint(b, c->version));
    MUST(der_close(b, version));
    MUST(der_put(b, DER_INTEGER, c->serial));
    MUST(buf_add(b, c->alg));
    tests_put_name(b);
    tests_put_rest(b, c->rest);
    MUST(der_close(b, tbs));
}

struct tests_crl {
    uint64_t version;
    struct slice alg;
    int64_t this_update_s;
    bool sequence_instead_of_time; /* what a version 1 certificate has there */
    size_t rest;
};

static inline struct tests_crl tests_crl_good(void)
{
    return (struct tests_crl){
        .version = 1,
        .alg = crypto_alg_der(CRYPTO_ALG_ECDSA_SHA256),
        .this_update_s = 1800000000,
        .rest = 300,
    };
}

static inline void tests_put_crl(struct buf *b, const struct tests_crl *c)
{
    size_t tbs, validity;
    MUST(der_open(b, DER_SEQUENCE, &tbs));
    MUST(der_put_uint(b, c->version));
    MUST(buf_add(b, c->alg));
    tests_put_name(b);
    if (c->sequence_instead_of_time) {
        MUST(der_open(b, DER_SEQUENCE, &validity));
        MUST(der_put_time(b, c->this_update_s));
        MUST(der_put_time(b, c->this_update_s + 86400));
        MUST(der_close(b, validity));
    } else {
        MUST(der_put_time(b, c->this_update_s));
    }
    tests_put_rest(b, c->rest);
    MUST(der_close(b, tbs));
}

#endif
