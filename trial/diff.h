/* What changes between two bundles, in words and by section. Pure. */
#ifndef CHANCERY_TRIAL_DIFF_H
#define CHANCERY_TRIAL_DIFF_H

#include "trial/facts.h"

/* What a change does to who may get what. */
enum trial_effect { TRIAL_EFFECT_OTHER = 0, TRIAL_EFFECT_WIDER, TRIAL_EFFECT_NARROWER };

struct trial_difference {
    const char *section; /* "profile web"; "12 requesters" where many have the same change */
    const char *key;     /* "validity.max" */
    const char *words;   /* "validity 90 d to 47 d" */
    const char *source;  /* where the new bundle says so, else where the old one did */
    enum trial_effect effect;
    const char *sections; /* of "12 requesters": who they are, separated by ", " (the first few) */
    size_t count;         /* sections that have this change: 1 but for requesters */
};

struct trial_differences {
    struct arena arena;
    struct trial_difference *list; /* in the order of sections, then keys */
    size_t n;
};

/* trial_diff compares; texts live in `out`. CH_LIMIT, CH_NOMEM. trial_differences_clear frees; all
 * zero is fine. */
enum chancery_err trial_diff(const struct trial_facts *was, const struct trial_facts *is,
                             struct trial_differences *out) MUST_CHECK;
void trial_differences_clear(struct trial_differences *d);

/* trial_effect_name: "wider", "narrower", "other". */
const char *trial_effect_name(enum trial_effect e);

#endif
