/* Officers whose keys a table test has. Private to trial/. */
#ifndef CHANCERY_TRIAL_TABLE_OFFICERS_H
#define CHANCERY_TRIAL_TABLE_OFFICERS_H

#include "trial/table_int.h"

/* trial_officers_exchange gives officers.yaml with each officer's key replaced by the one that
 * follows from the officer's id; in `arena`. */
enum chancery_err trial_officers_exchange(const struct policy_file *file, struct arena *arena,
                                          struct slice *out, struct diag *diag) MUST_CHECK;

/* trial_officers_sign makes the approval of request `subject` that the officer of that id signs at
 * at_s, good for a day. */
enum chancery_err trial_officers_sign(const struct trial_signed_off *s, const uint8_t subject[32],
                                      int64_t at_s, struct arena *arena,
                                      struct policy_approval *out, struct diag *diag) MUST_CHECK;

#endif
