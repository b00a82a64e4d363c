/* Officers with keys made for the test, their file, and what they sign. */
#ifndef CHANCERY_TEST_POLICY_OFFICERS_FIX_H
#define CHANCERY_TEST_POLICY_OFFICERS_FIX_H

#include <openssl/evp.h>

#include "fix.h"
#include "policy/officers.h"

#define OFFICERS 5

struct officers {
    EVP_PKEY *keys[OFFICERS];
    uint8_t hash[OFFICERS][32];
    char b64[OFFICERS][256];
    char yaml[8192];
};

/* officers_make makes keys for a, b, c, d, e and the text of their officers.yaml: identities
 * /user/a to /user/d and none for e; role "policy" for a to d, "security" for a, b, e, "owner" for
 * c and d; promotion by two of "policy". */
void officers_make(struct officers *o);
void officers_clear(struct officers *o);
/* officers_sign writes an approval signed by officer `who`: `in` gives all but the approver. Octets
 * live in `arena`. */
struct policy_approval officers_sign(const struct officers *o, unsigned who,
                                     const struct approval *in, struct arena *arena);
/* officers_b64 gives the base64 of a key's SubjectPublicKeyInfo. */
void officers_b64(EVP_PKEY *key, char *out, size_t cap, uint8_t hash[32]);

#endif
