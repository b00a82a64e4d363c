/* Names, subjects, keys and extensions as test files write them. */
#include <arpa/inet.h>
#include <stdlib.h>

#include "der/der.h"
#include "policy/policy_int.h"
#include "trial/table_int.h"

#define NAME_DER_MAX ((size_t)16384)
#define VALUE_OCTETS_MAX ((size_t)65536)
#define ROWS_MAX 64
#define NAMES_MAX 300 /* more than a request may have: tests want to show that */
#define UPN_OID 0x2b, 6, 1, 4, 1, 0x82, 0x37, 20, 2, 3 /* 1.3.6.1.4.1.311.20.2.3 */

enum { SAN_OTHER = 1, SAN_EMAIL = 2, SAN_DNS = 3, SAN_DIRECTORY = 5, SAN_URI = 7, SAN_IP = 8 };

static enum chancery_err keep(struct arena *arena, struct slice s, struct slice *out)
{
    uint8_t *copy = arena_copy(arena, s);
    *out = slice_of(copy, s.len);
    return copy == NULL ? CH_NOMEM : CH_OK;
}

enum chancery_err trial_read_oid(const struct conf_node *n, struct arena *arena, struct slice *out,
                                 struct diag *diag)
{
    static const struct {
        const char *name;
        const struct slice *oid;
    } known[] = {
        {"subjectAltName", &X509_EXT_SAN},          {"keyUsage", &X509_EXT_KEY_USAGE},
        {"extendedKeyUsage", &X509_EXT_EKU},        {"basicConstraints", &X509_EXT_BASIC},
        {"subjectKeyIdentifier", &X509_EXT_SKI},    {"authorityKeyIdentifier", &X509_EXT_AKI},
        {"cRLDistributionPoints", &X509_EXT_CDP},   {"authorityInfoAccess", &X509_EXT_AIA},
        {"certificatePolicies", &X509_EXT_POLICIES}};
    const char *text = NULL;
    struct buf oid CLEANUP(buf_clear) = {.len = 0};
    TRY(conf_scalar(n, &text, diag));
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i].name, text) == 0) {
            *out = *known[i].oid;
            return CH_OK;
        }
    }
    const struct policy_attribute *a = policy_attribute_named(text);
    if (a != NULL) {
        *out = a->oid;
        return CH_OK;
    }
    buf_init(&oid, 64);
    if (der_oid_from_text(text, &oid) != CH_OK || oid.len == 0) {
        return conf_error(n, CH_INVALID, "test.oid", diag,
                          "\"%.64s\" is neither a known name nor an OID such as 1.2.840.1", text);
    }
    return keep(arena, buf_slice(&oid), out);
}

/* A row {CN: text}. */
static enum chancery_err read_rdn(const struct conf_node *row, struct arena *arena,
                                  struct x509_rdn *out, struct diag *diag)
{
    const char *type =
        conf_kind(row) == CONF_MAP && conf_count(row) == 1 ? conf_key_at(row, 0) : "";
    const char *text = NULL;
    const struct policy_attribute *a = policy_attribute_named(type);
    struct buf oid CLEANUP(buf_clear) = {.len = 0};
    buf_init(&oid, 64);
    if (a != NULL) {
        out->oid = a->oid;
    } else if (type[0] == '\0' || der_oid_from_text(type, &oid) != CH_OK || oid.len == 0) {
        return conf_error(row, CH_INVALID, "test.subject", diag,
                          "write each attribute as TYPE: text, such as CN: host or 2.5.4.15: text");
    } else {
        TRY(keep(arena, buf_slice(&oid), &out->oid));
    }
    TRY(conf_scalar(conf_at(row, 0), &text, diag));
    return keep(arena, slice_str(text), &out->value);
}

