/* What the lints see: objects read once, leniently, into plain facts. Slices borrow from the input.
 *
 * A reader that cannot go on sets `wrong` to the field's path; facts behind it stay empty. */
#ifndef CHANCERY_POLICY_LINT_LINT_INT_H
#define CHANCERY_POLICY_LINT_LINT_INT_H

#include "policy/lint/rules.h"
#include "policy/walk.h"

#define POLICY_LINT_EXTENSIONS 32
#define POLICY_LINT_ATTRIBUTES 48
#define POLICY_LINT_NAMES 256 /* a SAN of more is unreadable: docs/POLICY.md */
#define POLICY_LINT_POLICIES 32

/* ---- what lints answer ---- */

static inline enum policy_outcome policy_lint_octets(struct policy_lint_seen *seen, struct slice s)
{
    *seen = (struct policy_lint_seen){POLICY_LINT_FORM_OCTETS, s, 0};
    return POLICY_FAIL;
}
static inline enum policy_outcome policy_lint_words(struct policy_lint_seen *seen, const char *s)
{
    return policy_lint_octets(seen, slice_str(s));
}
static inline enum policy_outcome policy_lint_oid(struct policy_lint_seen *seen, struct slice oid)
{
    *seen = (struct policy_lint_seen){POLICY_LINT_FORM_OID, oid, 0};
    return POLICY_FAIL;
}
static inline enum policy_outcome policy_lint_number(struct policy_lint_seen *seen, int64_t n)
{
    *seen = (struct policy_lint_seen){POLICY_LINT_FORM_NUMBER, {NULL, 0}, n};
    return POLICY_FAIL;
}
/* policy_lint_if: PASS when `ok`, else a finding in words. */
static inline enum policy_outcome policy_lint_if(bool ok, struct policy_lint_seen *seen,
                                                 const char *otherwise)
{
    return ok ? POLICY_PASS : policy_lint_words(seen, otherwise);
}

/* ---- parts that all kinds share (read.c, dn.c) ---- */

struct policy_lint_time {
    uint8_t tag;       /* 17 UTCTime, 18 GeneralizedTime */
    struct slice text; /* content */
    bool exact;        /* [YY]YYMMDDHHMMSSZ and a real moment: `at_s` holds */
    bool real;         /* no month 13 and the like, as far as its digits tell */
    int64_t at_s;
};

struct policy_lint_algorithm {
    struct slice whole, oid, parameters; /* parameters: whole element, empty when absent */
};

enum policy_lint_attribute_type {
    POLICY_LINT_AT_OTHER = 0,
    POLICY_LINT_AT_CN,
    POLICY_LINT_AT_SN,
    POLICY_LINT_AT_SERIAL,
    POLICY_LINT_AT_C,
    POLICY_LINT_AT_L,
    POLICY_LINT_AT_ST,
    POLICY_LINT_AT_STREET,
    POLICY_LINT_AT_O,
    POLICY_LINT_AT_OU,
    POLICY_LINT_AT_TITLE,
    POLICY_LINT_AT_POSTAL,
    POLICY_LINT_AT_GN,
    POLICY_LINT_AT_QUALIFIER,
    POLICY_LINT_AT_DC,
    POLICY_LINT_AT_EMAIL,
    POLICY_LINT_AT_COUNT
};
struct policy_lint_attribute {
    enum policy_lint_attribute_type type;
    uint8_t tag; /* of the value */
    struct slice oid, value;
};
struct policy_lint_dn {
    size_t n;
    bool several, unsorted; /* some RDN has several attributes; not in DER's order of SET OF */
    struct policy_lint_attribute at[POLICY_LINT_ATTRIBUTES];
};

struct policy_lint_extension {
    struct slice oid, value;
    bool critical;
    bool odd_flag; /* `critical` written as FALSE, or TRUE not as FF */
};
struct policy_lint_extensions {
    bool present, empty, repeated;
    struct slice repeated_oid;
    size_t n;
    struct policy_lint_extension at[POLICY_LINT_EXTENSIONS];
};

