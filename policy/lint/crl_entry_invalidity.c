/* RFC 5280 5.3.2: GeneralizedTime in Greenwich Mean Time, expressed as in 4.1.2.5.2, whatever
 * its year. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_entry_invalidity(const struct policy_lint_entry *e,
                                                     struct policy_lint_seen *seen)
{
    if (e->invalidity_ext == NULL) {
        return POLICY_NA;
    }
    if (e->bad_invalidity) {
        return policy_lint_octets(seen, e->invalidity_ext->value);
    }
    return policy_lint_generalized(&e->invalidity, seen);
}
