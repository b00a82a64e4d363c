/* Lints of the profile over the final bytes, as rules of the verdict. */
#include <stdio.h>

#include "policy/policy_int.h"

/* A finding: an error fails; a warning passes and is shown. */
static void show_finding(struct policy_judge *j, struct policy_rule *rule, bool error,
                         const struct policy_lint_seen *seen)
{
    char text[POLICY_TEXT_MAX + 1], shown[POLICY_TEXT_MAX + 16];
    policy_lint_text(seen, text);
    int n = snprintf(shown, sizeof shown, "%s%s", error ? "" : "warning: ", text);
    rule->outcome = policy_outcome_of(!error);
    rule->observed = policy_keep(j, slice_of(shown, n > 0 ? (size_t)n : 0));
    if (error) {
        j->v->verdict = POLICY_FAIL;
    }
}

/* Rows are written here and not by policy_say: there are more of them than of all other rules. */
void policy_rules_lint(struct policy_judge *j)
{
    struct policy_lint_result results[POLICY_LINT_MAX];
    const struct policy_lints *l = &j->p->lints;
    struct policy_verdict *v = j->v;
    size_t first, n = policy_lint_range(POLICY_LINT_CERTIFICATE, &first);
    const struct policy_lint *row = policy_lint_at(first);
    bool run = j->f->tbs.len > 0 && l->n > 0;
    if (l->n > POLICY_RULES_MAX - v->n) {
        v->verdict = POLICY_FAIL; /* a result that finds no room must not pass unseen */
        return;
    }
    if (run) {
        policy_lint_run(POLICY_LINT_CERTIFICATE, j->f->tbs, l->severity, results);
    }
    for (size_t i = first; l->n > 0 && i < first + n; i++, row++) {
        if (l->severity[i] == POLICY_LINT_UNSET) {
            continue;
        }
        struct policy_rule *rule = &v->rules[v->n++];
        *rule = (struct policy_rule){row->id,       run ? results[i].outcome : POLICY_NA,
                                     row->field,    "",
                                     row->required, l->source};
        if (rule->outcome == POLICY_FAIL) {
            show_finding(j, rule, l->severity[i] == POLICY_LINT_ERROR, &results[i].seen);
        }
    }
}
