/* RFC 6960 4.2.2.3: both forms are valid; byKey is short and goes on to fit when two responders
 * of one name have different keys, as they do around a change of keys. */
#include "policy/lint/ocsp.h"

enum policy_outcome policy_lint_ocsp_responder_key(const struct policy_lint_ocsp *o,
                                                   struct policy_lint_seen *seen)
{
    return policy_lint_if(o->by_key, seen, "byName");
}
