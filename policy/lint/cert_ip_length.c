/* RFC 5280 4.2.1.6: four octets for IPv4, sixteen for IPv6. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_ip_length(const struct policy_lint_cert *c,
                                               struct policy_lint_seen *seen)
{
    enum policy_outcome outcome = POLICY_NA;
    for (size_t i = 0; i < c->n_names; i++) {
        struct slice v = c->names[i].value;
        if (c->names[i].type == 7) {
            if (v.len != 4 && v.len != 16) {
                return policy_lint_octets(seen, v);
            }
            outcome = POLICY_PASS;
        }
    }
    return outcome;
}
