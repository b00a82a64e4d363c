/* Extensions of the request: what the profile takes must be well formed and allowed; what nothing
 * takes is left out of the certificate, or refused where the profile says so. */
#include "policy/glob.h"
#include "policy/policy_int.h"

static const char field[] = "request.extensions";

const struct permit_extension *policy_request_extension(const struct permit_request *r,
                                                        struct slice oid)
{
    const struct permit_extension *found = NULL;
    for (size_t i = 0; i < r->n_extensions; i++) {
        if (slice_eq(r->extensions[i].oid, oid)) {
            if (found != NULL) {
                return NULL;
            }
            found = &r->extensions[i];
        }
    }
    return found;
}

static void rule_once(struct policy_judge *j)
{
    struct slice twice = {NULL, 0};
    for (size_t i = 0; i < j->r->n_extensions; i++) {
        for (size_t k = 0; k < i; k++) {
            if (slice_eq(j->r->extensions[k].oid, j->r->extensions[i].oid)) {
                twice = j->r->extensions[i].oid;
            }
        }
    }
    policy_say_hex(j, "request.extension.duplicate", twice.len == 0, field, "engine", twice,
                   "each extension once");
}

/* ---- basicConstraints ---- */

/* Who asks for a CA certificate where none is given does not get another one in silence. */
static void rule_ca(struct policy_judge *j)
{
    static const char rule[] = "request.extension.ca";
    const struct permit_extension *e = policy_request_extension(j->r, POLICY_OID_CERT_BASIC);
    if (e == NULL || j->p->t.is_ca) {
        policy_say_na(j, rule, field, j->p->ext.ca_source);
        return;
    }
    struct policy_walk w = policy_walk_of(e->value), in;
    bool plain = policy_walk_into(&w, 0x30, &in) && policy_walk_done(&w) &&
                 (policy_walk_done(&in) || /* X.690 11.5 is often broken here: FALSE written */
                  slice_eq(e->value, slice_of("\x30\3\1\1\0", 5)));
    policy_say_hex(j, rule, plain, field, j->p->ext.ca_source, e->value,
                   "no CA certificate; this profile has none");
}

/* ---- extended key usage ---- */

/* NULL, or what is wrong with the request's list. */
static const char *eku_wrong(const struct policy_judge *j, struct slice value)
{
    const struct policy_extensions *x = &j->p->ext;
    struct policy_walk w = policy_walk_of(value), in;
    struct slice seen[POLICY_EXTRA_MAX];
    size_t n = 0;
    if (!policy_walk_into(&w, 0x30, &in) || !policy_walk_done(&w) || policy_walk_done(&in)) {
        return "not a list of OIDs";
    }
    while (!policy_walk_done(&in)) {
        if (n == POLICY_EXTRA_MAX || !policy_walk_oid(&in, &seen[n])) {
            return n == POLICY_EXTRA_MAX ? "too many" : "not a list of OIDs";
        }
        bool allowed = false;
        for (size_t i = 0; i < x->n_eku_allowed; i++) {
            allowed = allowed || slice_eq(x->eku_allowed[i], seen[n]);
        }
        for (size_t i = 0; i < n; i++) {
            allowed = allowed && !slice_eq(seen[i], seen[n]);
        }
        if (!allowed) {
            return "a usage twice, or one that is not allowed";
        }
        n++;
    }
    return NULL;
}

static void rule_eku(struct policy_judge *j)
{
    static const char rule[] = "request.extension.eku";
    const struct permit_extension *e =
        j->p->t.ext.eku_from_request ? policy_request_extension(j->r, POLICY_OID_CERT_EKU) : NULL;
    if (e == NULL) {
        policy_say_na(j, rule, field, j->p->ext.eku_source);
        return;
    }
    const char *wrong = eku_wrong(j, e->value);
    policy_say(j, rule, policy_outcome_of(wrong == NULL), field, j->p->ext.eku_source,
               slice_str(wrong == NULL ? "allowed" : wrong), "usages of \"allowed\", each once");
}

/* ---- custom extensions ---- */

static const struct {
    enum policy_value_kind kind;
    uint8_t tag;
} tags[] = {{POLICY_VALUE_UTF8, 0x0c},      {POLICY_VALUE_IA5, 0x16},
            {POLICY_VALUE_PRINTABLE, 0x13}, {POLICY_VALUE_INTEGER, 0x02},
            {POLICY_VALUE_BOOLEAN, 0x01},   {POLICY_VALUE_OID, 0x06},
            {POLICY_VALUE_OCTETS, 0x04}};

/* The content of an integer is the shortest (X.690 8.3.2), of a boolean FF or 00 (11.1). */
static bool number_ok(enum policy_value_kind kind, struct slice s)
{
    if (kind == POLICY_VALUE_BOOLEAN) {
        return s.len == 1 && (s.ptr[0] == 0xff || s.ptr[0] == 0);
    }
    return s.len == 1 || (s.len > 1 && !(s.ptr[0] == 0 && s.ptr[1] < 0x80) &&
                          !(s.ptr[0] == 0xff && s.ptr[1] >= 0x80));
}

