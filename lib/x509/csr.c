/* PKCS#10 (RFC 2986): CertificationRequest ::= SEQUENCE { info, algorithm, signature };
 * info ::= SEQUENCE { version 0, subject Name, spki, attributes [0] SET OF Attribute }.
 *
 * The reader walks the octets once and keeps slices; proof of possession is verified over the
 * original `info`. The order of attributes inside their SET is not checked: nothing is derived from
 * it and clients differ. Attributes other than extensionRequest and challengePassword are skipped.
 */
#include "x509/x509_int.h"

#define ATTRIBUTES_MAX 16
#define CHALLENGE_MAX 255 /* RFC 2985 B.3 pkcs-9-ub-challengePassword */

static const uint8_t oid_extension_request[] = {0x2a, 0x86, 0x48, 0x86, 0xf7,
                                                0x0d, 0x01, 0x09, 0x0e};
static const uint8_t oid_challenge[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x07};

static enum chancery_err not_der(struct diag *diag, enum chancery_err err, const char *field,
                                 const char *what)
{
    return x509_refuse(diag, err, field, "csr.der", "RFC 2986 4", "the %s is not DER: %s", what,
                       "send a PKCS#10 request without anything behind it");
}

/* Splits the extensionRequest into the SAN and the rest. */
static enum chancery_err read_extensions(struct slice value, struct arena *arena,
                                         struct x509_csr *out, struct diag *diag)
{
    struct der_reader r = der_reader_of(value), list;
    if (der_enter(&r, DER_SEQUENCE, &list) != CH_OK || der_finish(&r) != CH_OK) {
        return not_der(diag, CH_MALFORMED, "csr.attributes.extensionRequest", "extension request");
    }
    struct x509_extension *all;
    size_t n;
    TRY(x509_extensions_read(&list, arena, &all, &n, diag));
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (slice_eq(all[i].oid, X509_EXT_SAN)) {
            TRY(x509_san_read(all[i].value, true, arena, &out->sans, &out->n_sans, diag));
        } else {
            all[kept++] = all[i];
        }
    }
    out->extensions = all;
    out->n_extensions = kept;
    return CH_OK;
}

static enum chancery_err read_challenge(struct der_value v, struct x509_csr *out, struct diag *diag)
{
    bool ok = v.tag == DER_UTF8 ? slice_is_utf8(v.content)
                                : v.tag == DER_PRINTABLE && x509_printable(v.content);
    /* RFC 2985 5.4.1 says PrintableString or UTF8String; clients also write IA5String. */
    ok = ok || (v.tag == DER_IA5 && x509_ascii(v.content));
    if (!ok || v.content.len == 0 || v.content.len > CHALLENGE_MAX || slice_has_nul(v.content)) {
        return x509_refuse(
            diag, CH_INVALID, "csr.attributes.challengePassword", "csr.challenge", "RFC 2985 5.4.1",
            "the challenge password must be 1 to %d characters of text", CHALLENGE_MAX);
    }
    out->challenge_password = v.content;
    return CH_OK;
}

static enum chancery_err read_attribute(struct der_reader *set, struct slice *oid,
                                        struct arena *arena, struct x509_csr *out,
                                        struct diag *diag)
{
    struct der_reader in, values;
    struct der_value value;
    if (der_enter(set, DER_SEQUENCE, &in) != CH_OK || der_read_oid(&in, oid) != CH_OK ||
        der_enter(&in, DER_SET, &values) != CH_OK || der_finish(&in) != CH_OK ||
        der_next(&values, &value) != CH_OK) {
        return not_der(diag, CH_MALFORMED, "csr.attributes", "attribute");
    }
    bool extensions = slice_eq(*oid, slice_of(oid_extension_request, sizeof oid_extension_request));
    bool challenge = slice_eq(*oid, slice_of(oid_challenge, sizeof oid_challenge));
    if ((extensions || challenge) && !der_at_end(&values)) {
        return x509_refuse(diag, CH_INVALID, "csr.attributes", "csr.attribute.single",
                           "RFC 2985 5.4", "an attribute has several values where one is allowed");
    }
    while (!der_at_end(&values)) {
        struct der_value more;
        if (der_next(&values, &more) != CH_OK) {
            return not_der(diag, CH_MALFORMED, "csr.attributes", "attribute");
        }
    }
    if (extensions) {
        return read_extensions(value.whole, arena, out, diag);
    }
    return challenge ? read_challenge(value, out, diag) : CH_OK;
}

