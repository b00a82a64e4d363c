/* BR 7.1.4.1: each RelativeDistinguishedName holds exactly one attribute. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_subject_rdn_single(const struct policy_lint_cert *c,
                                                        struct policy_lint_seen *seen)
{
    return policy_lint_if(!c->subject.several, seen, "several attributes in one RDN");
}
