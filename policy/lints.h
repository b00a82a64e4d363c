/* What a profile says about lints, and their rules in a verdict. */
#ifndef CHANCERY_POLICY_LINTS_H
#define CHANCERY_POLICY_LINTS_H

#include "conf/conf.h"
#include "policy/lint/lint.h"

struct policy_judge;

struct policy_lints {
    const uint8_t *severity; /* POLICY_LINT_MAX rows, enum policy_lint_severity */
    const char *source;
    size_t n; /* rows of certificates that are set: so many rules in a verdict */
};

/* policy_lints_compile reads a profile's `lints`. Without it the set is rfc5280 with default
 * severities. CH_INVALID names an unknown set, lint (with the nearest one) or severity. */
enum chancery_err policy_lints_compile(struct policy_bundle *b, const struct conf_node *root,
                                       struct policy_lints *out, struct diag *diag) MUST_CHECK;

/* policy_rules_lint runs the profile's lints over the TBS. Each lint of the set is a rule under its
 * id: ERROR fails, WARNING passes and shows what it saw, OFF is not applicable. */
void policy_rules_lint(struct policy_judge *j);

#endif
