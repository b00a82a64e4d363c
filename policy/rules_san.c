/* Subject alternative names: those of the request exactly, each allowed by the profile. Suffixes
 * are found by walking a name's labels and searching a sorted list: linear in the name. */
#include "policy/policy_int.h"

static const char field[] = "tbs.extensions.subjectAltName";
static const uint8_t oid_san[] = {0x55, 0x1d, 0x11};

/* Labels of `name` above its longest listed suffix; -1 when none is listed. */
static int labels_above(const struct policy_list *suffixes, struct slice name)
{
    for (int above = 0;; above++) {
        if (policy_list_has(suffixes, name)) {
            return above;
        }
        const uint8_t *dot = name.len == 0 ? NULL : memchr(name.ptr, '.', name.len);
        if (dot == NULL) {
            return -1;
        }
        name = slice_sub(name, (size_t)(dot - name.ptr) + 1, name.len);
    }
}

static bool is_wildcard(struct slice s)
{
    return s.len > 2 && s.ptr[0] == '*' && s.ptr[1] == '.';
}

static bool dns_allowed(const struct policy_names *n, struct slice s)
{
    return labels_above(&n->dns_suffixes, s) >= 0 ||
           (!is_wildcard(s) && policy_list_has(&n->dns_exact, s));
}

/* A wildcard stands at most wildcard_depth labels above the listed suffix. */
static bool wildcard_allowed(const struct policy_names *n, struct slice s)
{
    int above = labels_above(&n->dns_suffixes, s);
    return !is_wildcard(s) || (above > 0 && (unsigned)above <= n->wildcard_depth);
}

static bool in_net(const struct policy_net *net, struct slice address)
{
    if (net->len != address.len) {
        return false;
    }
    size_t octets = net->bits / 8;
    if (memcmp(net->address, address.ptr, octets) != 0) {
        return false;
    }
    unsigned rest = net->bits % 8;
    return rest == 0 || ((net->address[octets] ^ address.ptr[octets]) >> (8 - rest)) == 0;
}

static bool ip_allowed(const struct policy_names *n, struct slice s)
{
    for (size_t i = 0; i < n->n_nets; i++) {
        if (in_net(&n->nets[i], s)) {
            return true;
        }
    }
    return false;
}

/* local-part "@" domain, the local part a dot-atom (RFC 5321 4.1.2 without quoting). */
static struct slice email_domain(struct slice s)
{
    const uint8_t *at = s.len == 0 ? NULL : memchr(s.ptr, '@', s.len);
    if (at == NULL || at == s.ptr || at - s.ptr > 64 || s.len > 254) {
        return slice_of(NULL, 0);
    }
    uint8_t before = '.';
    for (const uint8_t *p = s.ptr; p < at; p++) {
        bool dot = *p == '.';
        bool atom = (*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') ||
                    (*p >= 'A' && *p <= 'Z') ||
                    (*p > 0x20 && *p < 0x7f && strchr("!#$%&'*+-/=?^_`{|}~", *p) != NULL);
        if ((!dot && !atom) || (dot && before == '.')) {
            return slice_of(NULL, 0);
        }
        before = *p;
    }
    size_t from = (size_t)(at - s.ptr) + 1;
    struct slice domain = slice_sub(s, from, s.len);
    return before != '.' && policy_text_dns(domain, false, true) ? domain : slice_of(NULL, 0);
}

static bool uri_allowed(const struct policy_names *n, struct slice s)
{
    if (policy_text_spiffe(s)) {
        return policy_list_has(&n->spiffe_domains, policy_text_uri_host(s));
    }
    if (s.len >= 9 && memcmp(s.ptr, "spiffe://", 9) == 0) {
        return false; /* says it is a SPIFFE ID, and is none */
    }
    /* Prefixes end in '/': every prefix of the URI that does may be listed. */
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '/' && policy_list_has(&n->uri_prefixes, slice_of(s.ptr, i + 1))) {
            return true;
        }
    }
    return false;
}

/* ---- one family of rules per type of name ---- */

/* How many names of each type, and the first that breaks each rule. */
struct tally {
    size_t dns, ip, email, uri, other;
    struct slice bad_syntax, bad_dns, bad_wildcard, bad_ip, bad_email, bad_uri, service;
};

static void keep_first(struct slice *slot, bool ok, struct slice value)
{
    if (!ok && slot->ptr == NULL) {
        *slot = value;
    }
}

static void look_dns(const struct policy_judge *j, struct tally *t, struct slice s)
{
    const struct policy_names *n = &j->p->names;
    t->dns++;
    keep_first(&t->bad_syntax, policy_text_dns(s, true, n->a_labels), s);
    keep_first(&t->bad_dns, dns_allowed(n, s), s);
    keep_first(&t->bad_wildcard, wildcard_allowed(n, s), s);
    keep_first(&t->service, !policy_service_name(j->b, s), s);
}

