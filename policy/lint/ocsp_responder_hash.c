/* RFC 6960 4.2.1: KeyHash is the SHA-1 hash of the responder's public key. */
#include "policy/lint/ocsp.h"

enum policy_outcome policy_lint_ocsp_responder_hash(const struct policy_lint_ocsp *o,
                                                    struct policy_lint_seen *seen)
{
    return o->by_key ? policy_lint_if(o->key_hash.len == 20, seen, "another length") : POLICY_NA;
}
