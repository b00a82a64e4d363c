/* What a bundle says, as a list of facts: section ("profile web"), key ("names.dns.suffixes"),
 * value.
 *
 * Made from the files of a bundle that compiles: bases are laid under the profiles that extend
 * them, durations are written alike, each entry of a list is a fact of its own. So whatever key the
 * language has, or gets, is a fact; nothing here knows the keys one by one. Pure. */
#ifndef CHANCERY_TRIAL_FACTS_H
#define CHANCERY_TRIAL_FACTS_H

#include "policy/policy.h"

struct trial_fact {
    const char *section;
    const char *key;
    const char *value;
    const char *source; /* "profiles/web.yaml:12" */
    bool member;        /* one entry of a list */
};

struct trial_facts {
    struct arena arena;
    struct trial_fact *list; /* sorted by section, key, value; no duplicates */
    size_t n;
};

/* trial_facts_read fills `out` from a bundle's files, which may go when it returns. Errors of
 * conf_parse, CH_LIMIT, CH_NOMEM. trial_facts_clear frees; all zero is fine. */
enum chancery_err trial_facts_read(const struct policy_file *files, size_t n,
                                   struct trial_facts *out, struct diag *diag) MUST_CHECK;
void trial_facts_clear(struct trial_facts *f);

/* trial_facts_find gives the first fact of a section and key, and how many there are; NULL: none.
 */
const struct trial_fact *trial_facts_find(const struct trial_facts *f, const char *section,
                                          const char *key, size_t *out_n);

#endif
