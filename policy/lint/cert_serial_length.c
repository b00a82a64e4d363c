/* RFC 5280 4.1.2.2: no serial number is longer than 20 octets. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_serial_length(const struct policy_lint_cert *c,
                                                   struct policy_lint_seen *seen)
{
    return c->serial.len <= 20 ? POLICY_PASS : policy_lint_number(seen, (int64_t)c->serial.len);
}
