/* X.509 on the hot paths: PKCS#10 reader, certificate TBS writer, assembling, CRL streams, reading
 * certificates for display. Everything is tested against OpenSSL. policy/ has its own TBS reader
 * and does not use this module's. */
#ifndef CHANCERY_X509_X509_H
#define CHANCERY_X509_X509_H

#include "crypto/alg.h"
#include "der/der.h"

#define X509_CSR_MAX                                                                               \
    ((size_t)64 << 10) /* a CSR with 4096-bit RSA and 250 names stays far below                    \
                        */
#define X509_TBS_MAX ((size_t)64 << 10)
#define X509_SANS_MAX 256
#define X509_EXTENSIONS_MAX 32

struct x509_san {
    uint8_t
        type; /* 1 otherName, 2 e-mail, 3 DNS, 5 directoryName, 7 URI, 8 IP (GeneralName tag + 1) */
    struct slice value;
};
struct x509_extension {
    struct slice oid; /* content octets */
    bool critical;
    struct slice value;
};

/* ---- PKCS#10 (RFC 2986) ---- */

struct x509_csr {
    struct slice der;
    struct slice info;    /* CertificationRequestInfo with header: what is signed */
    struct slice subject; /* Name DER */
    struct slice spki;    /* SubjectPublicKeyInfo DER */
    enum crypto_alg alg;
    struct slice signature;
    struct x509_san *sans; /* from the requested SAN extension; sorted, no duplicates */
    size_t n_sans;
    struct x509_extension *extensions; /* requested ones but SAN, in order */
    size_t n_extensions;
    struct slice challenge_password; /* empty when none */
};

/* x509_csr_read reads strictly: DER, nothing trailing, version 0, known attributes only once, each
 * extension once. Names: RFC 5280 rules on string types; no NUL, control or bidirectional control
 * characters; DNS names are lower-cased A-labels/LDH (IDNA 2008 checked by the caller's policy for
 * "xn--" form well-formedness here), no trailing dot. Everything points into `der` or `arena`. Does
 * not verify. Rules "csr.*", "name.*", "san.*". */
enum chancery_err x509_csr_read(struct slice der, struct arena *arena, struct x509_csr *out,
                                struct diag *diag) MUST_CHECK;

/* x509_csr_verify checks the key's soundness (crypto_public_from_spki) and the signature over
 * `info` (RFC 2986 4.2). On CH_OK *out_key is the key; the caller frees it. Wrong signature:
 * CH_CRYPTO "csr.signature". */
enum chancery_err x509_csr_verify(const struct x509_csr *csr, struct crypto_public **out_key,
                                  struct diag *diag) MUST_CHECK;

/* x509_csr_from_pem_or_der gives the DER of a file's bytes that may be PEM ("CERTIFICATE REQUEST"
 * or "NEW CERTIFICATE REQUEST") or DER. */
enum chancery_err x509_csr_from_pem_or_der(struct slice bytes, struct buf *out,
                                           struct diag *diag) MUST_CHECK;

/* ---- names ---- */

/* x509_name_text appends RFC 4514 text of a Name DER; non-printable bytes are escaped. */
enum chancery_err x509_name_text(struct slice name_der, struct buf *out) MUST_CHECK;
/* x509_name_attribute finds the last value of an attribute type (OID content octets), as UTF-8
 * bytes in `arena`; CH_NOT_FOUND. */
enum chancery_err x509_name_attribute(struct slice name_der, struct slice oid, struct arena *arena,
                                      struct slice *out) MUST_CHECK;
struct x509_rdn {
    struct slice oid;
    struct slice value; /* UTF-8 */
};
/* x509_name_read gives every attribute in order (of a multi-valued RDN each), values as UTF-8 in
 * `arena`, OIDs pointing into `name_der`. CH_MALFORMED, CH_LIMIT, CH_UNSUPPORTED (a value that is
 * no string). */
enum chancery_err x509_name_read(struct slice name_der, struct arena *arena, struct x509_rdn **out,
                                 size_t *out_n) MUST_CHECK;
/* x509_name_write appends a Name DER of single-valued RDNs: PrintableString for countryName and
 * serialNumber, IA5String for domainComponent and emailAddress, UTF8String else. Checks upper
 * bounds (RFC 5280 A.1). */
