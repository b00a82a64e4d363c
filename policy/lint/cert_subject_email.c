/* RFC 5280 4.1.2.6: addresses belong into the subject alternative name; emailAddress in the
 * subject is for old software alone and does not replace it. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_subject_email(const struct policy_lint_cert *c,
                                                   struct policy_lint_seen *seen)
{
    bool in_subject = false, in_san = false;
    for (size_t i = 0; i < c->subject.n; i++) {
        in_subject = in_subject || c->subject.at[i].type == POLICY_LINT_AT_EMAIL;
    }
    for (size_t i = 0; i < c->n_names; i++) {
        in_san = in_san || c->names[i].type == 1;
    }
    return !in_subject ? POLICY_NA
                       : policy_lint_if(in_san, seen, "emailAddress without rfc822Name");
}
