/* The subject: computed from template and request, then compared with the TBS octet by octet. */
#include <arpa/inet.h>

#include "policy/policy_int.h"

static const char field[] = "tbs.subject";

bool policy_service_name(const struct policy_bundle *b, struct slice host)
{
    return b->trust_domain.len == 0 || policy_text_under(host, b->trust_domain);
}

/* Reads a Name of single-valued RDNs whose values are UTF-8, printable or IA5 strings. */
static bool read_name(struct slice der, struct policy_rdn *out, uint8_t *tags, size_t *out_n)
{
    struct policy_walk outer = policy_walk_of(der), rdns, set, pair;
    size_t n = 0;
    if (!policy_walk_into(&outer, 0x30, &rdns) || !policy_walk_done(&outer)) {
        return false;
    }
    for (; !policy_walk_done(&rdns); n++) {
        if (n == POLICY_RDNS_MAX || !policy_walk_into(&rdns, 0x31, &set) ||
            !policy_walk_into(&set, 0x30, &pair) || !policy_walk_done(&set) ||
            !policy_walk_oid(&pair, &out[n].oid)) {
            return false;
        }
        tags[n] = policy_walk_tag(&pair);
        if ((tags[n] != 0x0c && tags[n] != 0x13 && tags[n] != 0x16) ||
            !policy_walk_take(&pair, tags[n], &out[n].value, NULL) || !policy_walk_done(&pair)) {
            return false;
        }
    }
    *out_n = n;
    return true;
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
    bool cn_seen;        /* a row before took the CN, or found none */
    const char *missing; /* name of a required attribute that the request lacks */
};

/* The value of one template row: fixed, the next unused one of its type, or the CN from a name. */
static struct slice pick(struct policy_judge *j, struct picking *k,
                         const struct policy_template_rdn *row)
{
    if (!row->from_request) {
        return row->fixed;
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
        struct slice value = pick(j, k, row);
        k->cn_seen = k->cn_seen || (row->from_request && slice_eq(row->oid, POLICY_OID_CN));
        if (value.len > 0) {
            j->subject[j->n_subject++] = (struct policy_rdn){row->oid, value};
        } else if (row->required && k->missing == NULL) {
            k->missing = policy_attribute_of(row->oid).name;
        }
    }
}

/* Structure of the request's subject: readable, complete, nothing the template does not know. */
static void rules_request(struct policy_judge *j)
{
    struct policy_rdn asked[POLICY_RDNS_MAX];
    uint8_t tags[POLICY_RDNS_MAX];
    struct picking k = {.asked = asked};
    bool empty = j->r->subject_der.len == 0;
    bool read = empty || read_name(j->r->subject_der, asked, tags, &k.n_asked);
    const char *src = j->p->subject_source;
    policy_say(j, "subject.request", policy_outcome_of(read), "request.subject_der", "engine",
               slice_str(read ? "readable" : "not readable"),
               "single-valued RDNs of UTF8, printable or IA5 strings");
    if (!read) {
        return;
    }
    expect_subject(j, &k);
    policy_say(j, "subject.required", policy_outcome_of(k.missing == NULL), "request.subject_der",
               src, slice_str(k.missing == NULL ? "complete" : k.missing), "attributes required");
    const char *unlisted = NULL;
    for (size_t i = 0; i < k.n_asked && unlisted == NULL; i++) {
        unlisted = k.used[i] ? NULL : policy_attribute_of(asked[i].oid).name;
    }
    bool kept = j->p->t.drop_unlisted || unlisted == NULL;
    policy_say(j, "subject.unlisted", policy_outcome_of(kept), "request.subject_der", src,
               slice_str(unlisted == NULL ? "none" : unlisted), "attributes of the template");
    j->subject_known = k.missing == NULL && kept;
}

static bool value_fits(const struct policy_attribute *a, struct slice v)
{
    bool country = strcmp(a->name, "C") == 0; /* ISO 3166: two capitals */
    bool two =
        v.len == 2 && v.ptr[0] >= 'A' && v.ptr[0] <= 'Z' && v.ptr[1] >= 'A' && v.ptr[1] <= 'Z';
    return v.len > 0 && v.len <= a->max && (a->tag != 0x13 || policy_text_printable(v)) &&
           (a->tag != 0x16 || policy_text_ascii(v)) && (!country || two);
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

static void rules_values(struct policy_judge *j)
{
    const char *unclean = NULL, *misfit = NULL;
    for (size_t i = 0; i < j->n_subject; i++) {
        struct policy_attribute a = policy_attribute_of(j->subject[i].oid);
        unclean = policy_text_clean(j->subject[i].value) ? unclean : a.name;
        misfit = value_fits(&a, j->subject[i].value) ? misfit : a.name;
    }
    policy_say(j, "subject.characters", policy_outcome_of(unclean == NULL), field, "engine",
               slice_str(unclean == NULL ? "clean" : unclean),
               "UTF-8 without control, bidirectional or invisible characters");
    policy_say(j, "subject.values", policy_outcome_of(misfit == NULL), field, "engine",
               slice_str(misfit == NULL ? "fit" : misfit), "lengths and alphabets of RFC 5280 A.1");
    struct slice cn = common_name(j);
    if (cn.len == 0 || !j->p->cn_in_names) {
        policy_say_na(j, "subject.cn_in_names", field, j->p->subject_source);
    } else {
        policy_say(j, "subject.cn_in_names", policy_outcome_of(policy_cn_in_names(j->r, cn)), field,
                   j->p->subject_source, cn, "one of the names");
    }
    struct slice host = policy_text_uri_host(cn);
    bool service = cn.len > 0 && (policy_service_name(j->b, cn) || policy_service_name(j->b, host));
    policy_say(j, "subject.service_name", policy_outcome_of(!service), field, "engine", cn,
               "no name of the service's own trust domain");
}

/* The TBS must hold the expected subject: attributes, order, string types, nothing else. */
static bool subject_exact(const struct policy_judge *j)
{
    struct policy_rdn got[POLICY_RDNS_MAX];
    uint8_t tags[POLICY_RDNS_MAX];
    size_t n = 0;
    if (!read_name(j->tbs.subject, got, tags, &n) || n != j->n_subject) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!slice_eq(got[i].oid, j->subject[i].oid) ||
            !slice_eq(got[i].value, j->subject[i].value) ||
            tags[i] != policy_attribute_of(got[i].oid).tag) {
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
