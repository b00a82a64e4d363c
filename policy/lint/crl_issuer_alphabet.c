/* X.680 41.4: PrintableString has a small alphabet. RFC 3629: UTF8String is well-formed UTF-8. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_issuer_alphabet(const struct policy_lint_crl *c,
                                                    struct policy_lint_seen *seen)
{
    return policy_lint_dn_alphabet(&c->issuer, seen);
}
