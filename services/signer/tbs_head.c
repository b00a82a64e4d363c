/* Reader of the first four fields of a TBS. */
#include "tbs_head.h"

#include "der/der.h"

#define SERIAL_OCTETS_MAX 20 /* RFC 5280 4.1.2.2 */

static enum chancery_err head_malformed(struct diag *diag, const char *what, const char *reference)
{
    (void)diag_set(diag, CH_MALFORMED, "tbs", "tbs.der", "the %s is missing or not strict DER",
                   what);
    return diag_ref(diag, CH_MALFORMED, reference);
}

static enum chancery_err head_kind(struct diag *diag, const char *text, const char *reference)
{
    (void)diag_set(diag, CH_INVALID, "tbs", "tbs.kind", "%s", text);
    return diag_ref(diag, CH_INVALID, reference);
}

/* AlgorithmIdentifier, exactly as written by us; a CRL's issuer and a certificate's must follow it.
 */
static enum chancery_err head_algorithm(struct der_reader *r, enum crypto_alg *out,
                                        struct diag *diag)
{
    struct der_value v;
    if (der_expect(r, DER_SEQUENCE, &v) != CH_OK) {
        return head_malformed(diag, "signature algorithm", "RFC 5280 4.1.2.3");
    }
    *out = crypto_alg_from_der(v.whole);
    return *out != CRYPTO_ALG_NONE
               ? CH_OK
               : diag_set(diag, CH_UNSUPPORTED, "tbs.signature", "tbs.algorithm",
                          "the signature algorithm is not one this service signs with");
}

static enum chancery_err head_certificate(struct der_reader *r, struct signer_tbs_head *out,
                                          struct diag *diag)
{
    struct der_reader version;
    struct der_value v;
    struct slice serial;
    uint64_t number = 0;
    if (der_peek_tag(r) != DER_CONTEXT_CONS(0)) {
        return head_kind(diag, "a certificate begins with an explicit version", "RFC 5280 4.1.2.1");
    }
    if (der_enter(r, DER_CONTEXT_CONS(0), &version) != CH_OK ||
        der_read_uint(&version, &number) != CH_OK || der_finish(&version) != CH_OK) {
        return head_malformed(diag, "version", "RFC 5280 4.1.2.1");
    }
    if (number != 2) {
        return head_kind(diag, "only version 3 certificates are signed", "RFC 5280 4.1.2.1");
    }
    if (der_read_integer(r, &serial) != CH_OK) {
        return head_malformed(diag, "serial number", "RFC 5280 4.1.2.2");
    }
    bool zero = serial.len == 1 && serial.ptr[0] == 0;
    if (serial.len > SERIAL_OCTETS_MAX || (serial.ptr[0] & 0x80) != 0 || zero) {
        (void)diag_set(diag, CH_INVALID, "tbs.serialNumber", "tbs.serial",
                       "the serial number is not positive or longer than %d octets",
                       SERIAL_OCTETS_MAX);
        return diag_ref(diag, CH_INVALID, "RFC 5280 4.1.2.2");
    }
    TRY(head_algorithm(r, &out->alg, diag));
    if (der_expect(r, DER_SEQUENCE, &v) != CH_OK) {
        return head_malformed(diag, "issuer", "RFC 5280 4.1.2.4");
    }
    return CH_OK;
}

static enum chancery_err head_crl(struct der_reader *r, struct signer_tbs_head *out,
                                  struct diag *diag)
{
    struct der_value v;
    uint64_t number = 0;
    if (der_peek_tag(r) != DER_INTEGER) {
        return head_kind(diag, "a CRL begins with an INTEGER, its version", "RFC 5280 5.1.2.1");
    }
    if (der_read_uint(r, &number) != CH_OK || number != 1) {
        return head_kind(diag, "only version 2 CRLs are signed", "RFC 5280 5.1.2.1");
    }
    TRY(head_algorithm(r, &out->alg, diag));
    if (der_expect(r, DER_SEQUENCE, &v) != CH_OK) {
        return head_malformed(diag, "issuer", "RFC 5280 5.1.2.3");
    }
    uint8_t tag = der_peek_tag(r);
    if (tag != DER_UTC_TIME && tag != DER_GENERALIZED_TIME) {
        return head_kind(diag, "a CRL has thisUpdate as its fourth field", "RFC 5280 5.1.2.4");
    }
    return der_read_time(r, &out->this_update_s) == CH_OK
               ? CH_OK
               : head_malformed(diag, "thisUpdate", "RFC 5280 5.1.2.4");
}

enum chancery_err signer_tbs_head_read(struct slice start, uint64_t total,
                                       enum permit_purpose purpose, struct signer_tbs_head *out,
                                       struct diag *diag)
{
    uint8_t tag = 0;
    size_t header = 0, content = 0;
    if (der_peek_header(start, &tag, &header, &content) != CH_OK || tag != DER_SEQUENCE) {
        return head_malformed(diag, "outer SEQUENCE", "RFC 5280 4.1");
    }
    if ((uint64_t)header + content != total || start.len > total) {
        return diag_set(diag, CH_MALFORMED, "tbs", "tbs.length",
                        "the outer SEQUENCE is not as long as the bytes that came");
    }
    struct der_reader r = der_reader_of(slice_sub(start, header, start.len));
    struct signer_tbs_head head = {.kind = purpose};
    switch (purpose) {
    case PERMIT_CERTIFICATE:
        TRY(head_certificate(&r, &head, diag));
        break;
    case PERMIT_CRL:
        TRY(head_crl(&r, &head, diag));
        break;
    case PERMIT_PURPOSE_NONE:
        return diag_set(diag, CH_INTERNAL, "tbs", "tbs.kind", "no purpose");
    }
    *out = head;
    return CH_OK;
}
