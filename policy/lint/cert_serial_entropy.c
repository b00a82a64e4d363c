/* BR 7.1: at least 64 bits from a CSPRNG. Seen from outside: eight octets or more that are not
 * a counter between zeros (eight random octets hold fewer than four different ones once in
 * 10^10). */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_serial_entropy(const struct policy_lint_cert *c,
                                                    struct policy_lint_seen *seen)
{
    uint8_t seen_octet[256] = {0};
    unsigned different = 0;
    for (size_t i = 0; i < c->serial.len; i++) {
        different += seen_octet[c->serial.ptr[i]] == 0 ? 1 : 0;
        seen_octet[c->serial.ptr[i]] = 1;
    }
    return c->serial.len >= 8 && different >= 4 ? POLICY_PASS : policy_lint_octets(seen, c->serial);
}
