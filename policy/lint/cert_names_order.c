/* X.690 11.6: the attributes of one relative distinguished name stand in ascending order of
 * octets. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_names_order(const struct policy_lint_cert *c,
                                                 struct policy_lint_seen *seen)
{
    return policy_lint_if(!c->subject.unsorted && !c->issuer.unsorted, seen, "not sorted");
}
