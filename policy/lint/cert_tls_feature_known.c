/* RFC 7633 4.2.2: features that a server can be held to are status_request (5) and its
 * successor (17). */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_tls_feature_known(const struct policy_lint_cert *c,
                                                       struct policy_lint_seen *seen)
{
    const struct policy_lint_extension *e = policy_lint_ext(c, POLICY_LINT_EXT_TLS_FEATURE);
    if (e == NULL) {
        return POLICY_NA;
    }
    struct policy_walk outer = policy_walk_of(e->value), w;
    struct slice s = {NULL, 0};
    bool ok = policy_walk_into(&outer, 0x30, &w);
    while (ok && !policy_walk_done(&w)) {
        ok =
            policy_walk_take(&w, 0x02, &s, NULL) && s.len == 1 && (s.ptr[0] == 5 || s.ptr[0] == 17);
    }
    return ok ? POLICY_PASS : policy_lint_octets(seen, s);
}