enum chancery_err trial_read_subject(const struct conf_node *list, struct arena *arena,
                                     struct slice *out, struct diag *diag)
{
    struct x509_rdn rdns[ROWS_MAX];
    struct diag why = {.text = ""};
    struct buf der CLEANUP(buf_clear) = {.len = 0};
    buf_init(&der, NAME_DER_MAX);
    if (conf_kind(list) != CONF_LIST || conf_count(list) > ROWS_MAX) {
        return conf_error(list, CH_INVALID, "test.subject", diag,
                          "a subject is a list of at most %d attributes", ROWS_MAX);
    }
    for (size_t i = 0; i < conf_count(list); i++) {
        TRY(read_rdn(conf_at(list, i), arena, &rdns[i], diag));
    }
    enum chancery_err err = x509_name_write(rdns, conf_count(list), &der, &why);
    if (err != CH_OK) {
        return conf_error(list, err, "test.subject", diag, "it cannot be written: %s", why.text);
    }
    return keep(arena, buf_slice(&der), out);
}

/* ---- names ---- */

static enum chancery_err read_ip(const struct conf_node *n, const char *text, struct arena *arena,
                                 struct slice *out, struct diag *diag)
{
    uint8_t octets[16];
    if (inet_pton(AF_INET, text, octets) == 1) {
        return keep(arena, slice_of(octets, 4), out);
    }
    if (inet_pton(AF_INET6, text, octets) == 1) {
        return keep(arena, slice_of(octets, 16), out);
    }
    return conf_error(n, CH_INVALID, "test.name", diag, "\"%.64s\" is no IP address", text);
}

/* OtherName content of a user principal name: type-id, [0] { UTF8String }. */
static enum chancery_err write_upn(const char *text, struct arena *arena, struct slice *out)
{
    static const uint8_t oid[] = {UPN_OID};
    struct buf b CLEANUP(buf_clear);
    size_t mark;
    buf_init(&b, NAME_DER_MAX);
    TRY(der_put(&b, DER_OID, slice_of(oid, sizeof oid)));
    TRY(der_open(&b, 0xa0, &mark));
    TRY(der_put(&b, DER_UTF8, slice_str(text)));
    TRY(der_close(&b, mark));
    return keep(arena, buf_slice(&b), out);
}

static enum chancery_err read_name(const struct conf_node *n, struct arena *arena,
                                   struct x509_san *out, struct diag *diag)
{
    static const struct {
        const char *prefix;
        uint8_t type;
    } kinds[] = {{"DNS:", SAN_DNS},
                 {"email:", SAN_EMAIL},
                 {"URI:", SAN_URI},
                 {"IP:", SAN_IP},
                 {"UPN:", SAN_OTHER}};
    const char *text = NULL;
    if (conf_kind(n) == CONF_LIST) {
        out->type = SAN_DIRECTORY;
        return trial_read_subject(n, arena, &out->value, diag);
    }
    TRY(conf_scalar(n, &text, diag));
    out->type = SAN_DNS;
    for (size_t i = 0; i < 5; i++) {
        size_t len = strlen(kinds[i].prefix);
        if (strncmp(text, kinds[i].prefix, len) == 0) {
            out->type = kinds[i].type;
            text += len;
            break;
        }
    }
    if (text[0] == '\0') {
        return conf_error(n, CH_INVALID, "test.name", diag, "an empty name");
    }
    if (out->type == SAN_IP) {
        return read_ip(n, text, arena, &out->value, diag);
    }
    return out->type == SAN_OTHER ? write_upn(text, arena, &out->value)
                                  : keep(arena, slice_str(text), &out->value);
}

static int by_value(const void *a, const void *b)
{
    const struct x509_san *x = a, *y = b;
    return x->type != y->type ? (x->type < y->type ? -1 : 1) : slice_cmp(x->value, y->value);
}

