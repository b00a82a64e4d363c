/* RFC 9525 6.3: the wildcard is the complete left-most label and stands once. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_dns_wildcard(const struct policy_lint_cert *c,
                                                  struct policy_lint_seen *seen)
{
    enum policy_outcome outcome = POLICY_NA;
    for (size_t i = 0; i < c->n_names; i++) {
        struct slice v = c->names[i].value;
        if (c->names[i].type == 2 && (c->names[i].dns & POLICY_LINT_DNS_STAR) != 0) {
            bool ok = v.len > 2 && v.ptr[0] == '*' && v.ptr[1] == '.' &&
                      memchr(v.ptr + 1, '*', v.len - 1) == NULL;
            if (!ok) {
                return policy_lint_octets(seen, v);
            }
            outcome = POLICY_PASS;
        }
    }
    return outcome;
}
