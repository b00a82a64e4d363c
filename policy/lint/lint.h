/* Lints: checks of final bytes against RFC 5280, RFC 6960 and the TLS Baseline Requirements of the
 * CA/Browser Forum. They know no profile and no request: they say whether an object is well made.
 *
 * One rule per file (cert_*.c, crl_*.c, ocsp_*.c), one row per rule in table.c. Pure, linear in the
 * input, without allocation; read with the judge's walker, never with the writer's code. Input is
 * what is to be signed (TBSCertificate, TBSCertList, ResponseData) or the whole signed object. */
#ifndef CHANCERY_POLICY_LINT_LINT_H
#define CHANCERY_POLICY_LINT_LINT_H

#include "policy/policy.h"

#define POLICY_LINT_MAX 256 /* rows of the table, all kinds */

enum policy_lint_kind {
    POLICY_LINT_NONE = 0,
    POLICY_LINT_CERTIFICATE,
    POLICY_LINT_CRL,
    POLICY_LINT_OCSP
};
/* UNSET: the lint is in no set that was asked for; OFF: switched off by the profile. */
enum policy_lint_severity {
    POLICY_LINT_UNSET = 0,
    POLICY_LINT_OFF,
    POLICY_LINT_WARNING,
    POLICY_LINT_ERROR
};
/* Sets. cabf-server holds everything of rfc5280 and the Baseline Requirements. */
#define POLICY_LINT_SET_RFC5280 1U
#define POLICY_LINT_SET_CABF_SERVER 2U

/* What a lint saw. Slices point into the input or to static text. */
enum policy_lint_form {
    POLICY_LINT_FORM_NONE = 0,
    POLICY_LINT_FORM_OCTETS, /* shown as text when printable, else in hex */
    POLICY_LINT_FORM_OID,    /* content octets of an OBJECT IDENTIFIER */
    POLICY_LINT_FORM_NUMBER
};
struct policy_lint_seen {
    enum policy_lint_form form;
    struct slice octets;
    int64_t number;
};
struct policy_lint_result {
    enum policy_outcome outcome; /* FAIL: a finding; NA: the lint has nothing to look at */
    struct policy_lint_seen seen;
};

struct policy_lint_cert;
struct policy_lint_crl;
struct policy_lint_entry;
struct policy_lint_ocsp;
struct policy_lint_single;
typedef enum policy_outcome policy_lint_cert_fn(const struct policy_lint_cert *c,
                                                struct policy_lint_seen *seen);
typedef enum policy_outcome policy_lint_crl_fn(const struct policy_lint_crl *c,
                                               struct policy_lint_seen *seen);
typedef enum policy_outcome policy_lint_entry_fn(const struct policy_lint_entry *e,
                                                 struct policy_lint_seen *seen);
typedef enum policy_outcome policy_lint_ocsp_fn(const struct policy_lint_ocsp *o,
                                                struct policy_lint_seen *seen);
typedef enum policy_outcome policy_lint_single_fn(const struct policy_lint_single *s,
                                                  struct policy_lint_seen *seen);

/* A row: exactly one of the functions is set. `entry` is asked for each revoked certificate of a
 * CRL, `single` for each SingleResponse; their worst outcome counts. All texts are static. */
struct policy_lint {
    const char *id;                     /* "lint.cert.serial_positive" */
    enum policy_lint_severity severity; /* default: ERROR for MUST, WARNING for SHOULD */
    unsigned sets;
    const char *reference; /* "RFC 5280 4.1.2.2", "BR 6.3.2" */
    const char *field;     /* "tbs.serialNumber" */
    const char *required;  /* what must hold, in words */
    policy_lint_cert_fn *cert;
    policy_lint_crl_fn *crl;
    policy_lint_entry_fn *entry;
    policy_lint_ocsp_fn *ocsp;
    policy_lint_single_fn *single;
};

/* policy_lint_count: rows of all kinds. policy_lint_at gives row i: certificates first, then CRLs,
 * then OCSP answers. policy_lint_range gives the rows of one kind: [*out_first, *out_first + n). */
size_t policy_lint_count(void);
const struct policy_lint *policy_lint_at(size_t i);
size_t policy_lint_range(enum policy_lint_kind kind, size_t *out_first);
/* policy_lint_find finds a row by its id; its index, or POLICY_LINT_MAX when there is none. */
size_t policy_lint_find(struct slice id);
/* policy_lint_set_named gives the set of a name ("rfc5280", "cabf-server"); 0 when unknown. */
unsigned policy_lint_set_named(struct slice name);
/* policy_lint_defaults fills the severity of every row for a set (0: all UNSET). */
void policy_lint_defaults(unsigned set, uint8_t out_severity[POLICY_LINT_MAX]);

/* policy_lint_run runs every lint of `kind` whose severity is WARNING or ERROR over `der`. out[i]
 * is written for each row of that kind, NA where it did not run; other rows are left alone. Input
 * that cannot be read is a finding of lint.<kind>.der; lints that then have nothing to look at are
 * NA. */
void policy_lint_run(enum policy_lint_kind kind, struct slice der,
                     const uint8_t severity[POLICY_LINT_MAX],
                     struct policy_lint_result out[POLICY_LINT_MAX]);

/* policy_lint_kind_of tells what whole object `der` looks like by its first elements; NONE when it
 * is none of the three. Certificate, CRL, OCSPResponse or BasicOCSPResponse only. */
enum policy_lint_kind policy_lint_kind_of(struct slice der);

/* policy_lint_text writes what was seen as a NUL-terminated printable text, cut to fit. */
void policy_lint_text(const struct policy_lint_seen *seen, char out[POLICY_TEXT_MAX + 1]);

#endif