struct policy_lint_aki {
    bool has_key, has_issuer, has_serial;
    struct slice key;
};

/* Readers: false (walk undefined) when the element is not there or not DER. */
bool policy_lint_read_time(struct policy_walk *w, struct policy_lint_time *out);
bool policy_lint_read_algorithm(struct policy_walk *w, struct policy_lint_algorithm *out);
bool policy_lint_read_dn(struct policy_walk *w, struct policy_lint_dn *out);
/* policy_lint_read_extensions reads a SEQUENCE OF Extension. */
bool policy_lint_read_extensions(struct policy_walk *w, struct policy_lint_extensions *out);
const struct policy_lint_extension *policy_lint_extension_of(const struct policy_lint_extensions *l,
                                                             struct slice oid);
bool policy_lint_read_aki(struct slice value, struct policy_lint_aki *out);
/* policy_lint_any takes the next element whatever its tag. */
bool policy_lint_any(struct policy_walk *w, uint8_t *tag, struct slice *content,
                     struct slice *whole);
/* policy_lint_boolean reads BOOLEAN or an implicit one with `tag`; *odd: neither FF nor 00. */
bool policy_lint_boolean(struct policy_walk *w, uint8_t tag, bool *out, bool *odd);
bool policy_lint_minimal(struct slice integer); /* content of an INTEGER, X.690 8.3.2 */
bool policy_lint_http(struct slice url);        /* begins with http:// and has a host */

/* Rules that certificates, CRLs and answers have in common (common.c). */
enum policy_outcome policy_lint_dn_strings(const struct policy_lint_dn *dn,
                                           struct policy_lint_seen *seen);
enum policy_outcome policy_lint_dn_alphabet(const struct policy_lint_dn *dn,
                                            struct policy_lint_seen *seen);
enum policy_outcome policy_lint_algorithm_parameters(const struct policy_lint_algorithm *a,
                                                     struct policy_lint_seen *seen);
enum policy_outcome policy_lint_algorithm_hash(const struct policy_lint_algorithm *a,
                                               struct policy_lint_seen *seen);
/* policy_lint_time_*: of one time; they are PASS or a finding. */
enum policy_outcome policy_lint_time_form(const struct policy_lint_time *t,
                                          struct policy_lint_seen *seen);
enum policy_outcome policy_lint_time_fraction(const struct policy_lint_time *t,
                                              struct policy_lint_seen *seen);
enum policy_outcome policy_lint_time_type(const struct policy_lint_time *t,
                                          struct policy_lint_seen *seen);
enum policy_outcome policy_lint_time_real(const struct policy_lint_time *t,
                                          struct policy_lint_seen *seen);
/* policy_lint_generalized: a GeneralizedTime YYYYMMDDHHMMSSZ whatever its year. */
enum policy_outcome policy_lint_generalized(const struct policy_lint_time *t,
                                            struct policy_lint_seen *seen);
/* policy_lint_worse gives the graver of two outcomes: FAIL, then PASS, then NA. */
static inline enum policy_outcome policy_lint_worse(enum policy_outcome a, enum policy_outcome b)
{
    return a == POLICY_FAIL || b == POLICY_FAIL   ? POLICY_FAIL
           : a == POLICY_PASS || b == POLICY_PASS ? POLICY_PASS
                                                  : POLICY_NA;
}

extern const struct slice POLICY_OID_EXT_AKI, POLICY_OID_EXT_CRL_NUMBER, POLICY_OID_EXT_DELTA,
    POLICY_OID_EXT_IDP, POLICY_OID_EXT_FRESHEST, POLICY_OID_EXT_REASON, POLICY_OID_EXT_INVALIDITY,
    POLICY_OID_EXT_CERT_ISSUER, POLICY_OID_EXT_NONCE, POLICY_OID_EXT_ARCHIVE,
    POLICY_OID_EXT_AIA_CRL, POLICY_OID_EXT_IAN;

#endif
