/* RFC 5280 4.2.1.9: pathLenConstraint is INTEGER (0..MAX). X.690 8.3.2: in the fewest octets. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_basic_path_value(const struct policy_lint_cert *c,
                                                      struct policy_lint_seen *seen)
{
    if (!c->has_path) {
        return POLICY_NA;
    }
    return policy_lint_minimal(c->path) && c->path.ptr[0] < 0x80
               ? POLICY_PASS
               : policy_lint_octets(seen, c->path);
}
