/* Writer of Names: single-valued RDNs in the given order. */
#include "x509/x509_int.h"

static enum chancery_err put_rdn(const struct x509_attribute_rule *rule, struct slice value,
                                 struct buf *out)
{
    uint8_t tag = rule->kind == X509_STRING_PRINTABLE ? DER_PRINTABLE
                  : rule->kind == X509_STRING_IA5     ? DER_IA5
                                                      : DER_UTF8;
    size_t set, pair;
    TRY(der_open(out, DER_SET, &set));
    TRY(der_open(out, DER_SEQUENCE, &pair));
    TRY(der_put(out, DER_OID, rule->oid));
    TRY(der_put(out, tag, value));
    TRY(der_close(out, pair));
    return der_close(out, set);
}

static enum chancery_err put_name(const struct x509_rdn *rdns, size_t n, struct buf *out,
                                  struct diag *diag)
{
    size_t name;
    TRY(der_open(out, DER_SEQUENCE, &name));
    for (size_t i = 0; i < n; i++) {
        struct x509_attribute_rule rule = x509_attribute_rule(rdns[i].oid);
        TRY(x509_attribute_check(&rule, rdns[i].value, rule.name == NULL ? "name" : rule.name,
                                 diag));
        TRY(put_rdn(&rule, rdns[i].value, out));
    }
    return der_close(out, name);
}

enum chancery_err x509_name_write(const struct x509_rdn *rdns, size_t n, struct buf *out,
                                  struct diag *diag)
{
    if (n > X509_RDNS_MAX) {
        return x509_refuse(diag, CH_LIMIT, "name", "name.rdns", "RFC 5280 4.1.2.4",
                           "the name has %zu RDNs, at most %d", n, X509_RDNS_MAX);
    }
    size_t start = out->len;
    enum chancery_err err = put_name(rdns, n, out, diag);
    if (err != CH_OK) {
        out->len = start;
    }
    return err;
}
