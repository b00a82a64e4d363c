/* Names: each bound to the requester, each within the tenant, each as the claims say. These rules
 * add to the profile's own; none of them allows what those refuse. */
#include <arpa/inet.h>

#include "policy/policy_int.h"

#define LINES_MAX 16  /* results of one rule: lines that allowed, and names that none allows */
#define SHOWN_MAX 100 /* a name as text, where it is not one itself */

static const uint8_t oid_mail[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1};
static const uint8_t oid_uid[] = {0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1};

/* ---- looking up ---- */

static bool for_profile(const struct policy_grant *g, uint16_t profile)
{
    size_t low = 0, high = g->n_profiles;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (g->profiles[mid] == profile) {
            return true;
        }
        if (g->profiles[mid] < profile) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return g->n_profiles == 0;
}

/* What an open key leaves over must be of its kind: labels within the wildcard's depth, or the rest
 * of one last attribute. */
static bool rest_ok(const struct policy_grant *g, const struct policy_prefix_entry *e,
                    struct slice key)
{
    struct slice rest = slice_sub(key, e->key.len, key.len);
    if (key.ptr[0] == 'x') {
        return !e->open || memchr(rest.ptr, 0, rest.len) == rest.ptr + rest.len - 1;
    }
    if (key.ptr[0] != 'd' || key.len < 4 || memcmp(key.ptr + key.len - 3, ".*.", 3) != 0) {
        return true;
    }
    unsigned above = 0; /* the wildcard itself is one label above the suffix */
    for (size_t i = 0; i < rest.len; i++) {
        above += rest.ptr[i] == '.' ? 1 : 0;
    }
    return e->open && above > 0 && above <= g->wildcard_depth;
}

/* The grant of one of `holders` that covers a key; NULL: none does. */
static const struct policy_grant *covering(const struct policy_judge *j, const uint32_t *holders,
                                           size_t n, const struct policy_bound_key *k)
{
    const struct policy_prefix *p = &j->b->who.names;
    struct slice key = slice_of(k->octets, k->len);
    for (size_t i = 0; i < n; i++) {
        uint32_t at = policy_prefix_first(p, holders[i], key);
        for (; at != POLICY_PREFIX_NONE; at = p->at[at].parent) {
            const struct policy_grant *g = j->b->who.grants[p->at[at].value];
            if (for_profile(g, j->who.profile) && rest_ok(g, &p->at[at], key)) {
                return g;
            }
        }
    }
    return NULL;
}

/* ---- one rule over many names ---- */

struct telling {
    struct policy_judge *j;
    const char *rule, *field, *source, *required;
    const uint32_t *holders;
    size_t n_holders;
    const struct policy_grant *lines[LINES_MAX];
    struct slice first[LINES_MAX]; /* what each line allowed first */
    char (*texts)[SHOWN_MAX];      /* LINES_MAX + 1; first[i] may lie in texts[i] */
    size_t n_lines, n_bad, n_seen;
};

/* Results are told by line: the first name each line allowed. Every refused name is told, up to a
 * number; more of them change nothing. */
static void tell(struct telling *t, const struct policy_grant *g, struct slice value)
{
    t->n_seen++;
    if (g == NULL) {
        if (t->n_bad++ < LINES_MAX) {
            policy_say(t->j, t->rule, POLICY_FAIL, t->field, t->source, value, t->required);
        }
        return;
    }
    for (size_t i = 0; i < t->n_lines; i++) {
        if (t->lines[i] == g) {
            return;
        }
    }
    if (t->n_lines < LINES_MAX) {
        t->lines[t->n_lines] = g;
        t->first[t->n_lines++] = value;
    }
}

static struct slice shown(const struct permit_san *san, char text[SHOWN_MAX])
{
    if (san->type == 8 && (san->value.len == 4 || san->value.len == 16)) {
        int family = san->value.len == 4 ? AF_INET : AF_INET6;
        return slice_str(inet_ntop(family, san->value.ptr, text, SHOWN_MAX));
    }
    if (san->type == 1 || san->type == 5) {
        hex_encode(slice_sub(san->value, 0, 48), text);
        return slice_str(text);
    }
    return san->value;
}

static void told(struct telling *t)
{
    struct policy_judge *j = t->j;
    if (t->n_seen == 0) {
        policy_say_na(j, t->rule, t->field, t->source);
    }
    for (size_t i = 0; i < t->n_lines; i++) {
        policy_say(j, t->rule, POLICY_PASS, t->field, t->lines[i]->source, t->first[i],
                   t->required);
    }
}

static void look_names(struct telling *t)
{
    const struct permit_request *r = t->j->r;
    struct policy_bound_key k;
    for (size_t i = 0; i < r->n_sans; i++) {
        const struct policy_grant *g =
            policy_bound_san(&r->sans[i], &k) ? covering(t->j, t->holders, t->n_holders, &k) : NULL;
        tell(t, g, shown(&r->sans[i], t->texts[t->n_lines]));
    }
}

/* ---- the subject ---- */

static bool fixed_by_profile(const struct policy_judge *j, const struct policy_rdn *rdn)
{
    for (size_t i = 0; i < j->p->t.n_subject; i++) {
        const struct policy_template_rdn *row = &j->p->t.subject[i];
        if (row->fixed.len > 0 && row->fixed.ptr == rdn->value.ptr) {
            return true;
        }
    }
    return false;
}

/* Attributes that name somebody always need a grant; others when the requester's bindings list
 * their type. */
