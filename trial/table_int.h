/* The parts of a table test. Private to trial/. */
#ifndef CHANCERY_TRIAL_TABLE_INT_H
#define CHANCERY_TRIAL_TABLE_INT_H

#include "conf/conf.h"
#include "trial/judge.h"
#include "trial/table.h"
#include "trial/usage.h"

#define TRIAL_RULES_EXPECTED_MAX 64
#define TRIAL_AT_DEFAULT                                                                           \
    INT64_C(1767225600) /* 2026-01-01T00:00:00Z, unless a case says otherwise */

struct trial_rule_expected {
    const char *rule;
    enum policy_outcome outcome;
};

/* Changes to the TBS after it was built: what a ca gone wrong would have signed. */
struct trial_alter {
    bool any;
    int64_t not_before_shift_s, not_after_shift_s;
    struct slice serial;         /* unsigned octets; empty: as built */
    bool subject_set, names_set; /* subject, names replace those built */
    struct slice subject;        /* Name DER */
    const struct x509_san *sans;
    size_t n_sans;
    struct slice spki;           /* empty: as built */
    enum crypto_alg alg;         /* CRYPTO_ALG_NONE: as built */
    const struct slice *dropped; /* OIDs */
    size_t n_dropped;
    const struct x509_extension *extensions; /* put in place of, or after, those built */
    size_t n_extensions;
};

struct trial_signed_off {
    const char *officer, *step;
    bool reject;
};

/* One case, read. Texts live in the table's arena. */
struct trial_table_case {
    const char *name, *source, *profile;
    struct permit_request request; /* but for spki_sha256, which follows from the key */
    struct slice spki;
    int64_t at_s;
    bool build;                      /* false: the request alone is judged */
    enum crypto_key_type issuer_key; /* CRYPTO_KEY_NONE: one that the profile allows */
    int64_t issuer_life_s;
    struct trial_alter alter;
    struct policy_usage usage;
    const struct trial_signed_off *approvals;
    size_t n_approvals;
    enum policy_outcome expect;
    bool fails_given;
    const char *const *fails;
    size_t n_fails;
    struct trial_rule_expected rules[TRIAL_RULES_EXPECTED_MAX];
    size_t n_rules;
};

/* Where values of a case come from: the case itself, else the file's defaults. */
struct trial_case_nodes {
    const struct conf_node *own, *defaults; /* defaults may be NULL */
    struct arena *arena;
    const char *trust_domain;
};
/* trial_node gives the map to ask for `key`. */
const struct conf_node *trial_node(const struct trial_case_nodes *c, const char *key);

/* trial_table_read reads a file's cases into `arena` (list and texts). */
enum chancery_err trial_table_read(const struct policy_file *file, const char *trust_domain,
                                   struct arena *arena, struct trial_table_case **out,
                                   size_t *out_n, struct diag *diag) MUST_CHECK;

/* Readers of a case's parts (table_parts.c); errors carry file:line:column. */
enum chancery_err trial_read_subject(const struct conf_node *list, struct arena *arena,
                                     struct slice *out, struct diag *diag) MUST_CHECK;
enum chancery_err trial_read_names(const struct conf_node *list, struct arena *arena,
                                   struct x509_san **out, size_t *out_n,
                                   struct diag *diag) MUST_CHECK;
enum chancery_err trial_read_extensions(const struct conf_node *list, struct arena *arena,
                                        struct x509_extension **out, size_t *out_n,
                                        struct diag *diag) MUST_CHECK;
enum chancery_err trial_read_key(const struct conf_node *n, struct arena *arena, struct slice *out,
                                 struct diag *diag) MUST_CHECK;
enum chancery_err trial_read_oid(const struct conf_node *n, struct arena *arena, struct slice *out,
                                 struct diag *diag) MUST_CHECK;
enum chancery_err trial_read_alter(const struct conf_node *map, struct arena *arena,
                                   struct trial_alter *out, struct diag *diag) MUST_CHECK;
/* trial_alter_tbs writes `tbs` anew with the changes. CH_INVALID "test.alter". */
enum chancery_err trial_alter_tbs(const struct trial_alter *a, struct slice tbs,
                                  struct arena *arena, struct slice *out,
                                  struct diag *diag) MUST_CHECK;

/* trial_read_usage reads `usage` over what is free; at_s: the moment of the case. */
enum chancery_err trial_read_usage(const struct conf_node *map, int64_t at_s,
                                   struct policy_usage *out, struct diag *diag) MUST_CHECK;

/* trial_sample_key gives the public key of a type. CH_NOT_FOUND. */
enum chancery_err trial_sample_key(enum crypto_key_type type,
                                   struct crypto_public **out) MUST_CHECK;

/* Coverage: rules seen by profile. */
struct trial_cover;
enum chancery_err trial_cover_new(const struct policy_bundle *b,
                                  struct trial_cover **out) MUST_CHECK;
enum chancery_err trial_cover_add(struct trial_cover *c, const char *profile,
                                  const struct policy_verdict *v) MUST_CHECK;
enum chancery_err trial_cover_report(const struct trial_cover *c,
                                     struct trial_table_report *out) MUST_CHECK;
void trial_cover_free(struct trial_cover *c);

#endif
