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

static void not_applicable(struct policy_judge *j)
{
    const struct policy_validity *s = &j->p->validity;
    policy_say_na(j, "validity.order", after, "engine");
    policy_say_na(j, "validity.not_before", before, s->backdate_source);
    policy_say_na(j, "validity.max", after, s->max_source);
    policy_say_na(j, "validity.request", after, s->default_source);
    policy_say_na(j, "validity.round", after, s->round_source);
    policy_say_na(j, "validity.past", after, "engine");
    policy_say_na(j, "validity.issuer", after, "engine");
}

void policy_rules_validity(struct policy_judge *j)
{
    const struct policy_validity *s = &j->p->validity;
    if (!j->has_tbs) {
        not_applicable(j);
        return;
    }
    const struct policy_template *t = &j->p->t;
    int64_t nb = j->tbs.not_before_s, na = j->tbs.not_after_s, now = j->f->now_s;
    policy_say_number(j, "validity.order", na > nb, after, "engine", na, "after notBefore");
    bool starts = nb >= now - t->backdate_s - POLICY_WAIT_S && nb <= now + POLICY_SKEW_S;
    policy_say_number(j, "validity.not_before", starts, before, s->backdate_source, nb,
                      "now, or back-dated as allowed");
    policy_say_number(j, "validity.max", na - nb <= t->validity_max_s + t->backdate_s, after,
                      s->max_source, na - nb, "at most max, plus backdate");
    policy_say_number(j, "validity.request", na - now <= life_allowed(j) + POLICY_SKEW_S, after,
                      s->default_source, na - now, "at most what was asked for, or the default");
    if (t->round_s == 0) {
        policy_say_na(j, "validity.round", after, s->round_source);
    } else {
        policy_say_number(j, "validity.round", na % t->round_s == 0, after, s->round_source, na,
                          s->round_text);
    }
    policy_say_number(j, "validity.past", na > now, after, "engine", na, "not in the past");
    policy_say_number(j, "validity.issuer", na <= j->f->issuer->not_after_s, after, "engine", na,
                      "not after the issuer's end");
}
