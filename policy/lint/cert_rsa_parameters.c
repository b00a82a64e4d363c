/* RFC 3279 2.3.1: the parameters of rsaEncryption are NULL. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_rsa_parameters(const struct policy_lint_cert *c,
                                                    struct policy_lint_seen *seen)
{
    struct slice p = c->key.algorithm.parameters;
    return c->key.type != POLICY_LINT_KEY_RSA
               ? POLICY_NA
               : policy_lint_if(p.len == 2 && p.ptr[0] == 0x05, seen, "no NULL");
}
