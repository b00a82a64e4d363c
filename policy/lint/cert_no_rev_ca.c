/* RFC 9608 2: the extension must not be present in CA certificates. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_no_rev_ca(const struct policy_lint_cert *c,
                                               struct policy_lint_seen *seen)
{
    return c->ext[POLICY_LINT_EXT_NO_REV_AVAIL] == NULL ? POLICY_NA
                                                        : policy_lint_if(!c->is_ca, seen, "a CA");
}
