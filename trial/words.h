/* Small things in words. */
#ifndef CHANCERY_TRIAL_WORDS_H
#define CHANCERY_TRIAL_WORDS_H

#include "base/bytes.h"

/* trial_words_duration appends "90 d", "1 d 12 h", "5 min", "0 s". */
enum chancery_err trial_words_duration(int64_t seconds, struct buf *out) MUST_CHECK;

/* trial_words_duration_read reads "90d", "1d12h" (as lib/conf); false when it is none. */
bool trial_words_duration_read(const char *text, int64_t *out_s);

#endif
