/* How a key of the language is spoken of. Private to trial/. */
#ifndef CHANCERY_TRIAL_DIFF_WORDS_H
#define CHANCERY_TRIAL_DIFF_WORDS_H

#include "trial/diff.h"

enum trial_form {
    TRIAL_FORM_VALUE = 0, /* "NOUN old to new" */
    TRIAL_FORM_ALLOWED,   /* list: "NOUN x now allowed", "NOUN x no longer allowed" */
    TRIAL_FORM_NEEDED,    /* list: "NOUN x now needed", "... no longer needed" */
    TRIAL_FORM_CONTENT,   /* list: "NOUN x now in certificates" */
    TRIAL_FORM_FLAG       /* true or false: "NOUN now", "no longer NOUN" */
};

struct trial_phrase {
    const char *key; /* exact, or ending in '*' */
    const char *noun;
    enum trial_form form;
    int more;              /* +1: more, longer, true is wider; -1: narrower; 0: neither */
    const char *otherwise; /* value when the key is absent; NULL: "none" */
};

/* trial_phrase_of gives the phrase of a key; never NULL: an unknown key speaks for itself. */
const struct trial_phrase *trial_phrase_of(const char *key);

#endif
