/* Rules that hold in certificates, CRLs and OCSP answers alike. Each lint that uses one has a file
 * and a row of its own. */
#include "policy/lint/lint_int.h"
#include "policy/text.h"

#define TAG_UTF8 0x0c
#define TAG_PRINTABLE 0x13
#define TAG_IA5 0x16

/* ---- names ---- */

/* RFC 5280 4.1.2.4: DirectoryString is PrintableString or UTF8String. A.1: countryName,
 * serialNumber and dnQualifier are PrintableString, domainComponent and emailAddress IA5String. */
static bool string_type_ok(const struct policy_lint_attribute *a)
{
    switch (a->type) {
    case POLICY_LINT_AT_C:
    case POLICY_LINT_AT_SERIAL:
    case POLICY_LINT_AT_QUALIFIER:
        return a->tag == TAG_PRINTABLE;
    case POLICY_LINT_AT_DC:
    case POLICY_LINT_AT_EMAIL:
        return a->tag == TAG_IA5;
    case POLICY_LINT_AT_OTHER:
        return true; /* whatever its own definition says */
    default:
        return a->tag == TAG_PRINTABLE || a->tag == TAG_UTF8;
    }
}

enum policy_outcome policy_lint_dn_strings(const struct policy_lint_dn *dn,
                                           struct policy_lint_seen *seen)
{
    for (size_t i = 0; i < dn->n; i++) {
        if (!string_type_ok(&dn->at[i])) {
            return policy_lint_oid(seen, dn->at[i].oid);
        }
    }
    return dn->n == 0 ? POLICY_NA : POLICY_PASS;
}

/* X.680 41.4: the alphabet of PrintableString; 41.2: IA5String is ASCII; RFC 3629. */
enum policy_outcome policy_lint_dn_alphabet(const struct policy_lint_dn *dn,
                                            struct policy_lint_seen *seen)
{
    for (size_t i = 0; i < dn->n; i++) {
        const struct policy_lint_attribute *a = &dn->at[i];
        bool ok = true;
        if (a->tag == TAG_PRINTABLE) {
            ok = policy_text_printable(a->value);
        } else if (a->tag == TAG_UTF8) {
            ok = slice_is_utf8(a->value);
        } else if (a->tag == TAG_IA5) {
            for (size_t k = 0; k < a->value.len; k++) {
                ok = ok && a->value.ptr[k] < 0x80;
            }
        }
        if (!ok) {
            return policy_lint_octets(seen, a->value);
        }
    }
    return dn->n == 0 ? POLICY_NA : POLICY_PASS;
}

/* ---- signature algorithms ---- */

enum hash_class { HASH_UNKNOWN, HASH_WEAK, HASH_GOOD };
struct algorithm_row {
    uint8_t len, oid[10];
    enum hash_class hash;
    bool null; /* parameters are NULL; else absent */
};
static const struct algorithm_row algorithms[] = {
    {8, {0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2}, HASH_GOOD, false}, /* ecdsa-with-SHA256 */
    {8, {0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3}, HASH_GOOD, false},
    {8, {0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4}, HASH_GOOD, false},
    {9, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11}, HASH_GOOD, true}, /* sha256WithRSA */
    {9, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 12}, HASH_GOOD, true},
    {9, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 13}, HASH_GOOD, true},
    {3, {0x2b, 0x65, 0x70}, HASH_GOOD, false}, /* Ed25519, Ed448 */
    {3, {0x2b, 0x65, 0x71}, HASH_GOOD, false},
    {9, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 2}, HASH_WEAK, true}, /* MD2, MD5, SHA-1 */
    {9, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 4}, HASH_WEAK, true},
    {9, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5}, HASH_WEAK, true},
    {7, {0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1}, HASH_WEAK, false},    /* ecdsa-with-SHA1 */
    {8, {0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 1}, HASH_GOOD, false}, /* SHA224 */
};

static const struct algorithm_row *algorithm_row(struct slice oid)
{
    for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++) {
        if (slice_eq(oid, slice_of(algorithms[i].oid, algorithms[i].len))) {
            return &algorithms[i];
        }
    }
    return NULL;
}

/* RFC 4055 5: PKCS#1 v1.5 has NULL. RFC 5758 3.2 and RFC 8410 3: ECDSA and EdDSA have none. */
enum policy_outcome policy_lint_algorithm_parameters(const struct policy_lint_algorithm *a,
                                                     struct policy_lint_seen *seen)
{
    const struct algorithm_row *row = algorithm_row(a->oid);
    if (row == NULL) {
        return POLICY_NA;
    }
    bool null = a->parameters.len == 2 && a->parameters.ptr[0] == 0x05;
    if (row->null) {
        return policy_lint_if(null, seen, "no NULL");
    }
    return a->parameters.len == 0 ? POLICY_PASS : policy_lint_octets(seen, a->parameters);
}

enum policy_outcome policy_lint_algorithm_hash(const struct policy_lint_algorithm *a,
                                               struct policy_lint_seen *seen)
{
    const struct algorithm_row *row = algorithm_row(a->oid);
    return row == NULL              ? POLICY_NA
           : row->hash == HASH_WEAK ? policy_lint_oid(seen, a->oid)
                                    : POLICY_PASS;
}

/* ---- times: RFC 5280 4.1.2.5 and 5.1.2.4 ---- */

enum policy_outcome policy_lint_time_form(const struct policy_lint_time *t,
                                          struct policy_lint_seen *seen)
{
    size_t len = t->tag == 0x17 ? 13 : 15;
    bool fraction = t->text.len > 0 && memchr(t->text.ptr, '.', t->text.len) != NULL;
    bool z = t->text.len > 0 && t->text.ptr[t->text.len - 1] == 'Z';
    bool ok = z && (fraction || t->text.len == len); /* a fraction is another lint's finding */
    for (size_t i = 0; ok && i + 1 < t->text.len; i++) {
        ok = (t->text.ptr[i] >= '0' && t->text.ptr[i] <= '9') || (fraction && i >= len - 1);
    }
    return ok ? POLICY_PASS : policy_lint_octets(seen, t->text);
}

enum policy_outcome policy_lint_time_fraction(const struct policy_lint_time *t,
                                              struct policy_lint_seen *seen)
{
    bool fraction = t->text.len > 0 && (memchr(t->text.ptr, '.', t->text.len) != NULL ||
                                        memchr(t->text.ptr, ',', t->text.len) != NULL);
    return fraction ? policy_lint_octets(seen, t->text) : POLICY_PASS;
}

enum policy_outcome policy_lint_time_type(const struct policy_lint_time *t,
                                          struct policy_lint_seen *seen)
{
    bool early = t->tag == 0x18 && t->text.len >= 4 && memcmp(t->text.ptr, "2050", 4) < 0;
    return early ? policy_lint_octets(seen, t->text) : POLICY_PASS;
}

enum policy_outcome policy_lint_time_real(const struct policy_lint_time *t,
                                          struct policy_lint_seen *seen)
{
    return t->real ? POLICY_PASS : policy_lint_octets(seen, t->text);
}

enum policy_outcome policy_lint_generalized(const struct policy_lint_time *t,
                                            struct policy_lint_seen *seen)
{
    return t->tag == 0x18 && t->exact ? POLICY_PASS : policy_lint_octets(seen, t->text);
}