enum chancery_err x509_name_write(const struct x509_rdn *rdns, size_t n, struct buf *out,
                                  struct diag *diag) MUST_CHECK;
/* x509_san_text appends "DNS:host", "IP:192.0.2.1", "URI:...", "email:..." */
enum chancery_err x509_san_text(const struct x509_san *san, struct buf *out) MUST_CHECK;

/* ---- certificate TBS writer (ca, ceremony) ---- */

struct x509_tbs {
    struct slice serial; /* unsigned octets */
    enum crypto_alg alg; /* of the issuer's signature */
    struct slice issuer; /* Name DER */
    int64_t not_before_s, not_after_s;
    struct slice subject;                    /* Name DER */
    struct slice spki;                       /* canonical SubjectPublicKeyInfo DER */
    const struct x509_extension *extensions; /* written in this order */
    size_t n_extensions;
};
enum chancery_err x509_tbs_write(const struct x509_tbs *t, struct buf *out) MUST_CHECK;

/* x509_assemble appends SEQUENCE { tbs, alg, BIT STRING signature }: certificate and CRL alike. */
enum chancery_err x509_assemble(struct slice tbs, enum crypto_alg alg, struct slice signature,
                                struct buf *out) MUST_CHECK;

/* Extension values (content of extnValue), appended to `out`. */
enum chancery_err x509_ext_san(const struct x509_san *sans, size_t n, struct buf *out) MUST_CHECK;
enum chancery_err x509_ext_key_usage(unsigned bits,
                                     struct buf *out) MUST_CHECK; /* bit i = KeyUsage bit i */
enum chancery_err x509_ext_eku(const struct slice *oids, size_t n, struct buf *out) MUST_CHECK;
enum chancery_err x509_ext_basic(bool ca, int path_len, struct buf *out) MUST_CHECK; /* -1: none */
enum chancery_err x509_ext_ski(struct slice spki,
                               struct buf *out) MUST_CHECK; /* RFC 7093 method 1 */
enum chancery_err x509_ext_aki(struct slice issuer_ski,
                               struct buf *out) MUST_CHECK; /* key id octets */
enum chancery_err x509_ext_cdp(const char *url, struct buf *out) MUST_CHECK;
enum chancery_err x509_ext_aia(const char *ocsp_url, const char *ca_url,
                               struct buf *out) MUST_CHECK; /* NULL: leave out */
/* Certificate policies (RFC 5280 4.2.1.4), each with the URI of a practice statement or NULL. */
struct x509_policy {
    struct slice oid;
    const char *cps;
};
enum chancery_err x509_ext_policies(const struct x509_policy *policies, size_t n,
                                    struct buf *out) MUST_CHECK;
/* TLS features (RFC 7633): numbers of TLS extensions. */
enum chancery_err x509_ext_features(const uint16_t *features, size_t n, struct buf *out) MUST_CHECK;
/* Name constraints (RFC 5280 4.2.1.10). type: tag of the GeneralName; value: its content, for a
 * directory name (X509_SUBTREE_DIRECTORY) the Name DER. */
#define X509_SUBTREE_DIRECTORY 4
struct x509_subtree {
    uint8_t type;
    struct slice value;
};
enum chancery_err x509_ext_constraints(const struct x509_subtree *permitted, size_t n_permitted,
                                       const struct x509_subtree *excluded, size_t n_excluded,
                                       struct buf *out) MUST_CHECK;
void x509_ski(struct slice spki,
              uint8_t out[20]); /* leftmost 160 bits of SHA-256 of the BIT STRING content */

/* Well-known OIDs, content octets. */
extern const struct slice X509_OID_CN, X509_OID_C, X509_OID_O, X509_OID_OU, X509_OID_L, X509_OID_ST,
    X509_OID_SERIAL_NUMBER, X509_OID_DC, X509_OID_EMAIL;
extern const struct slice X509_EXT_SAN, X509_EXT_KEY_USAGE, X509_EXT_EKU, X509_EXT_BASIC,
    X509_EXT_SKI, X509_EXT_AKI, X509_EXT_CDP, X509_EXT_AIA, X509_EXT_POLICIES, X509_EXT_CRL_NUMBER,
    X509_EXT_IDP, X509_EXT_OCSP_NOCHECK, X509_EXT_CONSTRAINTS, X509_EXT_TLS_FEATURE,
    X509_EXT_NO_REV_AVAIL, X509_EXT_CRL_REASON, X509_EXT_INVALIDITY_DATE;
