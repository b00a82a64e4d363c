/* The subject: computed from template and request, then compared with the TBS octet by octet. */
#include <arpa/inet.h>

#include "policy/glob.h"
#include "policy/policy_int.h"

static const char field[] = "tbs.subject";

bool policy_service_name(const struct policy_bundle *b, struct slice host)
{
    return b->trust_domain.len == 0 || policy_text_under(host, b->trust_domain);
}

bool policy_service_text(const struct policy_bundle *b, struct slice text)
{
    const uint8_t *at = text.len == 0 ? NULL : memchr(text.ptr, '@', text.len);
    struct slice host = policy_text_uri_host(text), domain = slice_of(NULL, 0);
    if (at != NULL) {
        domain = slice_sub(text, (size_t)(at - text.ptr) + 1, text.len);
    }
    return text.len > 0 && (policy_service_name(b, text) || policy_service_name(b, host) ||
                            policy_service_name(b, domain));
}

static bool read_attribute(struct policy_walk *set, struct policy_rdn *out)
{
    struct policy_walk pair;
    if (!policy_walk_into(set, 0x30, &pair) || !policy_walk_oid(&pair, &out->oid)) {
        return false;
    }
    out->tag = policy_walk_tag(&pair);
    out->row = NULL;
    return (out->tag == 0x0c || out->tag == 0x13 || out->tag == 0x16) &&
           policy_walk_take(&pair, out->tag, &out->value, NULL) && policy_walk_done(&pair);
}

enum policy_name_form policy_name_read(struct slice der, struct policy_rdn *out, size_t *out_n)
{
    struct policy_walk outer = policy_walk_of(der), rdns, set;
    struct policy_rdn more;
    bool multi = false;
    size_t n = 0;
    if (!policy_walk_into(&outer, 0x30, &rdns) || !policy_walk_done(&outer)) {
        return POLICY_NAME_NONE;
    }
    for (; !policy_walk_done(&rdns); n++) {
        if (n == POLICY_RDNS_MAX || !policy_walk_into(&rdns, 0x31, &set) ||
            !read_attribute(&set, &out[n])) {
            return POLICY_NAME_NONE;
        }
        for (; !policy_walk_done(&set); multi = true) {
            if (!read_attribute(&set, &more)) {
                return POLICY_NAME_NONE;
            }
        }
    }
    *out_n = multi ? 0 : n;
    return multi ? POLICY_NAME_MULTI : POLICY_NAME_SINGLE;
}

