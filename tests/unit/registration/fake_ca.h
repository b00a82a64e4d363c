/* A FAKE chancery-ca: no keys, no policy, no certificates, only registration's protocol with it.
 * What it does with an item is written in the item's profile:
 *
 *   issue              issued
 *   refuse             refused, not logged by anyone yet
 *   refuse-logged      refused with a failed rule, as policy does, which logs it
 *   later              refused as BUSY on the first attempt, with 36 s to wait, then issued
 *   void-N             voided for attempts below N (one digit), then issued
 *   poison             the whole call fails with INTERNAL
 *   poison-issued      issued, but the whole call fails with INTERNAL
 *   lost               issued on the first attempt, but the call fails with UNAVAILABLE
 *   mixed-up           answered with another request's certificate
 *   approve-N          waits for N approvals (one digit), then issued
 *   hold               as issue, but the call waits while fake_ca_hold(true)
 *
 * Every call's statement is checked, and that it covers each item's digest. */
#ifndef CHANCERY_TESTS_REGISTRATION_FAKE_CA_H
#define CHANCERY_TESTS_REGISTRATION_FAKE_CA_H

#include "base/bytes.h"
#include "crypto/alg.h"

void fake_ca_start(const char *identity_dir, const char *address,
                   struct crypto_public *statement_key);
void fake_ca_stop(void);

/* While set, every method answers with this error. */
void fake_ca_fail(enum chancery_err err);

/* Calls with a "hold" item wait while set. */
void fake_ca_hold(bool hold);

unsigned fake_ca_calls(void);   /* IssueBatch */
unsigned fake_ca_inside(void);  /* calls being held now */
unsigned fake_ca_finds(void);   /* FindCertificates */
unsigned fake_ca_items(void);   /* items of all IssueBatch calls */
unsigned fake_ca_largest(void); /* most items in one call */
unsigned fake_ca_last_attempt(void);

/* Items whose statement was wrong or whose attempt was used before: none, ever. */
unsigned fake_ca_wrong(void);

#endif