extern const struct slice X509_EKU_SERVER_AUTH, X509_EKU_CLIENT_AUTH, X509_EKU_OCSP_SIGNING,
    X509_EKU_EMAIL, X509_EKU_CODE_SIGNING, X509_EKU_TIME_STAMPING;

/* ---- CRL TBS, streamed in constant memory (RFC 5280 5.1.2) ---- */

struct x509_crl_head {
    enum crypto_alg alg;
    struct slice issuer; /* Name DER */
    int64_t this_update_s, next_update_s;
    uint64_t number;
    struct slice issuer_ski; /* AKI */
    const char *idp_url; /* critical IDP with this distribution point; NULL: complete CRL, no IDP */
};
struct x509_crl_entry {
    struct slice serial; /* unsigned octets */
    int64_t revoked_at_s;
    unsigned reason; /* CRLReason; 0 is left out */
};
/* x509_crl_entry_write appends one entry; all entries' total size is needed before the head. */
enum chancery_err x509_crl_entry_write(const struct x509_crl_entry *e, struct buf *out) MUST_CHECK;
/* x509_crl_head_write appends everything before the first entry, x509_crl_tail_write everything
 * after the last. entries_len: octets of all entries (0: revokedCertificates is left out).
 * *out_total (may be NULL): octets of the whole TBS. */
enum chancery_err x509_crl_head_write(const struct x509_crl_head *h, size_t entries_len,
                                      struct buf *out, size_t *out_total) MUST_CHECK;
enum chancery_err x509_crl_tail_write(const struct x509_crl_head *h, struct buf *out) MUST_CHECK;

/* A push reader: bytes arrive in chunks, callbacks get the head, each entry, the tail. Strict;
 * memory is bounded. Order of calls: head, entry*, tail. A callback's error stops the reader. */
struct x509_crl_reader;
struct x509_crl_events {
    enum chancery_err (*head)(void *ctx, const struct x509_crl_head *h,
                              struct diag *diag); /* number, AKI, IDP not yet known */
    enum chancery_err (*entry)(void *ctx, const struct x509_crl_entry *e, struct diag *diag);
    enum chancery_err (*tail)(void *ctx, const struct x509_crl_head *h,
                              struct diag *diag); /* all fields known */
};
struct x509_crl_reader *x509_crl_reader_new(const struct x509_crl_events *events, void *ctx);
enum chancery_err x509_crl_reader_push(struct x509_crl_reader *r, struct slice chunk,
                                       struct diag *diag) MUST_CHECK;
enum chancery_err x509_crl_reader_finish(struct x509_crl_reader *r, struct diag *diag) MUST_CHECK;
void x509_crl_reader_free(struct x509_crl_reader *r);

/* ---- reading certificates (display, chains, OCSP; not a judge) ---- */

struct x509_cert {
    struct slice der, tbs, serial /* unsigned */, issuer, subject, spki, signature;
    enum crypto_alg alg;
    int64_t not_before_s, not_after_s;
    struct slice ski, aki; /* key id octets, empty when absent */
    bool is_ca;
    int path_len; /* of basicConstraints; -1: none */
    struct x509_extension *extensions;
    size_t n_extensions;
    struct x509_san *sans;
    size_t n_sans;
};
enum chancery_err x509_cert_read(struct slice der, struct arena *arena, struct x509_cert *out,
                                 struct diag *diag) MUST_CHECK;
/* PEM in and out: x509_pem_write appends one block; x509_pem_read_all gives each block of type
 * `label`. */
enum chancery_err x509_pem_write(const char *label, struct slice der, struct buf *out) MUST_CHECK;
typedef enum chancery_err x509_pem_fn(void *ctx, struct slice der);
enum chancery_err x509_pem_each(const char *label, struct slice text, x509_pem_fn *fn, void *ctx,
                                struct diag *diag) MUST_CHECK;

/* x509_shard maps a serial (unsigned octets) to one of `shards` CRL shards: its first four octets,
 * big endian, top bit cleared, modulo shards. */
uint32_t x509_shard(struct slice serial, uint32_t shards);

#endif
