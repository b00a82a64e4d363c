/* Subject alternative names: those of the request exactly, each allowed by the profile. */
#include <arpa/inet.h>

#include "policy/policy_int.h"

#define SHOWN_MAX (POLICY_TEXT_MAX + 2) /* hex of 48 octets */

static const char field[] = "tbs.extensions.subjectAltName";
static const uint8_t oid_san[] = {0x55, 0x1d, 0x11};

void policy_san_note(struct policy_san_tally *t, enum policy_san_rule rule, bool ok,
                     struct slice name, const char *required)
{
    t->looked[rule] = true;
    if (!ok && t->bad[rule].ptr == NULL) {
        t->bad[rule] = name;
        t->required[rule] = required;
    }
}

static void look(struct policy_judge *j, struct policy_san_tally *t, const struct permit_san *san)
{
    struct slice s = san->value;
    switch (san->type) {
    case 1:
        policy_san_look_other(j, t, s);
        return;
    case 2:
        policy_san_look_email(j, t, s);
        return;
    case 3:
        policy_san_look_dns(j, t, s);
        return;
    case 5:
        policy_san_look_directory(j, t, s);
        return;
    case 7:
        policy_san_look_uri(j, t, s);
        return;
    case 8:
        policy_san_look_ip(j, t, s);
        return;
    default: /* x400Address, ediPartyName, registeredID: no profile can allow them */
        policy_san_note(t, POLICY_SAN_TYPE, false, s, NULL);
        return;
    }
}

enum source { ENGINE = 0, NAMES, DNS, IP, EMAIL, URI, OTHER, DIRECTORY };

static const struct {
    const char *rule, *required;
    enum source source;
} rules[POLICY_SAN_RULES] = {
    [POLICY_SAN_DNS_SYNTAX] = {"san.dns.syntax", "lower-case host name", DNS},
    [POLICY_SAN_DNS_IDNA] = {"san.dns.idna", "A-labels of IDNA 2008", DNS},
    [POLICY_SAN_DNS_SCRIPTS] = {"san.dns.scripts", "labels of one script", DNS},
    [POLICY_SAN_DNS_ALLOWED] = {"san.dns.allowed", "below a listed suffix, or listed", DNS},
    [POLICY_SAN_DNS_WILDCARD] = {"san.dns.wildcard", "within wildcard_depth", DNS},
    [POLICY_SAN_DNS_SUFFIX] = {"san.dns.public_suffix",
                               "no public suffix, no wildcard directly below one", DNS},
    [POLICY_SAN_DNS_INTERNAL] = {"san.dns.internal", "no internal name", DNS},
    [POLICY_SAN_IP_ALLOWED] = {"san.ip.allowed", "inside a listed network", IP},
    [POLICY_SAN_IP_RESERVED] = {"san.ip.reserved", "an address that IANA has not reserved", IP},
    [POLICY_SAN_EMAIL_SYNTAX] = {"san.email.syntax", "local-part@domain, RFC 5321 4.1.2", EMAIL},
    [POLICY_SAN_EMAIL_ALLOWED] = {"san.email.allowed", "address in a listed domain", EMAIL},
    [POLICY_SAN_EMAIL_MATCH] = {"san.email.match", "local part fits a pattern", EMAIL},
    [POLICY_SAN_URI_SYNTAX] = {"san.uri.syntax", "URI with host, without userinfo, dot segments",
                               URI},
    [POLICY_SAN_URI_ALLOWED] = {"san.uri.allowed", "listed prefix or SPIFFE domain", URI},
    [POLICY_SAN_URI_PATH] = {"san.uri.path", "path of the SPIFFE ID fits a pattern", URI},
    [POLICY_SAN_OTHER_SYNTAX] = {"san.other_name.syntax", "DER of an OtherName, RFC 5280 4.2.1.6",
                                 OTHER},
    [POLICY_SAN_OTHER_ALLOWED] = {"san.other_name.allowed", "a listed UPN suffix or OID", OTHER},
    [POLICY_SAN_DIRECTORY_SYNTAX] = {"san.directory_name.syntax",
                                     "single-valued RDNs, lengths and alphabets of RFC 5280 A.1",
                                     DIRECTORY},
    [POLICY_SAN_DIRECTORY_ALLOWED] = {"san.directory_name.allowed",
                                      "the attributes listed, in their order", DIRECTORY},
    [POLICY_SAN_TYPE] = {"san.type", "DNS, IP, e-mail, URI, other or directory name", NAMES},
    [POLICY_SAN_SERVICE] = {"san.service_name", "no name of the service's own trust domain",
                            ENGINE},
};

static const char *source_of(const struct policy_profile *p, enum source s)
{
    const struct policy_names *n = &p->names;
    const char *const all[] = {"engine",        p->names_source,    n->dns_source,
                               n->ip_source,    n->email_source,    n->uri_source,
                               n->other_source, n->directory_source};
    return all[s];
}

/* A name for people: addresses in their own notation, what is DER in hex. */
static struct slice shown(size_t rule, struct slice bad, char text[SHOWN_MAX])
{
    bool ip = rule == POLICY_SAN_IP_ALLOWED || rule == POLICY_SAN_IP_RESERVED;
    bool der = rule == POLICY_SAN_DIRECTORY_SYNTAX || rule == POLICY_SAN_DIRECTORY_ALLOWED ||
               (bad.len > 0 && bad.ptr[0] == 0x06); /* an OtherName begins with its OID */
    if (ip && (bad.len == 4 || bad.len == 16) &&
        inet_ntop(bad.len == 4 ? AF_INET : AF_INET6, bad.ptr, text, SHOWN_MAX) != NULL) {
        return slice_str(text);
    }
    if (ip || der) {
        hex_encode(slice_sub(bad, 0, (SHOWN_MAX - 1) / 2), text);
        return slice_str(text);
    }
    return bad;
}

static void say_all(struct policy_judge *j, const struct policy_san_tally *t)
{
    char text[SHOWN_MAX];
    for (size_t i = 0; i < POLICY_SAN_RULES; i++) {
        const char *source = t->source[i] != NULL ? t->source[i] : source_of(j->p, rules[i].source);
        if (!t->looked[i] && i != POLICY_SAN_TYPE) {
            policy_say_na(j, rules[i].rule, "request.sans", source);
            continue;
        }
        bool ok = t->bad[i].ptr == NULL;
        policy_say(j, rules[i].rule, policy_outcome_of(ok), "request.sans", source,
                   ok ? t->bad[i] : shown(i, t->bad[i], text),
                   t->required[i] != NULL ? t->required[i] : rules[i].required);
    }
}

static void rules_allowed(struct policy_judge *j)
{
    const struct policy_names *n = &j->p->names;
    const struct permit_request *r = j->r;
    struct policy_san_tally t = {.looked = {false}};
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
    say_all(j, &t);
}

/* GeneralNames of the TBS against the request, octet by octet, in order. Tags 0 and 4 are
 * constructed (RFC 5280 A.2: OtherName implicit, Name explicit), the others primitive. */
static bool names_equal(struct slice value, const struct permit_request *r)
{
    struct policy_walk outer = policy_walk_of(value), w;
    struct slice s;
    if (!policy_walk_into(&outer, 0x30, &w) || !policy_walk_done(&outer)) {
        return false;
    }
    for (size_t i = 0; i < r->n_sans; i++) {
        uint8_t number = (uint8_t)(r->sans[i].type - 1); /* GeneralName [n], n = type - 1 */
        uint8_t tag = (uint8_t)((number == 0 || number == 4 ? 0xa0 : 0x80) | number);
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
