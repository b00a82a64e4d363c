/* Lints of the profile over the final bytes, as rules of the verdict. */
#include <stdio.h>

#include "policy/policy_int.h"

/* A finding: an error fails; a warning passes and is shown. */
static void say_finding(struct policy_judge *j, const struct policy_lint *l, bool error,
                        const struct policy_lint_seen *seen)
{
    char text[POLICY_TEXT_MAX + 1], shown[POLICY_TEXT_MAX + 16];
    policy_lint_text(seen, text);
    int n = snprintf(shown, sizeof shown, "%s%s", error ? "" : "warning: ", text);
    policy_say(j, l->id, policy_outcome_of(!error), l->field, j->p->lints.source,
               slice_of(shown, n > 0 ? (size_t)n : 0), l->required);
}

void policy_rules_lint(struct policy_judge *j)
{
    struct policy_lint_result results[POLICY_LINT_MAX];
    const struct policy_lints *lints = &j->p->lints;
    size_t first, n = policy_lint_range(POLICY_LINT_CERTIFICATE, &first);
    bool run = lints->any && j->f->tbs.len > 0;
    if (run) {
        policy_lint_run(POLICY_LINT_CERTIFICATE, j->f->tbs, lints->severity, results);
    }
    for (size_t i = first; i < first + n; i++) {
        const struct policy_lint *l = policy_lint_at(i);
        if (lints->severity[i] == POLICY_LINT_UNSET) {
            continue;
        }
        enum policy_outcome outcome = run ? results[i].outcome : POLICY_NA;
        if (outcome == POLICY_FAIL) {
            say_finding(j, l, lints->severity[i] == POLICY_LINT_ERROR, &results[i].seen);
        } else {
            policy_say(j, l->id, outcome, l->field, lints->source, slice_of(NULL, 0), l->required);
        }
    }
}
