/* Permit items that were used, for single use: a set of 32-octet names with an expiry each. Owned
 * and used by the writer thread. */
#ifndef CHANCERY_AUDIT_PERMITS_H
#define CHANCERY_AUDIT_PERMITS_H

#include "entry.h"

struct audit_permits;

struct audit_permits *audit_permits_new(void); /* NULL: out of memory */
void audit_permits_free(struct audit_permits *p);

/* audit_permits_has says whether the item is remembered. */
bool audit_permits_has(const struct audit_permits *p, const uint8_t item[AUDIT_PERMIT_ITEM]);

/* audit_permits_add remembers an item until `keep_until_s`; what is past at `now_s` is forgotten
 * when room is needed. CH_NOMEM. */
enum chancery_err audit_permits_add(struct audit_permits *p, const uint8_t item[AUDIT_PERMIT_ITEM],
                                    int64_t keep_until_s, int64_t now_s) MUST_CHECK;

#endif
