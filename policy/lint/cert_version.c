/* RFC 5280 4.1.2.1: certificates with extensions are of version 3, written as [0] INTEGER 2. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_version(const struct policy_lint_cert *c,
                                             struct policy_lint_seen *seen)
{
    bool v3 = c->has_version && c->version.len == 1 && c->version.ptr[0] == 2;
    return policy_lint_if(v3, seen, c->has_version ? "another version" : "version 1");
}