enum chancery_err trial_read_names(const struct conf_node *list, struct arena *arena,
                                   struct x509_san **out, size_t *out_n, struct diag *diag)
{
    size_t n = conf_count(list);
    if (conf_kind(list) != CONF_LIST || n > NAMES_MAX) {
        return conf_error(list, CH_INVALID, "test.name", diag, "\"names\" is a list of at most %d",
                          NAMES_MAX);
    }
    struct x509_san *sans = arena_alloc(arena, (n + 1) * sizeof *sans);
    if (sans == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        TRY(read_name(conf_at(list, i), arena, &sans[i], diag));
    }
    if (n > 1) {
        qsort(sans, n, sizeof *sans, by_value);
    }
    *out = sans;
    *out_n = n;
    return CH_OK;
}

/* ---- extensions and keys ---- */

static enum chancery_err read_hex(const struct conf_node *map, const char *key, struct arena *arena,
                                  struct slice *out, struct diag *diag)
{
    const char *text = NULL;
    TRY(conf_string(map, key, CONF_REQUIRED, &text, diag));
    size_t len = strlen(text);
    uint8_t *octets = arena_alloc(arena, len / 2 + 1);
    if (octets == NULL) {
        return CH_NOMEM;
    }
    if (len > VALUE_OCTETS_MAX || hex_decode(slice_str(text), octets, len / 2, &len) != CH_OK) {
        return conf_error(conf_get(map, key), CH_INVALID, "test.hex", diag,
                          "\"%s\" is written in hex digits, two for each octet", key);
    }
    *out = slice_of(octets, len);
    return CH_OK;
}

enum chancery_err trial_read_extensions(const struct conf_node *list, struct arena *arena,
                                        struct x509_extension **out, size_t *out_n,
                                        struct diag *diag)
{
    size_t n = conf_count(list);
    if (conf_kind(list) != CONF_LIST || n > X509_EXTENSIONS_MAX) {
        return conf_error(list, CH_INVALID, "test.extensions", diag,
                          "\"extensions\" is a list of at most %d", X509_EXTENSIONS_MAX);
    }
    struct x509_extension *list_out = arena_alloc(arena, (n + 1) * sizeof *list_out);
    if (list_out == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        const struct conf_node *row = conf_at(list, i), *oid = conf_get(row, "oid");
        if (oid == NULL) {
            return conf_error(row, CH_INVALID, "test.extensions", diag,
                              "an extension has oid, value (hex) and may have critical");
        }
        TRY(trial_read_oid(oid, arena, &list_out[i].oid, diag));
        TRY(conf_bool(row, "critical", CONF_OPTIONAL, &list_out[i].critical, diag));
        TRY(read_hex(row, "value", arena, &list_out[i].value, diag));
    }
    *out = list_out;
    *out_n = n;
    return CH_OK;
}

/* A type, or {spki: base64}. */
enum chancery_err trial_read_key(const struct conf_node *n, struct arena *arena, struct slice *out,
                                 struct diag *diag)
{
    const char *text = NULL;
    struct buf der CLEANUP(buf_clear) = {.len = 0};
    buf_init(&der, VALUE_OCTETS_MAX);
    if (conf_kind(n) == CONF_MAP) {
        TRY(conf_string(n, "spki", CONF_REQUIRED, &text, diag));
        if (base64_decode(slice_str(text), &der) != CH_OK || der.len == 0) {
            return conf_error(n, CH_INVALID, "test.key", diag,
                              "\"spki\" is the base64 of a SubjectPublicKeyInfo");
        }
        return keep(arena, buf_slice(&der), out);
    }
    struct crypto_public *key = NULL;
    TRY(conf_scalar(n, &text, diag));
    if (trial_sample_key(crypto_key_type_from_name(text), &key) != CH_OK) {
        return conf_error(n, CH_INVALID, "test.key", diag,
                          "a key is one of P-256, P-384, P-521, RSA-2048, RSA-3072, RSA-4096, "
                          "Ed25519, or {spki: BASE64}");
    }
    enum chancery_err err = keep(arena, crypto_public_spki(key), out);
    crypto_public_free(key);
    return err;
}
