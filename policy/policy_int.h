/* What the files of the engine share: compiled bundle and profile, and the judge at work. */
#ifndef CHANCERY_POLICY_POLICY_INT_H
#define CHANCERY_POLICY_POLICY_INT_H

#include "conf/conf.h"
#include "policy/approvals.h"
#include "policy/bases.h"
#include "policy/blocklists.h"
#include "policy/extensions.h"
#include "policy/limits.h"
#include "policy/lints.h"
#include "policy/names.h"
#include "policy/officers.h"
#include "policy/policy.h"
#include "policy/pool.h"
#include "policy/tbs.h"
#include "policy/text.h"
#include "policy/want.h"
#include "policy/who.h"

/* Limits of a bundle. */
#define POLICY_PROFILES_MAX 1000 /* five times the largest installation planned for */
#define POLICY_LIST_MAX 10000    /* suffixes, networks, callers ... of one list */
#define POLICY_NAMES_MAX PERMIT_SANS_MAX
#define POLICY_EXTRA_MAX 32 /* EKUs, policies */
#define POLICY_SKEW_S 5     /* clocks of two processes */
#define POLICY_WAIT_S                                                                              \
    PERMIT_STATEMENT_TTL_S /* an attempt may wait as long as its statement lives */

/* ---- compiled bundle ---- */

/* Lines that said how long; each of the key itself where it is written. */
struct policy_validity {
    const char *max_source, *default_source, *backdate_source, *round_source;
    const char *round_text; /* "a multiple of 86400" */
};

struct policy_profile {
    struct policy_template t;
    struct policy_pool pool;
    struct policy_validity validity;
    struct policy_list callers, tenants;
    unsigned key_types; /* bit 1 << enum crypto_key_type */
    unsigned algs;      /* bit 1 << enum crypto_alg */
    const uint64_t *exponents;
    size_t n_exponents;
    bool cn_in_names;
    struct policy_names names;
    const struct policy_row *rows; /* beside t.subject */
    struct policy_limits limits;
    struct policy_approvals approvals;
    struct policy_who_profile who;
    struct policy_lints lints;
    uint64_t blocklists; /* bit i: list i of the bundle */
    struct policy_extensions ext;
    /* "profiles/web.yaml:12" of what said so. */
    const char *source, *callers_source, *tenants_source, *keys_source, *algs_source,
        *subject_source, *names_source, *blocklists_source;
};

/* Products of four odd primes below 2^16, for trial division (primes.c). */
struct policy_prime_group {
    uint64_t product, inverse; /* inverse of product modulo 2^64 */
    uint16_t primes[4];
};

struct policy_bundle {
    struct arena arena;
    uint8_t hash[32];
    struct slice trust_domain; /* empty until set: then every name is refused */
    const char *name, *source, *crl_source;
    int64_t crl_max_s, crl_backdate_s;
    struct policy_bases *bases;      /* while it is compiled */
    struct policy_profile *profiles; /* sorted by name */
    size_t n_profiles;
    struct policy_officers officers;
    struct policy_who who;
    struct psl_ctx_st *suffixes; /* NULL: the bundle has no list */
    struct policy_blocklists blocklists;
    struct policy_prime_group *groups;
    size_t n_groups;
};

/* policy_folder_known: whether a bundle has such a folder. */
bool policy_folder_known(const char *name);

/* policy_profile_compile fills `p` from one file's root node. */
enum chancery_err policy_profile_compile(struct policy_bundle *b, const struct conf_node *root,
                                         struct policy_profile *p, struct diag *diag) MUST_CHECK;
enum chancery_err policy_names_compile(struct policy_bundle *b, const struct conf_node *root,
                                       struct policy_profile *p, struct diag *diag) MUST_CHECK;
enum chancery_err policy_subject_compile(struct policy_bundle *b, const struct conf_node *root,
                                         struct policy_profile *p, struct diag *diag) MUST_CHECK;

/* Helpers of the compilers. policy_compile_source: "file:line" of a node, in the bundle's arena; of
 * a map that took keys from a base "file:line+file:line"; NULL when out of memory.
 * policy_compile_source_key: of the value of `key`, or of the map when it has no such key.
 * policy_compile_list: the texts of list `key`, copied; sorted without duplicates when asked.
 * policy_compile_oid: content octets of dotted text. */
