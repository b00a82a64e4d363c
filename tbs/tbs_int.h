/* Parts of the TBS writer. */
#ifndef CHANCERY_TBS_TBS_INT_H
#define CHANCERY_TBS_TBS_INT_H

#include "tbs/tbs.h"

/* tbs_value_write appends a typed value as DER. CH_INVALID for a value that has no encoding. */
enum chancery_err tbs_value_write(const struct policy_value *v, struct buf *out) MUST_CHECK;

#endif
