/* X.690 11.5: the default v1, the only version that RFC 6960 defines, is left out. */
#include "policy/lint/ocsp.h"

enum policy_outcome policy_lint_ocsp_version(const struct policy_lint_ocsp *o,
                                             struct policy_lint_seen *seen)
{
    return policy_lint_if(!o->has_version, seen, "written");
}
