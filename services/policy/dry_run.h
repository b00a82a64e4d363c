/* The TBS of a dry run: what ca would build for a request. */
#ifndef CHANCERY_POLICY_SERVICE_DRY_RUN_H
#define CHANCERY_POLICY_SERVICE_DRY_RUN_H

#include "decide.h"

/* policy_dry_run builds the TBS for `r` (digest: its request digest) with the key in `spki`; *out
 * and *out_issuer live in `arena` and with the issuers. What keeps it from being built is an error:
 * rules "spki.*", "issuer.*", "build.*", "name.*". */
enum chancery_err policy_dry_run(const struct policy_decider *d, const struct permit_request *r,
                                 const uint8_t digest[32], struct slice spki, int64_t now_s,
                                 struct arena *arena, const struct policy_issuer **out_issuer,
                                 struct slice *out, struct diag *diag) MUST_CHECK;

#endif
