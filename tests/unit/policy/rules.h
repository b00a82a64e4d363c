/* Cases of rules, one file per family (rules_FAMILY.c): each changes the permitted certificate of
 * fix.c in one point. A family added here is run by test_rules.c. */
#ifndef CHANCERY_TEST_POLICY_RULES_H
#define CHANCERY_TEST_POLICY_RULES_H

#include "fix.h"

struct rule_case {
    const char *rule;
    void (*plan)(struct fix *f); /* changes the plan, before the TBS is written */
    void (*bend)(struct fix *f); /* changes the written TBS */
};
struct rule_family {
    const struct rule_case *bad; /* each must fail its rule */
    size_t n_bad;
    const struct rule_case *good; /* each must be permitted, and pass its rule */
    size_t n_good;
};
extern const struct rule_family rules_frame, rules_key, rules_subject, rules_rows, rules_san,
    rules_names, rules_ext, rules_pool, rules_extra, rules_weak;

#define CHANGE(name) static void name(struct fix *f)
#define PLAN(rule, plan)                                                                           \
    {                                                                                              \
        rule, plan, rules_keep                                                                     \
    }
#define BEND(rule, bend)                                                                           \
    {                                                                                              \
        rule, rules_keep, bend                                                                     \
    }
#define RULES(bad, good)                                                                           \
    {                                                                                              \
        bad, sizeof(bad) / sizeof *(bad), good, sizeof(good) / sizeof *(good)                      \
    }

/* rules_keep changes nothing. */
void rules_keep(struct fix *f);
/* rules_run makes the case's certificate and has it judged. */
void rules_run(struct fix *f, const struct rule_case *c);
/* rules_print_failures shows what failed. */
void rules_print_failures(const struct fix *f);
/* rules_bundle replaces the fixture's bundle by one with a text of the profile replaced. */
void rules_bundle(struct fix *f, const char *from, const char *to);

/* ---- changes that several families use ---- */

/* rules_usage_rsa: the key usage of an RSA key. */
void rules_usage_rsa(struct fix *f);
/* rules_one_san asks for one name (and a URI, so that some name is good); the CN is that name. */
void rules_one_san(struct fix *f, uint8_t type, const char *value);
/* rules_san_critical makes the names' extension critical. */
void rules_san_critical(struct fix *f);

#endif