static enum chancery_err read_attributes(struct der_reader *set, struct arena *arena,
                                         struct x509_csr *out, struct diag *diag)
{
    struct slice seen[ATTRIBUTES_MAX];
    for (size_t n = 0; !der_at_end(set); n++) {
        if (n == ATTRIBUTES_MAX) {
            return x509_refuse(diag, CH_LIMIT, "csr.attributes", "csr.attributes.count",
                               "RFC 2986 4.1", "more than %d attributes", ATTRIBUTES_MAX);
        }
        TRY(read_attribute(set, &seen[n], arena, out, diag));
        for (size_t i = 0; i < n; i++) {
            if (slice_eq(seen[i], seen[n])) {
                return x509_refuse(diag, CH_INVALID, "csr.attributes", "csr.attribute.duplicate",
                                   "RFC 2986 4.1", "an attribute stands twice");
            }
        }
    }
    return CH_OK;
}

static enum chancery_err read_info(struct slice info, struct arena *arena, struct x509_csr *out,
                                   struct diag *diag)
{
    struct der_reader r = der_reader_of(info), in, attributes;
    struct der_value subject, spki;
    uint64_t version;
    if (der_enter(&r, DER_SEQUENCE, &in) != CH_OK || der_read_uint(&in, &version) != CH_OK) {
        return not_der(diag, CH_MALFORMED, "csr.info", "CertificationRequestInfo");
    }
    if (version != 0) {
        return x509_refuse(diag, CH_INVALID, "csr.version", "csr.version", "RFC 2986 4.1",
                           "the version must be 0");
    }
    if (der_expect(&in, DER_SEQUENCE, &subject) != CH_OK ||
        der_expect(&in, DER_SEQUENCE, &spki) != CH_OK) {
        return not_der(diag, CH_MALFORMED, "csr.info", "subject or key");
    }
    /* The attributes may be an empty SET but not be absent (RFC 2986 4.1). */
    if (der_enter(&in, DER_CONTEXT_CONS(0), &attributes) != CH_OK || der_finish(&in) != CH_OK) {
        return not_der(diag, CH_MALFORMED, "csr.attributes", "list of attributes");
    }
    out->subject = subject.whole;
    out->spki = spki.whole;
    TRY(x509_name_check(out->subject, "csr.subject", diag));
    return read_attributes(&attributes, arena, out, diag);
}

enum chancery_err x509_csr_read(struct slice der, struct arena *arena, struct x509_csr *out,
                                struct diag *diag)
{
    if (der.len > X509_CSR_MAX) {
        return x509_refuse(diag, CH_LIMIT, "csr", "csr.size", "",
                           "the request has %zu octets, at most %zu", der.len, X509_CSR_MAX);
    }
    struct x509_csr csr = {.der = der};
    struct der_reader r = der_reader_of(der), outer;
    struct der_value info, alg;
    if (der_enter(&r, DER_SEQUENCE, &outer) != CH_OK) {
        return not_der(diag, CH_MALFORMED, "csr", "request");
    }
    if (der_finish(&r) != CH_OK) {
        return x509_refuse(diag, CH_MALFORMED, "csr", "csr.trailing", "RFC 2986 4.2",
                           "%zu octets stand behind the request", r.rest.len);
    }
    unsigned unused;
    if (der_expect(&outer, DER_SEQUENCE, &info) != CH_OK ||
        der_expect(&outer, DER_SEQUENCE, &alg) != CH_OK ||
        der_read_bits(&outer, &csr.signature, &unused) != CH_OK || unused != 0 ||
        der_finish(&outer) != CH_OK) {
        return not_der(diag, CH_MALFORMED, "csr", "request");
    }
    csr.info = info.whole;
    csr.alg = crypto_alg_from_der(alg.whole);
    if (csr.alg == CRYPTO_ALG_NONE) {
        return x509_refuse(
            diag, CH_UNSUPPORTED, "csr.signatureAlgorithm", "csr.algorithm", "RFC 2986 4.2",
            "the signature algorithm is not supported: sign the request with SHA-256 or better");
    }
    TRY(read_info(csr.info, arena, &csr, diag));
    *out = csr;
    return CH_OK;
}

enum chancery_err x509_csr_verify(const struct x509_csr *csr, struct crypto_public **out_key,
                                  struct diag *diag)
{
    struct crypto_public *key;
    TRY(crypto_public_from_spki(csr->spki, &key, diag));
    bool valid;
    enum chancery_err err = crypto_verify(key, csr->alg, csr->info, csr->signature, &valid, diag);
    if (err == CH_OK && !valid) {
        err = x509_refuse(
            diag, CH_CRYPTO, "csr.signature", "csr.signature", "RFC 2986 4.2",
            "the signature does not verify: the requester has not shown to hold the key");
    }
    if (err != CH_OK) {
        crypto_public_free(key);
        return err;
    }
    *out_key = key;
    return CH_OK;
}
