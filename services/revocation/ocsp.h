/* OCSP (RFC 6960, RFC 9654): strict request reader, GET decoding, response writer. Pure: no I/O, no
 * clock.
 *
 * The response writer is our own because this is a measured hot path; unit tests have OpenSSL check
 * every kind of answer. */
#ifndef CHANCERY_REVOCATION_OCSP_H
#define CHANCERY_REVOCATION_OCSP_H

#include "crypto/alg.h"

#define REVOCATION_OCSP_REQUEST_MAX 8192 /* 16 certificates with extensions stay below 4 KiB */
#define REVOCATION_OCSP_SINGLES_MAX 16   /* clients ask for one; some for a chain */
#define REVOCATION_OCSP_NONCE_MAX 128    /* RFC 9654 2.1 */

/* One CertID. */
struct revocation_ocsp_id {
    struct slice der;      /* the whole CertID as sent: echoed byte for byte, so that the answer
                              names the certificate by the hash the client used */
    enum crypto_hash hash; /* SHA-1 or SHA-256; NONE: another algorithm */
    struct slice name_hash, key_hash;
    struct slice serial; /* unsigned octets; empty: negative, zero or over 20 octets, which
                            no issuer here has ever used */
};

struct revocation_ocsp_request {
    struct revocation_ocsp_id ids[REVOCATION_OCSP_SINGLES_MAX];
    size_t n;
    struct slice nonce; /* DER of the nonce's OCTET STRING, empty when absent */
};

/* revocation_ocsp_read reads an OCSPRequest strictly; slices point into `der`. A signature is not
 * checked (nobody is obliged to sign) but must be well formed DER. CH_MALFORMED, CH_LIMIT with
 * rules "ocsp.*". */
enum chancery_err revocation_ocsp_read(struct slice der, struct revocation_ocsp_request *out,
                                       struct diag *diag) MUST_CHECK;

/* revocation_ocsp_from_path appends the request's DER found in what follows the responder's path in
 * a GET (RFC 6960 A.1): base64, percent-decoded once. Tolerated: leading and trailing '/', '+' that
 * became a space, missing padding. CH_MALFORMED, CH_LIMIT. */
enum chancery_err revocation_ocsp_from_path(struct slice path, struct buf *out) MUST_CHECK;

enum revocation_status {
    REVOCATION_STATUS_NONE = 0, /* cannot be said now: the client must try later */
    REVOCATION_STATUS_GOOD,
    REVOCATION_STATUS_REVOKED,
    REVOCATION_STATUS_UNKNOWN, /* never issued here */
};

struct revocation_ocsp_single {
    struct slice cert_id; /* DER as asked */
    enum revocation_status status;
    int64_t revoked_at_s;
    unsigned reason; /* CRLReason; 0 is left out */
    int64_t this_update_s, next_update_s;
};

struct revocation_ocsp_data {
    struct slice responder_key_hash; /* SHA-1 of the responder key's BIT STRING content */
    int64_t produced_at_s;
    const struct revocation_ocsp_single *singles;
    size_t n;
    struct slice nonce;   /* as in the request, empty: none */
    bool extended_revoke; /* unknown serials are answered "revoked" as RFC 6960 2.2 describes */
};

/* revocation_ocsp_data_write appends the ResponseData DER: what is signed. CH_INVALID when a status
 * is NONE. */
enum chancery_err revocation_ocsp_data_write(const struct revocation_ocsp_data *d,
                                             struct buf *out) MUST_CHECK;

/* revocation_ocsp_assemble appends a successful OCSPResponse: data, algorithm, signature, and the
 * delegated responder's certificate. */
enum chancery_err revocation_ocsp_assemble(struct slice data, enum crypto_alg alg,
                                           struct slice signature, struct slice certificate,
                                           struct buf *out) MUST_CHECK;

/* Unsigned answers: OCSPResponseStatus of RFC 6960 4.2.1. */
enum revocation_ocsp_error {
    REVOCATION_OCSP_MALFORMED = 1,
    REVOCATION_OCSP_INTERNAL = 2,
    REVOCATION_OCSP_TRY_LATER = 3,
    REVOCATION_OCSP_UNAUTHORIZED = 6,
};

/* revocation_ocsp_error_der returns the five octets of an error response (static). */
struct slice revocation_ocsp_error_der(enum revocation_ocsp_error e);

#endif
