/* RFC 6960 4.4.4: producedAt minus the retention time, as GeneralizedTime. */
#include "policy/lint/ocsp.h"

enum policy_outcome policy_lint_ocsp_single_archive_cutoff(const struct policy_lint_single *s,
                                                           struct policy_lint_seen *seen)
{
    if (s->archive_ext == NULL) {
        return POLICY_NA;
    }
    if (!s->archive_read) {
        return policy_lint_octets(seen, s->archive_ext->value);
    }
    bool late =
        s->archive.exact && s->answer->produced.exact && s->archive.at_s > s->answer->produced.at_s;
    return late ? policy_lint_octets(seen, s->archive.text)
                : policy_lint_generalized(&s->archive, seen);
}
