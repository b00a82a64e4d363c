/* RFC 5280 4.1.2.2: the serial number is a positive integer. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_serial_positive(const struct policy_lint_cert *c,
                                                     struct policy_lint_seen *seen)
{
    bool zero = c->serial.len == 1 && c->serial.ptr[0] == 0;
    return c->serial.ptr[0] < 0x80 && !zero ? POLICY_PASS : policy_lint_octets(seen, c->serial);
}
