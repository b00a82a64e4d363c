/* Leases of responder keys (I3): before a key signs, the log holds {key, up to n signatures, until
 * t}; when the lease ends, {count, Merkle root of the digests signed}. A crash leaves a lease
 * without end: its rest counts as unknown. */
#ifndef CHANCERY_REVOCATION_LEASE_H
#define CHANCERY_REVOCATION_LEASE_H

#include "daemon/daemon.h"

struct revocation_lease;

/* revocation_lease_new makes the account of one key; nothing is logged yet. `name` must outlive it.
 */
enum chancery_err revocation_lease_new(struct daemon *d, const char *name,
                                       const uint8_t spki_sha256[32],
                                       struct revocation_lease **out) MUST_CHECK;

/* revocation_lease_take counts one signature over `digest`, opening a lease when there is none with
 * room. Call before the HSM: a call that fails may have signed. CH_UNAVAILABLE and the like when
 * the log cannot be written: do not sign. */
enum chancery_err revocation_lease_take(struct revocation_lease *l, const uint8_t digest[32],
                                        int64_t now_s, struct diag *diag) MUST_CHECK;

/* revocation_lease_tick ends a lease that is past its time. */
void revocation_lease_tick(struct revocation_lease *l, int64_t now_s);

/* revocation_lease_end ends the lease (process stop). */
void revocation_lease_end(struct revocation_lease *l);
void revocation_lease_free(struct revocation_lease *l);

#endif
