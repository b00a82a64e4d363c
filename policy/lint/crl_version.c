/* RFC 5280 5.1.2.1: with extensions the version is 2, written as INTEGER 1. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_version(const struct policy_lint_crl *c,
                                            struct policy_lint_seen *seen)
{
    bool v2 = c->has_version && c->version.len == 1 && c->version.ptr[0] == 1;
    return policy_lint_if(v2, seen, c->has_version ? "another version" : "version 1");
}
