/* The bundles that chancery-policy judges by: the first one from its folder, further ones from the
 * database, verified here (policy/life.h). A task looks for promotions; handlers take what is in
 * force. Promotions that do not verify, and each coming into force, are in the audit log. */
#ifndef CHANCERY_POLICY_SERVICE_BUNDLES_H
#define CHANCERY_POLICY_SERVICE_BUNDLES_H

#include "daemon/daemon.h"
#include "db/db.h"
#include "policy/life.h"

struct policy_bundles;

/* policy_bundles_open loads the first bundle from `dir`; its hash must be the one that `d`'s
 * trust.json names (CH_INTEGRITY "bundle.pin"). Adds the task "bundles" and the readiness check
 * "bundle". policy_bundles_free after the daemon has stopped; NULL is fine. */
enum chancery_err policy_bundles_open(struct daemon *d, struct db_pool *db, const char *dir,
                                      struct policy_bundles **out, struct diag *diag) MUST_CHECK;
void policy_bundles_free(struct policy_bundles *b);

/* policy_bundles_take gives the bundle in force, or with `named` (32 octets; empty: none) that one
 * while it may still be asked for. Its payload is a struct policy_bundle. Back with
 * policy_bundles_drop. CH_INVALID "bundle.name"; CH_PRECONDITION "bundle.superseded": another one
 * is in force; CH_UNAVAILABLE "bundle.unknown", "bundle.behind": this process does not know what is
 * in force, and judges nothing. */
enum chancery_err policy_bundles_take(struct policy_bundles *b, struct slice named, int64_t now_s,
                                      const struct policy_life_item **out,
                                      struct diag *diag) MUST_CHECK;
void policy_bundles_drop(struct policy_bundles *b, const struct policy_life_item *item);

/* policy_bundles_refresh learns of all promotions now. Errors of policy_life_update. */
enum chancery_err policy_bundles_refresh(struct policy_bundles *b, struct diag *diag) MUST_CHECK;

/* The chain, for those who promote. */
struct policy_life *policy_bundles_life(struct policy_bundles *b);
const uint8_t *policy_bundles_first(const struct policy_bundles *b);

/* policy_bundles_refused writes "bundle.refused" to the audit log: what was tried, which rule stood
 * against it, which bundle (NULL: unknown), who asked ("": the process itself). */
void policy_bundles_refused(const struct policy_bundles *b, const char *step, const uint8_t *sha256,
                            const char *caller, enum chancery_err err, const struct diag *why);

#endif
