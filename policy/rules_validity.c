/* When: RFC 5280 4.1.2.5. All seconds since 1970; differences are checked for overflow by the
 * reader's range (1950..9999). */
#include "policy/policy_int.h"

static const char before[] = "tbs.validity.notBefore";
static const char after[] = "tbs.validity.notAfter";

/* The life this request may have from now on. */
static int64_t life_allowed(const struct policy_judge *j)
{
    const struct policy_template *t = &j->p->t;
    int64_t asked = j->r->max_validity_s;
    if (asked == 0) {
        return t->validity_s;
    }
    return asked < t->validity_max_s ? asked : t->validity_max_s;
}

void policy_rules_validity(struct policy_judge *j)
{
    const char *src = j->p->validity_source;
    if (!j->has_tbs) {
        policy_say_na(j, "validity.order", after, "engine");
        policy_say_na(j, "validity.not_before", before, src);
        policy_say_na(j, "validity.max", after, src);
        policy_say_na(j, "validity.request", after, src);
        policy_say_na(j, "validity.past", after, "engine");
        policy_say_na(j, "validity.issuer", after, "engine");
        return;
    }
    const struct policy_template *t = &j->p->t;
    int64_t nb = j->tbs.not_before_s, na = j->tbs.not_after_s, now = j->f->now_s;
    policy_say_number(j, "validity.order", na > nb, after, "engine", na, "after notBefore");
    bool starts = nb >= now - t->backdate_s - POLICY_WAIT_S && nb <= now + POLICY_SKEW_S;
    policy_say_number(j, "validity.not_before", starts, before, src, nb,
                      "now, or back-dated as allowed");
    policy_say_number(j, "validity.max", na - nb <= t->validity_max_s + t->backdate_s, after, src,
                      na - nb, "at most max, plus backdate");
    policy_say_number(j, "validity.request", na - now <= life_allowed(j) + POLICY_SKEW_S, after,
                      src, na - now, "at most what was asked for, or the default");
    policy_say_number(j, "validity.past", na > now, after, "engine", na, "not in the past");
    policy_say_number(j, "validity.issuer", na <= j->f->issuer->not_after_s, after, "engine", na,
                      "not after the issuer's end");
}
