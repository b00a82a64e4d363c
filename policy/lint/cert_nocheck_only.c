/* RFC 6960 4.2.2.2.1: the extension says that a responder need not be checked; nobody else's
 * certificate should claim that. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_nocheck_only(const struct policy_lint_cert *c,
                                                  struct policy_lint_seen *seen)
{
    if (c->ext[POLICY_LINT_EXT_NOCHECK] == NULL) {
        return POLICY_NA;
    }
    return policy_lint_if((c->eku & POLICY_LINT_EKU_OCSP) != 0, seen, "no OCSPSigning");
}
