/* Contents of infrastructure certificates (RFC 5280; SPIFFE X.509-SVID for the URI name).
 *
 * Extensions are built from typed structures, never from text. */
#include <openssl/err.h>
#include <openssl/rand.h>
#include <time.h>

#include "identity.h"
#include "os/os.h"
#include "text.h"

static bool cert_name_add(X509_NAME *name, const char *value)
{
    return X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
                                      (const unsigned char *)value, -1, -1, 0) == 1;
}

/* 16 random octets, first one 01..7f: positive, and never shorter. RFC 5280 4.1.2.2. */
static bool cert_serial(X509 *cert)
{
    uint8_t serial[16];
    os_random(serial, sizeof serial);
    serial[0] = (uint8_t)((serial[0] & 0x7f) | 0x01);
    BIGNUM *bn = BN_bin2bn(serial, sizeof serial, NULL);
    bool ok = bn != NULL && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(cert)) != NULL;
    BN_free(bn);
    return ok;
}

/* SHA-1-free key identifier: leftmost 160 bits of SHA-256 over the key's bits (RFC 7093 2, method
 * 1). */
static ASN1_OCTET_STRING *cert_key_id(EVP_PKEY *pub)
{
    X509_PUBKEY *x = NULL;
    const unsigned char *bits = NULL;
    int len = 0;
    uint8_t digest[EVP_MAX_MD_SIZE];
    ASN1_OCTET_STRING *id = NULL;
    if (X509_PUBKEY_set(&x, pub) == 1 && X509_PUBKEY_get0_param(NULL, &bits, &len, NULL, x) == 1 &&
        EVP_Digest(bits, (size_t)len, digest, NULL, EVP_sha256(), NULL) == 1) {
        id = ASN1_OCTET_STRING_new();
        if (id != NULL && ASN1_OCTET_STRING_set(id, digest, 20) != 1) {
            ASN1_OCTET_STRING_free(id);
            id = NULL;
        }
    }
    X509_PUBKEY_free(x);
    return id;
}

static bool cert_add_ids(X509 *cert, EVP_PKEY *pub, X509 *issuer)
{
    ASN1_OCTET_STRING *id = cert_key_id(pub);
    AUTHORITY_KEYID *akid = AUTHORITY_KEYID_new();
    const ASN1_OCTET_STRING *issuer_id = issuer == NULL ? NULL : X509_get0_subject_key_id(issuer);
    bool ok = id != NULL && akid != NULL &&
              X509_add1_ext_i2d(cert, NID_subject_key_identifier, id, 0, X509V3_ADD_DEFAULT) == 1;
    if (ok && issuer_id != NULL) {
        akid->keyid = ASN1_OCTET_STRING_dup(issuer_id);
        ok = akid->keyid != NULL && X509_add1_ext_i2d(cert, NID_authority_key_identifier, akid, 0,
                                                      X509V3_ADD_DEFAULT) == 1;
    }
    AUTHORITY_KEYID_free(akid);
    ASN1_OCTET_STRING_free(id);
    return ok;
}

static bool cert_add_usage(X509 *cert, const int *bits, size_t n)
{
    ASN1_BIT_STRING *ku = ASN1_BIT_STRING_new();
    bool ok = ku != NULL;
    for (size_t i = 0; ok && i < n; i++) {
        ok = ASN1_BIT_STRING_set_bit(ku, bits[i], 1) == 1;
    }
    ok = ok && X509_add1_ext_i2d(cert, NID_key_usage, ku, 1, X509V3_ADD_DEFAULT) == 1;
    ASN1_BIT_STRING_free(ku);
    return ok;
}

static bool cert_add_basic(X509 *cert, bool ca)
{
    BASIC_CONSTRAINTS *bc = BASIC_CONSTRAINTS_new();
    bool ok = bc != NULL;
    if (ok && ca) {
        bc->ca = 0xff;
        bc->pathlen = ASN1_INTEGER_new();
        ok = bc->pathlen != NULL && ASN1_INTEGER_set(bc->pathlen, 0) == 1;
    }
    ok = ok && X509_add1_ext_i2d(cert, NID_basic_constraints, bc, 1, X509V3_ADD_DEFAULT) == 1;
    BASIC_CONSTRAINTS_free(bc);
    return ok;
}

static bool cert_times(X509 *cert, int64_t from_s, int64_t to_s)
{
    return ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)from_s) != NULL &&
           ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)to_s) != NULL;
}

