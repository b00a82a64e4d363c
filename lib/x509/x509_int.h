/* Private to lib/x509: text rules, names, general names and extensions shared by its readers. */
#ifndef CHANCERY_X509_X509_INT_H
#define CHANCERY_X509_X509_INT_H

#include "x509/x509.h"

/* ---- text.c ---- */

/* x509_utf8_next decodes one code point at *pos and moves *pos behind it. The text is valid UTF-8.
 */
uint32_t x509_utf8_next(struct slice text, size_t *pos);

/* x509_char_hidden: controls, bidirectional controls, invisible and non-characters: what makes a
 * name look like another one. */
bool x509_char_hidden(uint32_t c);

/* x509_printable: only characters of PrintableString (X.680 41.4). x509_ascii: 20..7e only. */
bool x509_printable(struct slice s);
bool x509_ascii(struct slice s);

/* x509_refuse fills `diag` with a reference and returns `err`. */
enum chancery_err x509_refuse(struct diag *diag, enum chancery_err err, const char *field,
                              const char *rule, const char *reference, const char *fmt, ...)
    PRINTF_LIKE(6, 7);

/* ---- names ---- */

enum x509_string_kind {
    X509_STRING_NONE = 0,
    X509_STRING_DIRECTORY,
    X509_STRING_PRINTABLE,
    X509_STRING_IA5
};

/* What RFC 5280 A.1 says of an attribute type: string kind and upper bound in characters. */
struct x509_attribute_rule {
    const char *name; /* "CN" */
    struct slice oid;
    enum x509_string_kind kind;
    unsigned max;
};
/* x509_attribute_rule finds it; types not in the table get DirectoryString and X509_ATTRIBUTE_MAX.
 */
struct x509_attribute_rule x509_attribute_rule(struct slice oid);
#define X509_ATTRIBUTE_MAX 1024 /* characters of an attribute without a bound of its own */
#define X509_RDNS_MAX 32        /* RDNs of a name: real ones have fewer than ten */

/* x509_name_check judges a Name from outside (see x509_csr_read). `field` names it in diag. */
enum chancery_err x509_name_check(struct slice name_der, const char *field,
                                  struct diag *diag) MUST_CHECK;

/* x509_name_ok says whether `name_der` has the structure of a Name; values are not judged. */
bool x509_name_ok(struct slice name_der);

/* x509_attribute_check judges one value (UTF-8) of an attribute type: bounds and characters. */
enum chancery_err x509_attribute_check(const struct x509_attribute_rule *rule, struct slice value,
                                       const char *field, struct diag *diag) MUST_CHECK;

/* ---- general names ---- */

/* x509_dns_check judges a lower-case DNS name; `wildcard`: "*." may stand in front. */
enum chancery_err x509_dns_check(struct slice name, bool wildcard, const char *field,
                                 struct diag *diag) MUST_CHECK;

/* x509_san_read reads a SubjectAltName value. judge: values are checked, DNS names lower-cased, the
 * list sorted and made unique; else it is only read. */
enum chancery_err x509_san_read(struct slice value, bool judge, struct arena *arena,
                                struct x509_san **out, size_t *out_n, struct diag *diag) MUST_CHECK;

/* ---- extensions ---- */

/* x509_extensions_read reads the content of Extensions (SEQUENCE OF), each type once. */
enum chancery_err x509_extensions_read(struct der_reader *r, struct arena *arena,
                                       struct x509_extension **out, size_t *out_n,
                                       struct diag *diag) MUST_CHECK;
/* x509_extension_next reads one Extension. */
enum chancery_err x509_extension_next(struct der_reader *r, struct x509_extension *out) MUST_CHECK;

/* x509_extension_put writes one Extension. */
enum chancery_err x509_extension_put(struct buf *b, const struct x509_extension *e) MUST_CHECK;

#endif