static void look(const struct policy_judge *j, struct tally *t, const struct permit_san *san)
{
    const struct policy_names *n = &j->p->names;
    struct slice s = san->value;
    struct slice domain;
    switch (san->type) {
    case 2:
        t->email++;
        domain = email_domain(s);
        keep_first(&t->bad_email, domain.len > 0 && policy_list_has(&n->email_domains, domain), s);
        keep_first(&t->service, domain.len == 0 || !policy_service_name(j->b, domain), s);
        return;
    case 3:
        look_dns(j, t, s);
        return;
    case 7:
        t->uri++;
        keep_first(&t->bad_uri, policy_text_uri(s) && uri_allowed(n, s), s);
        keep_first(&t->service, !policy_service_name(j->b, policy_text_uri_host(s)), s);
        return;
    case 8:
        t->ip++;
        keep_first(&t->bad_ip, ip_allowed(n, s), s);
        return;
    default: /* otherName, directoryName, what else: no profile can allow them */
        t->other++;
        return;
    }
}

static void say(struct policy_judge *j, const char *rule, size_t count, struct slice bad,
                const char *source, const char *required)
{
    if (count == 0) {
        policy_say_na(j, rule, "request.sans", source);
    } else {
        policy_say(j, rule, policy_outcome_of(bad.ptr == NULL), "request.sans", source, bad,
                   required);
    }
}

static void rules_allowed(struct policy_judge *j)
{
    const struct policy_names *n = &j->p->names;
    const struct permit_request *r = j->r;
    struct tally t = {0};
    bool sorted = true;
    for (size_t i = 0; i < r->n_sans; i++) {
        look(j, &t, &r->sans[i]);
        if (i > 0) {
            const struct permit_san *a = &r->sans[i - 1], *b = &r->sans[i];
            sorted = sorted && (a->type < b->type ||
                                (a->type == b->type && slice_cmp(a->value, b->value) < 0));
        }
    }
    policy_say_number(j, "san.count", r->n_sans <= n->max, "request.sans", j->p->names_source,
                      (int64_t)r->n_sans, "at most the profile's maximum");
    policy_say_number(j, "san.required", !n->required || r->n_sans > 0, "request.sans",
                      j->p->names_source, (int64_t)r->n_sans,
                      "a name, where the profile wants one");
    policy_say(j, "san.sorted", policy_outcome_of(sorted), "request.sans", "engine",
               slice_str(sorted ? "sorted" : "not sorted"), "ascending, without duplicates");
    say(j, "san.dns.syntax", t.dns, t.bad_syntax, n->dns_source, "lower-case host name");
    say(j, "san.dns.allowed", t.dns, t.bad_dns, n->dns_source, "below a listed suffix, or listed");
    say(j, "san.dns.wildcard", t.dns, t.bad_wildcard, n->dns_source, "within wildcard_depth");
    say(j, "san.ip.allowed", t.ip, t.bad_ip, n->ip_source, "inside a listed network");
    say(j, "san.email.allowed", t.email, t.bad_email, n->email_source,
        "address in a listed domain");
    say(j, "san.uri.allowed", t.uri, t.bad_uri, n->uri_source, "listed prefix or SPIFFE domain");
    policy_say_number(j, "san.type", t.other == 0, "request.sans", j->p->names_source,
                      (int64_t)t.other, "types the profile has rules for");
    say(j, "san.service_name", r->n_sans, t.service, "engine",
        "no name of the service's own trust domain");
}

/* GeneralNames of the TBS against the request, in order. Only the implicitly tagged string types
 * can match; others fail "san.type" as well. */
static bool names_equal(struct slice value, const struct permit_request *r)
{
    struct policy_walk outer = policy_walk_of(value), w;
    struct slice s;
    if (!policy_walk_into(&outer, 0x30, &w) || !policy_walk_done(&outer)) {
        return false;
    }
    for (size_t i = 0; i < r->n_sans; i++) {
        uint8_t tag = (uint8_t)(0x80 | (r->sans[i].type - 1)); /* GeneralName [n], n = type - 1 */
        if (!policy_walk_take(&w, tag, &s, NULL) || !slice_eq(s, r->sans[i].value)) {
            return false;
        }
    }
    return policy_walk_done(&w);
}

static void rules_exact(struct policy_judge *j)
{
    if (!j->has_tbs) {
        policy_say_na(j, "san.exact", field, "engine");
        policy_say_na(j, "san.critical", field, "engine");
        return;
    }
    const struct policy_tbs_extension *e =
        policy_tbs_find(&j->tbs, slice_of(oid_san, sizeof oid_san));
    bool wanted = j->r->n_sans > 0;
    bool exact = wanted ? e != NULL && names_equal(e->value, j->r) : e == NULL;
    policy_say(j, "san.exact", policy_outcome_of(exact), field, "engine",
               slice_str(exact ? "the request's" : "other names"), "the request's names, in order");
    if (e == NULL) {
        policy_say_na(j, "san.critical", field, "engine");
        return;
    }
    /* RFC 5280 4.2.1.6: critical when the subject is empty, else not. */
    bool critical = j->n_subject == 0;
    policy_say(j, "san.critical", policy_outcome_of(e->critical == critical), field, "engine",
               slice_str(e->critical ? "critical" : "not critical"),
               critical ? "critical" : "not critical");
}

void policy_rules_san(struct policy_judge *j)
{
    rules_allowed(j);
    rules_exact(j);
}
