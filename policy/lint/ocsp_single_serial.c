/* RFC 5280 4.1.2.2: the serial number of the certificate that was asked about. */
#include "policy/lint/ocsp.h"

enum policy_outcome policy_lint_ocsp_single_serial(const struct policy_lint_single *s,
                                                   struct policy_lint_seen *seen)
{
    return s->serial.len <= 20 && policy_lint_minimal(s->serial)
               ? POLICY_PASS
               : policy_lint_octets(seen, s->serial);
}
