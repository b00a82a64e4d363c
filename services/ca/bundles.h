/* The bundles that chancery-ca builds under: the first one from its folder, further ones from
 * chancery-policy, which ca does not take at its word: every promotion and every file is verified
 * here (policy/life.h). Which bundle a batch was built under is told with it; when policy has
 * another one in force, the batch is built again. */
#ifndef CHANCERY_CA_BUNDLES_H
#define CHANCERY_CA_BUNDLES_H

#include "ca.h"
#include "policy/life.h"

/* ca_bundles_open loads the first bundle from `dir`; its hash must be the one of trust.json
 * (CH_INTEGRITY "bundle.pin"). Adds the task "bundles", which asks policy every poll_ms, and the
 * readiness check "bundle". ca->issuers are loaded and ca->policy is open. ca_bundles_free after
 * the daemon has stopped; NULL is fine. */
enum chancery_err ca_bundles_open(struct ca *ca, const char *dir, unsigned poll_ms,
                                  struct diag *diag) MUST_CHECK;
void ca_bundles_free(struct ca_bundles *b);

/* ca_bundles_take gives the bundle in force; its payload is a struct ca_bundle. CH_UNAVAILABLE
 * "bundle.unknown", "bundle.behind". Back with ca_bundles_drop. */
enum chancery_err ca_bundles_take(struct ca_bundles *b, int64_t now_s,
                                  const struct policy_life_item **out,
                                  struct diag *diag) MUST_CHECK;
void ca_bundles_drop(struct ca_bundles *b, const struct policy_life_item *item);

/* ca_bundles_refresh asks policy for all promotions now. Errors of the call and of
 * policy_life_update. */
enum chancery_err ca_bundles_refresh(struct ca_bundles *b, struct diag *diag) MUST_CHECK;

#endif
