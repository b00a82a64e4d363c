/* BR 7.1.2.11.1: authorityCertIssuer and authorityCertSerialNumber must not be present. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_aki_issuer(const struct policy_lint_cert *c,
                                                struct policy_lint_seen *seen)
{
    return policy_lint_ext(c, POLICY_LINT_EXT_AKI) == NULL
               ? POLICY_NA
               : policy_lint_if(!c->aki.has_issuer && !c->aki.has_serial, seen, "present");
}
