/* X.690 8.3.2: the first nine bits of an INTEGER are neither all ones nor all zero. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_serial_minimal(const struct policy_lint_cert *c,
                                                    struct policy_lint_seen *seen)
{
    return policy_lint_minimal(c->serial) ? POLICY_PASS : policy_lint_octets(seen, c->serial);
}