const char *policy_compile_source(struct policy_bundle *b, const struct conf_node *n);
const char *policy_compile_source_key(struct policy_bundle *b, const struct conf_node *map,
                                      const char *key);
typedef bool policy_text_ok(struct slice s);
/* policy_compile_name_ok: 1 to 64 of a-z 0-9 - . , beginning with a letter or digit. */
bool policy_compile_name_ok(struct slice s);
enum chancery_err policy_compile_list(struct policy_bundle *b, const struct conf_node *map,
                                      const char *key, enum conf_need need, bool sorted,
                                      policy_text_ok *ok, struct policy_list *out,
                                      struct diag *diag) MUST_CHECK;
enum chancery_err policy_compile_oid(struct policy_bundle *b, const struct conf_node *at,
                                     const char *text, struct slice *out,
                                     struct diag *diag) MUST_CHECK;
/* policy_list_has searches a sorted list. */
bool policy_list_has(const struct policy_list *l, struct slice s);

/* policy_primes_make fills the trial division table of `b`. */
enum chancery_err policy_primes_make(struct policy_bundle *b) MUST_CHECK;
/* policy_primes_factor returns an odd prime below 2^16 that divides n, 0 when none does. */
uint32_t policy_primes_factor(const struct policy_bundle *b, struct slice n);
/* policy_primes_close says whether n = p*q with p and q so close that Fermat's method finds them in
 * `rounds` steps. n: at most 4096 bits. */
bool policy_primes_close(struct slice n, unsigned rounds);

/* ---- the judge at work ---- */

struct policy_judge {
    const struct policy_bundle *b;
    const struct policy_profile *p;
    const struct policy_facts *f;
    const struct permit_request *r;
    struct policy_verdict *v;
    bool has_tbs; /* tbs was read */
    struct policy_tbs tbs;
    struct crypto_key_facts key; /* of the TBS; type CRYPTO_KEY_NONE when unreadable */
    bool subject_known;          /* the request's subject was read and fits the template */
    struct policy_rdn subject[POLICY_RDNS_MAX]; /* expected */
    size_t n_subject;
    struct policy_who_found who;
};

/* policy_say adds a rule's result. `observed` is copied, cut to fit and made printable; the other
 * texts must outlive the verdict: static, or of the bundle (else: policy_keep). */
void policy_say(struct policy_judge *j, const char *rule, enum policy_outcome outcome,
                const char *field, const char *source, struct slice observed, const char *required);
/* policy_say_number / policy_say_hex: observed is a number, or octets in hex. */
void policy_say_number(struct policy_judge *j, const char *rule, bool ok, const char *field,
                       const char *source, int64_t observed, const char *required);
void policy_say_hex(struct policy_judge *j, const char *rule, bool ok, const char *field,
                    const char *source, struct slice observed, const char *required);
/* policy_keep copies a text into the verdict, cut to POLICY_TEXT_MAX and made printable. When the
 * pool is full the verdict fails and the text is "...". */
const char *policy_keep(struct policy_judge *j, struct slice s);
static inline enum policy_outcome policy_outcome_of(bool ok)
{
    return ok ? POLICY_PASS : POLICY_FAIL;
}
/* policy_say_na marks a rule that does not apply here. */
void policy_say_na(struct policy_judge *j, const char *rule, const char *field, const char *source);

/* Rules by family, in the order of judging. Each may use what those before it found. */
void policy_rules_caller(struct policy_judge *j);
void policy_rules_serial(struct policy_judge *j);
void policy_rules_validity(struct policy_judge *j);
void policy_rules_key(struct policy_judge *j);
void policy_rules_subject(struct policy_judge *j); /* fills subject */
void policy_rules_san(struct policy_judge *j);
void policy_rules_extensions(struct policy_judge *j);
void policy_rules_limits(struct policy_judge *j); /* last: they count what is permitted */

/* policy_cn_in_names says whether a common name is one of the request's names; an address may be
 * written in any way. */
bool policy_cn_in_names(const struct permit_request *r, struct slice cn);

extern const struct slice POLICY_OID_CN;

#endif