struct slice policy_claims_take(struct policy_claims *c, struct slice name)
{
    const struct permit_evidence *e = c->evidence;
    size_t low = 0, high = e->n_claims < PERMIT_CLAIMS_MAX ? e->n_claims : PERMIT_CLAIMS_MAX;
    size_t end = high;
    while (low < high) { /* the first claim of that name or a later one */
        size_t mid = low + (high - low) / 2;
        if (slice_cmp(e->claims[mid].name, name) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    for (; low < end && slice_eq(e->claims[low].name, name); low++) {
        if (!c->used[low]) {
            c->used[low] = true;
            return e->claims[low].value;
        }
    }
    return slice_of(NULL, 0);
}

bool policy_row_matches(const struct policy_row *row, struct slice value)
{
    for (size_t i = 0; i < row->match.n; i++) {
        if (policy_glob_match(row->match.at[i], value)) {
            return true;
        }
    }
    return row->match.n == 0;
}

/* The DNS name that becomes the CN when the request has none; empty when there is none that fits.
 */
static struct slice first_dns(const struct permit_request *r)
{
    for (size_t i = 0; i < r->n_sans; i++) {
        if (r->sans[i].type == 3 && r->sans[i].value.len <= 64) {
            return r->sans[i].value;
        }
    }
    return slice_of(NULL, 0);
}

struct picking {
    const struct policy_rdn *asked;
    size_t n_asked;
    bool used[POLICY_RDNS_MAX];
    struct policy_claims claims;
    bool cn_seen;        /* a row before took the CN, or found none */
    const char *missing; /* name of a required attribute that request and evidence lack */
    const char *missing_source;
};

/* The value of one template row: fixed, a claim's, the next unused one of its type, or the CN from
 * a name. */
static struct slice pick(struct policy_judge *j, struct picking *k,
                         const struct policy_template_rdn *row)
{
    if (row->from == POLICY_FROM_BUNDLE) {
        return row->fixed;
    }
    if (row->from == POLICY_FROM_EVIDENCE) {
        return policy_claims_take(&k->claims, row->claim);
    }
    for (size_t i = 0; i < k->n_asked; i++) {
        if (!k->used[i] && slice_eq(k->asked[i].oid, row->oid)) {
            k->used[i] = true;
            return k->asked[i].value;
        }
    }
    bool first = j->p->t.cn_from_first_dns && slice_eq(row->oid, POLICY_OID_CN) && !k->cn_seen;
    return first ? first_dns(j->r) : slice_of(NULL, 0);
}

static void expect_subject(struct policy_judge *j, struct picking *k)
{
    for (size_t i = 0; i < j->p->t.n_subject; i++) {
        const struct policy_template_rdn *row = &j->p->t.subject[i];
        const struct policy_row *rule = &j->p->rows[i];
        struct slice value = pick(j, k, row);
        k->cn_seen =
            k->cn_seen || (row->from == POLICY_FROM_REQUEST && slice_eq(row->oid, POLICY_OID_CN));
        if (value.len > 0) {
            uint8_t tag = policy_attribute_of(row->oid).tag;
            j->subject[j->n_subject++] = (struct policy_rdn){row->oid, value, tag, rule};
        } else if (row->required && k->missing == NULL) {
            k->missing = policy_attribute_of(row->oid).name;
            k->missing_source = rule->source;
        }
    }
}

/* Structure of the request's subject: readable, complete, nothing the template does not know. */
static void rules_request(struct policy_judge *j)
{
    struct policy_rdn asked[POLICY_RDNS_MAX];
    struct picking k = {.asked = asked, .claims.evidence = &j->r->evidence};
    enum policy_name_form form = j->r->subject_der.len == 0
                                     ? POLICY_NAME_SINGLE
                                     : policy_name_read(j->r->subject_der, asked, &k.n_asked);
    bool read = form != POLICY_NAME_NONE, single = form == POLICY_NAME_SINGLE;
    const char *src = j->p->subject_source, *from = "request.subject_der";
    policy_say(j, "subject.request", policy_outcome_of(read), from, "engine",
               slice_str(read ? "readable" : "not readable"),
               "a Name of UTF8, printable or IA5 strings, at most 32 RDNs");
    if (!read) {
        return;
    }
    policy_say(j, "subject.single_valued", policy_outcome_of(single), from, "engine",
               slice_str(single ? "single-valued" : "multi-valued"),
               "one attribute in each RDN: the order of several is not the requester's to choose");
    if (!single) {
        return;
    }
    expect_subject(j, &k);
    policy_say(j, "subject.required", policy_outcome_of(k.missing == NULL), from,
               k.missing == NULL ? src : k.missing_source,
               slice_str(k.missing == NULL ? "complete" : k.missing),
               "attributes required, from request or claim");
    const char *unlisted = NULL;
    for (size_t i = 0; i < k.n_asked && unlisted == NULL; i++) {
        unlisted = k.used[i] ? NULL : policy_attribute_of(asked[i].oid).name;
    }
    bool kept = j->p->t.drop_unlisted || unlisted == NULL;
    policy_say(j, "subject.unlisted", policy_outcome_of(kept), from, src,
               slice_str(unlisted == NULL ? "none" : unlisted), "attributes of the template");
    j->subject_known = k.missing == NULL && kept;
}

static struct slice common_name(const struct policy_judge *j)
{
    for (size_t i = 0; i < j->n_subject; i++) {
        if (slice_eq(j->subject[i].oid, POLICY_OID_CN)) {
            return j->subject[i].value;
        }
    }
    return slice_of(NULL, 0);
}

static bool names_address(struct slice cn, const struct permit_san *san)
{
    char text[64];
    uint8_t address[16];
    if (cn.len >= sizeof text || san->type != 8) {
        return false;
    }
    memcpy(text, cn.ptr, cn.len);
    text[cn.len] = '\0';
    int family = san->value.len == 4 ? AF_INET : AF_INET6;
    return inet_pton(family, text, address) == 1 &&
           memcmp(address, san->value.ptr, san->value.len) == 0;
}

bool policy_cn_in_names(const struct permit_request *r, struct slice cn)
{
    for (size_t i = 0; i < r->n_sans; i++) {
        const struct permit_san *s = &r->sans[i];
        bool text = s->type == 2 || s->type == 3 || s->type == 7;
        if ((text && slice_eq(s->value, cn)) ||
            ((s->value.len == 4 || s->value.len == 16) && names_address(cn, s))) {
            return true;
        }
    }
    return false;
}

static void rules_common_name(struct policy_judge *j)
{
    struct slice cn = common_name(j);
    if (cn.len == 0 || !j->p->cn_in_names) {
        policy_say_na(j, "subject.cn_in_names", field, j->p->subject_source);
    } else {
        policy_say(j, "subject.cn_in_names", policy_outcome_of(policy_cn_in_names(j->r, cn)), field,
                   j->p->subject_source, cn, "one of the names");
    }
    struct slice service = slice_of(NULL, 0);
    for (size_t i = 0; i < j->n_subject; i++) {
        service = service.len == 0 && policy_service_text(j->b, j->subject[i].value)
                      ? j->subject[i].value
                      : service;
    }
    policy_say(j, "subject.service_name", policy_outcome_of(service.len == 0), field, "engine",
               service.len == 0 ? cn : service, "no name of the service's own trust domain");
}

static void rules_values(struct policy_judge *j)
{
    const char *unclean = NULL, *misfit = NULL, *other = NULL;
    const char *misfit_source = j->p->subject_source, *other_source = j->p->subject_source;
    bool globs = false;
    for (size_t i = 0; i < j->n_subject; i++) {
        const struct policy_rdn *s = &j->subject[i];
        struct policy_attribute a = policy_attribute_of(s->oid);
        a.max = s->row->max;
        globs = globs || s->row->match.n > 0;
        unclean = policy_text_clean(s->value) ? unclean : a.name;
        if (misfit == NULL && !policy_attribute_fits(&a, s->value)) {
            misfit = a.name;
            misfit_source = s->row->source;
        }
        if (other == NULL && !policy_row_matches(s->row, s->value)) {
            other = a.name;
            other_source = s->row->source;
        }
    }
    policy_say(j, "subject.characters", policy_outcome_of(unclean == NULL), field, "engine",
               slice_str(unclean == NULL ? "clean" : unclean),
               "UTF-8 without control, bidirectional or invisible characters");
    policy_say(j, "subject.values", policy_outcome_of(misfit == NULL), field, misfit_source,
               slice_str(misfit == NULL ? "fit" : misfit),
               "the row's max; lengths and alphabets of RFC 5280 A.1");
    if (globs) {
        policy_say(j, "subject.match", policy_outcome_of(other == NULL), field, other_source,
                   slice_str(other == NULL ? "fit" : other), "one of the row's patterns");
    } else {
        policy_say_na(j, "subject.match", field, j->p->subject_source);
    }
    rules_common_name(j);
}

/* The TBS must hold the expected subject: attributes, order, string types, nothing else. */
static bool subject_exact(const struct policy_judge *j)
{
    struct policy_rdn got[POLICY_RDNS_MAX];
    size_t n = 0;
    if (policy_name_read(j->tbs.subject, got, &n) != POLICY_NAME_SINGLE || n != j->n_subject) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!slice_eq(got[i].oid, j->subject[i].oid) ||
            !slice_eq(got[i].value, j->subject[i].value) || got[i].tag != j->subject[i].tag) {
            return false;
        }
    }
    return true;
}

void policy_rules_subject(struct policy_judge *j)
{
    rules_request(j);
    rules_values(j);
    if (!j->has_tbs) {
        policy_say_na(j, "subject.exact", field, j->p->subject_source);
        return;
    }
    bool exact = j->subject_known && subject_exact(j);
    policy_say(j, "subject.exact", policy_outcome_of(exact), field, j->p->subject_source,
               slice_str(exact ? "as expected" : "differs"), "template and request, in order");
}
