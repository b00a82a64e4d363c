/* Table tests: cases in tests/NAME.yaml of a bundle, run against that bundle.
 *
 * A case is a request and what has to come of it. The request is built as chancery-ca would build
 * it and judged by the engine; issuers are made up (a test needs no key of them), and so are the
 * keys of the requesters. docs/POLICY.md, "Table tests", is the reference. Pure: the same files
 * give the same report. */
#ifndef CHANCERY_TRIAL_TABLE_H
#define CHANCERY_TRIAL_TABLE_H

#include "policy/policy.h"

#define TRIAL_CASES_MAX 10000 /* of one bundle */
#define TRIAL_TRUST_DOMAIN "chancery.test"

struct trial_case_result {
    const char *file, *name, *source; /* "tests/web.yaml:12" */
    const char *profile;
    bool passed;
    enum policy_outcome verdict; /* POLICY_NONE: nothing was judged */
    const char *why;             /* not passed: what was expected and what came */
};

/* What the cases saw of one rule under one profile. */
struct trial_rule_cover {
    const char *rule, *source;
    unsigned passing, failing; /* cases in which it passed and failed */
    bool engine;               /* holds whatever a bundle says: not counted in the percentage */
};
struct trial_profile_cover {
    const char *profile;
    const struct trial_rule_cover
        *rules; /* those that applied in some case, in the engine's order */
    size_t n_rules;
    size_t counted, covered; /* rules of the bundle's own lines; those with both kinds of cases */
    size_t cases;
};

struct trial_table_report {
    struct arena arena;
    struct trial_case_result *cases;
    size_t n_cases, failed;
    struct trial_profile_cover *profiles; /* every profile of the bundle, sorted */
    size_t n_profiles;
    size_t counted, covered;
};

/* trial_table_run compiles the bundle and runs all its tests; trust_domain: NULL is
 * TRIAL_TRUST_DOMAIN. CH_OK also when cases fail: see `failed`. Errors: those of compiling the
 * bundle, and of a test file that cannot be read ("test.*", with file:line:column).
 * trial_table_report_clear frees; all zero is fine. */
enum chancery_err trial_table_run(const struct policy_file *files, size_t n,
                                  const char *trust_domain, struct trial_table_report *out,
                                  struct diag *diag) MUST_CHECK;
void trial_table_report_clear(struct trial_table_report *r);

/* trial_cover_percent: covered of counted, 100 when nothing counts. */
unsigned trial_cover_percent(size_t covered, size_t counted);

#endif
