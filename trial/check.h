/* What is allowed to be written and yet is hardly meant: warnings about a bundle that compiles.
 * Pure. */
#ifndef CHANCERY_TRIAL_CHECK_H
#define CHANCERY_TRIAL_CHECK_H

#include "trial/facts.h"
#include "trial/judge.h"

struct trial_warning {
    const char *rule;   /* stable id: "check.suffix" */
    const char *source; /* "profiles/web.yaml:12" */
    const char *text;   /* one sentence: what it is and what to do */
};
struct trial_warnings {
    struct arena arena;
    struct trial_warning *list;
    size_t n;
};

struct trial_check {
    const struct policy_bundle *bundle;
    const struct trial_facts *facts; /* of the same files */
    const char *trust_domain;        /* NULL: not known */
    const struct trial_world *world; /* issuers of an installation; NULL: not known */
    int64_t now_s;                   /* for the ends of issuers; 0: not known */
};

/* trial_check_bundle finds: profiles nobody can call (check.callers, check.binding), suffixes and
 * names that another suffix covers (check.suffix), names that are wanted and cannot be had
 * (check.names), issuers that an installation does not have, that end before a certificate does, or
 * whose signatures the profile refuses (check.issuer), profiles without a description
 * (check.description). CH_LIMIT, CH_NOMEM. */
enum chancery_err trial_check_bundle(const struct trial_check *c,
                                     struct trial_warnings *out) MUST_CHECK;
/* trial_check_tests adds profiles that no file of tests/ names (check.tests). */
enum chancery_err trial_check_tests(const struct policy_bundle *b, const struct policy_file *files,
                                    size_t n, struct trial_warnings *out) MUST_CHECK;
void trial_warnings_clear(struct trial_warnings *w);

#endif
