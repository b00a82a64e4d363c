/* RFC 5280 4.1.1.2: the algorithm outside is the one inside, octet for octet. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_signature_match(const struct policy_lint_cert *c,
                                                     struct policy_lint_seen *seen)
{
    if (!c->whole) {
        return POLICY_NA;
    }
    return slice_eq(c->outer.whole, c->algorithm.whole) ? POLICY_PASS
                                                        : policy_lint_oid(seen, c->outer.oid);
}
