/* RFC 6960 2.4: revocationTime is the time at which the certificate was revoked; it had
 * happened. */
#include "policy/lint/ocsp.h"

enum policy_outcome policy_lint_ocsp_single_revoked_future(const struct policy_lint_single *s,
                                                           struct policy_lint_seen *seen)
{
    if (s->status != POLICY_LINT_STATUS_REVOKED || !s->revoked.exact ||
        !s->answer->produced.exact) {
        return POLICY_NA;
    }
    return s->revoked.at_s <= s->answer->produced.at_s ? POLICY_PASS
                                                       : policy_lint_octets(seen, s->revoked.text);
}