static bool content_ok(const struct policy_custom_rule *c, struct slice s)
{
    switch (c->type) {
    case POLICY_VALUE_UTF8:
        return policy_text_clean(s);
    case POLICY_VALUE_IA5:
        return policy_text_ascii(s);
    case POLICY_VALUE_PRINTABLE:
        return policy_text_printable(s);
    case POLICY_VALUE_INTEGER:
    case POLICY_VALUE_BOOLEAN:
        return number_ok(c->type, s);
    case POLICY_VALUE_OID: /* its form was read by the walk */
    case POLICY_VALUE_OCTETS:
        return true;
    case POLICY_VALUE_NONE:
    case POLICY_VALUE_ENUMERATED:
    case POLICY_VALUE_BITS:
    case POLICY_VALUE_NULL:
    case POLICY_VALUE_SEQUENCE:
    case POLICY_VALUE_SET:
    case POLICY_VALUE_EXPLICIT:
    case POLICY_VALUE_IMPLICIT:
        break;
    }
    return false;
}

static bool matches(const struct policy_custom_rule *c, struct slice s)
{
    for (size_t i = 0; i < c->n_match; i++) {
        if (policy_glob_match(c->match[i], s)) {
            return true;
        }
    }
    return c->n_match == 0;
}

static const char *custom_wrong(const struct policy_custom_rule *c, struct slice value)
{
    struct policy_walk w = policy_walk_of(value), again = w;
    struct slice s, oid;
    uint8_t tag = 0;
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        tag = tags[i].kind == c->type ? tags[i].tag : tag;
    }
    if (tag == 0 || !policy_walk_take(&w, tag, &s, NULL) || !policy_walk_done(&w) ||
        (tag == 0x06 && !policy_walk_oid(&again, &oid))) {
        return "not one element of the type";
    }
    if (s.len > c->max) {
        return "too long";
    }
    return !content_ok(c, s) ? "content that the type does not have"
           : !matches(c, s)  ? "no pattern fits"
                             : NULL;
}

static void rules_custom(struct policy_judge *j)
{
    static const char rule[] = "request.extension.custom";
    const struct policy_template_extensions *t = &j->p->t.ext;
    bool any = false;
    for (size_t i = 0; i < t->n_custom; i++) {
        if (!t->custom[i].from_request) {
            continue;
        }
        const struct policy_custom_rule *c = &j->p->ext.custom[i];
        const struct permit_extension *e = policy_request_extension(j->r, t->custom[i].oid);
        any = true;
        if (e == NULL && !c->required) {
            policy_say_na(j, rule, c->field, c->source);
            continue;
        }
        const char *wrong = e == NULL ? "absent" : custom_wrong(c, e->value);
        policy_say(j, rule, policy_outcome_of(wrong == NULL), c->field, c->source,
                   slice_str(wrong == NULL ? "allowed" : wrong),
                   "one element of type, max and match of the profile");
    }
    if (!any) {
        policy_say_na(j, rule, field, j->p->ext.source);
    }
}

/* ---- what nothing takes ---- */

/* Whether the certificate has the request's octets anyhow. */
static bool same_anyhow(const struct policy_judge *j, const struct permit_extension *e)
{
    const struct policy_extensions *x = &j->p->ext;
    const struct {
        struct slice oid, value;
    } fixed[] = {{POLICY_OID_CERT_KEY_USAGE, x->key_usage},
                 {POLICY_OID_CERT_KEY_USAGE, x->key_usage_rsa},
                 {POLICY_OID_CERT_BASIC, x->basic},
                 {POLICY_OID_CERT_EKU, x->eku},
                 {POLICY_OID_CERT_POLICIES, x->policies},
                 {POLICY_OID_CERT_CONSTRAINTS, x->constraints},
                 {POLICY_OID_CERT_TLS_FEATURE, x->tls_feature}};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        if (slice_eq(fixed[i].oid, e->oid) && fixed[i].value.len > 0 &&
            slice_eq(fixed[i].value, e->value)) {
            return true;
        }
    }
    const struct policy_tbs_extension *t = j->has_tbs ? policy_tbs_find(&j->tbs, e->oid) : NULL;
    return t != NULL && slice_eq(t->value, e->value);
}

static bool taken(const struct policy_judge *j, const struct permit_extension *e)
{
    const struct policy_template_extensions *t = &j->p->t.ext;
    if (t->eku_from_request && slice_eq(e->oid, POLICY_OID_CERT_EKU)) {
        return true;
    }
    for (size_t i = 0; i < t->n_custom; i++) {
        if (t->custom[i].from_request && slice_eq(t->custom[i].oid, e->oid)) {
            return true;
        }
    }
    return same_anyhow(j, e);
}

static void rule_unlisted(struct policy_judge *j)
{
    static const char rule[] = "request.extension.unlisted";
    struct slice stranger = {NULL, 0};
    if (!j->p->ext.unlisted_refused) {
        policy_say_na(j, rule, field, j->p->ext.unlisted_source);
        return;
    }
    for (size_t i = 0; i < j->r->n_extensions; i++) {
        if (!taken(j, &j->r->extensions[i])) {
            stranger = j->r->extensions[i].oid;
        }
    }
    policy_say_hex(j, rule, stranger.len == 0, field, j->p->ext.unlisted_source, stranger,
                   "extensions that the profile takes, or has with the same octets");
}

void policy_rules_request(struct policy_judge *j)
{
    rule_once(j);
    rule_ca(j);
    rule_eku(j);
    rules_custom(j);
    rule_unlisted(j);
}
