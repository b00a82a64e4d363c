/* An officer's own key: kept in a file of the officer's, used to sign approvals (lib/approval) and
 * nothing else. The private key never leaves this program. */
#ifndef CHANCERY_CLI_OFFICER_H
#define CHANCERY_CLI_OFFICER_H

#include "approval/approval.h"

struct officer_key;

/* officer_key_open reads a private key (PEM; an encrypted one asks for its passphrase on the
 * terminal) that is fit for approvals. CH_NOT_FOUND, CH_INVALID "officer.key", CH_UNSUPPORTED
 * "approval.key". */
enum chancery_err officer_key_open(const char *path, struct officer_key **out,
                                   struct diag *diag) MUST_CHECK;
/* officer_key_make makes a key of `type` ("P-256", "P-384", "Ed25519") in a new file, mode 0600,
 * and opens it. CH_EXISTS: a file is never overwritten. */
enum chancery_err officer_key_make(const char *path, const char *type, struct officer_key **out,
                                   struct diag *diag) MUST_CHECK;
void officer_key_free(struct officer_key *k);
const struct crypto_public *officer_key_public(const struct officer_key *k);

/* officer_sign completes `a` with the approver's key hash, appends its octets to `bytes` and the
 * signature over them to `signature`, and verifies what it made. */
enum chancery_err officer_sign(const struct officer_key *k, struct approval *a, struct buf *bytes,
                               struct buf *signature, struct diag *diag) MUST_CHECK;

#endif