enum chancery_err identity_cert_ca(const char *trust_domain, EVP_PKEY *pub, int64_t now_s,
                                   int64_t validity_s, X509 **out, struct diag *diag)
{
    static const int usage[] = {5, 6}; /* keyCertSign, cRLSign */
    char cn[64];
    X509 *cert = X509_new();
    (void)snprintf(cn, sizeof cn, "%.32s infrastructure CA", trust_domain);
    bool ok = cert != NULL && X509_set_version(cert, 2) == 1 && cert_serial(cert) &&
              cert_name_add(X509_get_subject_name(cert), cn) &&
              X509_set_issuer_name(cert, X509_get_subject_name(cert)) == 1 &&
              X509_set_pubkey(cert, pub) == 1 &&
              cert_times(cert, now_s - IDENTITY_BACKDATE_S, now_s + validity_s) &&
              cert_add_basic(cert, true) && cert_add_usage(cert, usage, 2) &&
              cert_add_ids(cert, pub, NULL);
    if (!ok) {
        X509_free(cert);
        return identity_openssl(diag, "building the infrastructure CA certificate");
    }
    *out = cert;
    return CH_OK;
}

/* ---- names ---- */

void identity_names_clear(struct identity_names *n)
{
    X509_NAME_free(n->subject);
    GENERAL_NAMES_free(n->sans);
    n->subject = NULL;
    n->sans = NULL;
}

static bool names_add(GENERAL_NAMES *sans, int type, const void *value, int len)
{
    GENERAL_NAME *g = GENERAL_NAME_new();
    ASN1_STRING *s =
        type == GEN_IPADD ? ASN1_OCTET_STRING_new() : (ASN1_STRING *)ASN1_IA5STRING_new();
    if (g == NULL || s == NULL || ASN1_STRING_set(s, value, len) != 1) {
        GENERAL_NAME_free(g);
        ASN1_STRING_free(s);
        return false;
    }
    GENERAL_NAME_set0_value(g, type, s);
    if (sk_GENERAL_NAME_push(sans, g) <= 0) {
        GENERAL_NAME_free(g);
        return false;
    }
    return true;
}

static bool names_fill(const char *td, const char *process, const char *user, bool localhost,
                       struct identity_names *n)
{
    static const uint8_t loopback[4] = {127, 0, 0, 1};
    char text[512];
    int len = snprintf(text, sizeof text, "spiffe://%s/%s/%s", td,
                       process != NULL ? "chancery" : "user", process != NULL ? process : user);
    bool ok = n->subject != NULL && n->sans != NULL && len > 0 && (size_t)len < sizeof text &&
              cert_name_add(n->subject, process != NULL ? process : user) &&
              names_add(n->sans, GEN_URI, text, len);
    if (ok && process != NULL) {
        len = snprintf(text, sizeof text, "%s.%s", process, td);
        ok = names_add(n->sans, GEN_DNS, text, len);
    }
    if (ok && localhost) {
        ok = names_add(n->sans, GEN_DNS, "localhost", 9) &&
             names_add(n->sans, GEN_IPADD, loopback, 4);
    }
    return ok;
}

enum chancery_err identity_names_new(const char *trust_domain, const char *process,
                                     const char *user, bool localhost, struct identity_names *out,
                                     struct diag *diag)
{
    struct identity_names n = {X509_NAME_new(), GENERAL_NAMES_new()};
    const char *who = process != NULL ? process : user;
    if (!text_name_ok(who, process != NULL ? 32 : 63, process != NULL ? "-" : "-._")) {
        identity_names_clear(&n);
        return diag_set(diag, CH_INVALID, process != NULL ? "process" : "user", "identity.name",
                        "\"%s\" is not a name of lower-case letters, digits and -", who);
    }
    if (!names_fill(trust_domain, process, user, localhost, &n)) {
        identity_names_clear(&n);
        return identity_openssl(diag, "building names");
    }
    *out = n;
    return CH_OK;
}

/* The one URI among the names; NULL unless there is exactly one. */
static const ASN1_IA5STRING *names_uri(const GENERAL_NAMES *sans)
{
    const ASN1_IA5STRING *uri = NULL;
    for (int i = 0; i < sk_GENERAL_NAME_num(sans); i++) {
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(sans, i);
        if (g->type == GEN_URI) {
            if (uri != NULL) {
                return NULL;
            }
            uri = g->d.uniformResourceIdentifier;
        }
    }
    return uri;
}

