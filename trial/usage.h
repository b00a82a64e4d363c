/* What limits knew of a request, as the history keeps it and table tests write it. Pure. */
#ifndef CHANCERY_TRIAL_USAGE_H
#define CHANCERY_TRIAL_USAGE_H

#include "policy/limits.h"

/* trial_usage_free is the usage of a request that nothing stands against: tokens are there, nothing
 * is counted, no duplicate, a new key. */
struct policy_usage trial_usage_free(void);

/* trial_usage_write appends what was known: facts that no limit in `limits` asked for are marked as
 * not known. */
enum chancery_err trial_usage_write(const struct policy_usage *u,
                                    const struct policy_applied *limits,
                                    struct buf *out) MUST_CHECK;

/* trial_usage_read reads it back; what was not known is free. Empty: all is free. CH_MALFORMED
 * "history.usage". */
enum chancery_err trial_usage_read(struct slice s, struct policy_usage *out,
                                   struct diag *diag) MUST_CHECK;

#endif
