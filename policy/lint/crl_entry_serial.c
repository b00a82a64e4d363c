/* RFC 5280 4.1.2.2: the serial of a certificate; a negative one or zero can only stand there
 * because an old certificate has it, and is left alone. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_entry_serial(const struct policy_lint_entry *e,
                                                 struct policy_lint_seen *seen)
{
    return e->serial.len <= 20 && policy_lint_minimal(e->serial)
               ? POLICY_PASS
               : policy_lint_octets(seen, e->serial);
}