enum chancery_err identity_names_uri(const struct identity_names *n, struct buf *out)
{
    const ASN1_IA5STRING *uri = names_uri(n->sans);
    if (uri == NULL) {
        return CH_INVALID;
    }
    return buf_add(out, slice_of(ASN1_STRING_get0_data(uri), (size_t)ASN1_STRING_length(uri)));
}

static bool names_in_domain(const ASN1_IA5STRING *uri, const char *trust_domain)
{
    static const char *const paths[] = {"chancery", "user"};
    char prefix[512];
    struct slice text = slice_of(ASN1_STRING_get0_data(uri), (size_t)ASN1_STRING_length(uri));
    for (size_t i = 0; i < 2; i++) {
        int len = snprintf(prefix, sizeof prefix, "spiffe://%s/%s/", trust_domain, paths[i]);
        if (len > 0 && (size_t)len < sizeof prefix && text.len > (size_t)len &&
            memcmp(text.ptr, prefix, (size_t)len) == 0 && !slice_has_nul(text)) {
            return true;
        }
    }
    return false;
}

enum chancery_err identity_names_of(X509 *cert, const char *trust_domain,
                                    struct identity_names *out, struct diag *diag)
{
    struct identity_names n = {X509_NAME_dup(X509_get_subject_name(cert)),
                               X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL)};
    const ASN1_IA5STRING *uri = n.sans == NULL ? NULL : names_uri(n.sans);
    if (n.subject == NULL || uri == NULL || !names_in_domain(uri, trust_domain)) {
        identity_names_clear(&n);
        ERR_clear_error();
        return diag_set(diag, CH_INVALID, "cert.pem", "identity.names",
                        "the certificate does not name one identity of %s", trust_domain);
    }
    *out = n;
    return CH_OK;
}

/* ---- leaf ---- */

static bool leaf_eku(X509 *cert)
{
    EXTENDED_KEY_USAGE *eku = sk_ASN1_OBJECT_new_null();
    bool ok = eku != NULL && sk_ASN1_OBJECT_push(eku, OBJ_nid2obj(NID_server_auth)) > 0 &&
              sk_ASN1_OBJECT_push(eku, OBJ_nid2obj(NID_client_auth)) > 0 &&
              X509_add1_ext_i2d(cert, NID_ext_key_usage, eku, 0, X509V3_ADD_DEFAULT) == 1;
    sk_ASN1_OBJECT_pop_free(eku, ASN1_OBJECT_free);
    return ok;
}

enum chancery_err identity_cert_leaf(X509 *ca, const struct identity_names *names, EVP_PKEY *pub,
                                     int64_t now_s, int64_t validity_s, X509 **out,
                                     struct diag *diag)
{
    static const int usage[] = {0}; /* digitalSignature */
    X509 *cert = X509_new();
    bool ok =
        cert != NULL && X509_set_version(cert, 2) == 1 && cert_serial(cert) &&
        X509_set_subject_name(cert, names->subject) == 1 &&
        X509_set_issuer_name(cert, X509_get_subject_name(ca)) == 1 &&
        X509_set_pubkey(cert, pub) == 1 &&
        cert_times(cert, now_s - IDENTITY_BACKDATE_S, now_s + validity_s) &&
        cert_add_basic(cert, false) && cert_add_usage(cert, usage, 1) && leaf_eku(cert) &&
        X509_add1_ext_i2d(cert, NID_subject_alt_name, names->sans, 0, X509V3_ADD_DEFAULT) == 1 &&
        cert_add_ids(cert, pub, ca);
    if (!ok) {
        X509_free(cert);
        return identity_openssl(diag, "building an identity certificate");
    }
    *out = cert;
    return CH_OK;
}

static enum chancery_err cert_time_s(const ASN1_TIME *t, int64_t *out)
{
    struct tm tm;
    if (ASN1_TIME_to_tm(t, &tm) != 1) {
        ERR_clear_error();
        return CH_MALFORMED;
    }
    *out = (int64_t)timegm(&tm);
    return CH_OK;
}

enum chancery_err identity_cert_times(X509 *cert, int64_t *out_not_before_s,
                                      int64_t *out_not_after_s)
{
    TRY(cert_time_s(X509_get0_notBefore(cert), out_not_before_s));
    return cert_time_s(X509_get0_notAfter(cert), out_not_after_s);
}