static bool needs_grant(const struct telling *t, const struct policy_rdn *rdn)
{
    struct policy_bound_key k;
    const struct policy_prefix *p = &t->j->b->who.marks;
    bool listed = slice_eq(rdn->oid, POLICY_OID_CN) ||
                  slice_eq(rdn->oid, slice_of(oid_mail, sizeof oid_mail)) ||
                  slice_eq(rdn->oid, slice_of(oid_uid, sizeof oid_uid));
    if (!policy_bound_attribute('l', rdn->oid, slice_of(NULL, 0), &k)) {
        return true;
    }
    for (size_t i = 0; i < t->n_holders && !listed; i++) {
        listed =
            policy_prefix_first(p, t->holders[i], slice_of(k.octets, k.len)) != POLICY_PREFIX_NONE;
    }
    return listed;
}

/* A value of the subject is covered as what it is, or as the host name or address it spells. */
static const struct policy_grant *covering_value(const struct telling *t,
                                                 const struct policy_rdn *rdn)
{
    const struct policy_grant *g = NULL;
    struct policy_bound_key k;
    bool cn = slice_eq(rdn->oid, POLICY_OID_CN);
    bool mail = slice_eq(rdn->oid, slice_of(oid_mail, sizeof oid_mail));
    if (policy_bound_attribute('s', rdn->oid, rdn->value, &k)) {
        g = covering(t->j, t->holders, t->n_holders, &k);
    }
    if (g == NULL && cn && policy_text_dns(rdn->value, true, true) &&
        policy_bound_dns(rdn->value, &k)) {
        g = covering(t->j, t->holders, t->n_holders, &k);
    }
    if (g == NULL && (cn || mail) && policy_text_ascii(rdn->value) &&
        policy_bound_mail('e', rdn->value, &k)) {
        g = covering(t->j, t->holders, t->n_holders, &k);
    }
    return g;
}

/* Whether a value is one of the names, which are judged themselves. */
static bool is_a_name(const struct policy_judge *j, const struct policy_rdn *rdn)
{
    if (slice_eq(rdn->oid, POLICY_OID_CN)) {
        return policy_cn_in_names(j->r, rdn->value);
    }
    for (size_t i = 0; i < j->r->n_sans; i++) {
        if (j->r->sans[i].type == 2 && slice_eq(j->r->sans[i].value, rdn->value) &&
            slice_eq(rdn->oid, slice_of(oid_mail, sizeof oid_mail))) {
            return true;
        }
    }
    return false;
}

static void look_subject(struct telling *t)
{
    for (size_t i = 0; i < t->j->n_subject; i++) {
        const struct policy_rdn *rdn = &t->j->subject[i];
        if (!fixed_by_profile(t->j, rdn) && needs_grant(t, rdn) && !is_a_name(t->j, rdn)) {
            tell(t, covering_value(t, rdn), rdn->value);
        }
    }
}

/* ---- rules ---- */

static void rules_binding(struct policy_judge *j)
{
    char texts[LINES_MAX + 1][SHOWN_MAX];
    struct telling sans = {.j = j,
                           .texts = texts,
                           .rule = "san.bound",
                           .field = "request.sans",
                           .source = j->p->who.binding_source,
                           .required = "bound to the requester, for this profile and tenant",
                           .holders = j->who.holders,
                           .n_holders = j->who.n_holders};
    struct telling subject = sans; /* its texts are the subject's own */
    subject.rule = "subject.bound";
    subject.field = "request.subject_der";
    if (j->who.held) {
        look_names(&sans);
        look_subject(&subject);
    }
    told(&sans);
    told(&subject);
}

static void rule_tenant_names(struct policy_judge *j)
{
    const struct policy_tenant *t = j->who.tenant;
    char texts[LINES_MAX + 1][SHOWN_MAX];
    struct telling names = {.j = j,
                            .texts = texts,
                            .rule = "tenant.names",
                            .field = "request.sans",
                            .source = t->names_source,
                            .required = "a name of the tenant",
                            .holders = &t->holder,
                            .n_holders = 1};
    look_names(&names);
    look_subject(&names);
    told(&names);
}

static void rule_template(struct policy_judge *j, const char *rule, uint8_t type,
                          const struct policy_name_templates *list)
{
    size_t n = 0;
    struct slice bad = {NULL, 0};
    for (size_t i = 0; i < j->r->n_sans; i++) {
        const struct permit_san *san = &j->r->sans[i];
        bool match = san->type != type;
        n += match ? 0 : 1;
        for (size_t k = 0; k < list->n && !match; k++) {
            match = policy_template_matches(&list->at[k], &j->r->evidence, type == 3, san->value);
        }
        bad = match || bad.ptr != NULL ? bad : san->value;
    }
    if (n == 0) {
        policy_say_na(j, rule, "request.sans", list->source);
    } else {
        policy_say(j, rule, policy_outcome_of(bad.ptr == NULL), "request.sans", list->source, bad,
                   "a template filled with claims of the evidence");
    }
}

void policy_rules_bound(struct policy_judge *j)
{
    const struct policy_who_profile *w = &j->p->who;
    if (w->binding != POLICY_BINDING_NONE) {
        rules_binding(j);
    }
    if (j->who.tenant != NULL && j->who.tenant->names_source != NULL) {
        rule_tenant_names(j);
    }
    if (w->dns.n > 0) {
        rule_template(j, "san.dns.template", 3, &w->dns);
    }
    if (w->email.n > 0) {
        rule_template(j, "san.email.template", 2, &w->email);
    }
    if (w->uri.n > 0) {
        rule_template(j, "san.uri.template", 7, &w->uri);
    }
}
