/* BR 4.2.2: no internal names, that is names that do not end in a top level domain of the
 * public DNS. Known here: single labels, and the names that RFC 2606, RFC 6761, RFC 6762, RFC
 * 9476 and ICANN reserve or that are widely used inside. */
#include <strings.h>

#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_dns_internal(const struct policy_lint_cert *c,
                                                  struct policy_lint_seen *seen)
{
    static const char *const reserved[] = {"local",   "localhost",   "internal", "test",
                                           "example", "invalid",     "alt",      "lan",
                                           "home",    "corp",        "mail",     "intranet",
                                           "private", "localdomain", "domain",   "workgroup"};
    enum policy_outcome outcome = POLICY_NA;
    for (size_t i = 0; i < c->n_names; i++) {
        const struct policy_lint_name *n = &c->names[i];
        bool internal = n->type == 2 && n->labels < 2;
        for (size_t k = 0; n->type == 2 && k < sizeof reserved / sizeof *reserved; k++) {
            internal =
                internal || (n->last.len == strlen(reserved[k]) &&
                             strncasecmp((const char *)n->last.ptr, reserved[k], n->last.len) == 0);
        }
        if (internal) {
            return policy_lint_octets(seen, n->value);
        }
        outcome = n->type == 2 ? POLICY_PASS : outcome;
    }
    return outcome;
}
