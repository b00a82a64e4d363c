/* Subject alternative names other than DNS: addresses, e-mail, URIs, other names, directory names.
 */
#include "policy/glob.h"
#include "policy/policy_int.h"
#include "policy/special.h"

#define DER_DEPTH 8 /* of the value of an other name: real ones have three */

/* ---- addresses ---- */

void policy_san_look_ip(struct policy_judge *j, struct policy_san_tally *t, struct slice s)
{
    const struct policy_names *n = &j->p->names;
    policy_san_note(t, POLICY_SAN_IP_ALLOWED, policy_nets_has(&n->nets, s), s, NULL);
    if (n->ip_no_reserved) {
        policy_san_note(t, POLICY_SAN_IP_RESERVED, !policy_special_address(s), s, NULL);
    }
}

/* ---- e-mail ---- */

static bool atom(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c > 0x20 && c < 0x7f && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* local-part "@" domain, the local part a dot-atom (RFC 5321 4.1.2 without quoting). */
static bool read_email(struct slice s, struct slice *local, struct slice *domain)
{
    const uint8_t *at = s.len == 0 ? NULL : memchr(s.ptr, '@', s.len);
    if (at == NULL || at == s.ptr || at - s.ptr > 64 || s.len > 254) {
        return false;
    }
    uint8_t before = '.';
    for (const uint8_t *p = s.ptr; p < at; p++) {
        if (!atom(*p) && (*p != '.' || before == '.')) {
            return false;
        }
        before = *p;
    }
    *local = slice_of(s.ptr, (size_t)(at - s.ptr));
    *domain = slice_sub(s, local->len + 1, s.len);
    return before != '.' && policy_text_dns(*domain, false, true);
}

static bool fits_one(const struct policy_list *globs, struct slice s)
{
    for (size_t i = 0; i < globs->n; i++) {
        if (policy_glob_match(globs->at[i], s)) {
            return true;
        }
    }
    return false;
}

void policy_san_look_email(struct policy_judge *j, struct policy_san_tally *t, struct slice s)
{
    const struct policy_names *n = &j->p->names;
    struct slice local, domain;
    if (!read_email(s, &local, &domain)) {
        bool ascii = policy_text_ascii(s);
        policy_san_note(t, POLICY_SAN_EMAIL_SYNTAX, false, s,
                        ascii ? NULL : "ASCII: SmtpUTF8Mailbox (RFC 9598) is not issued");
        policy_san_note(t, POLICY_SAN_EMAIL_ALLOWED, false, s, NULL);
        policy_san_note(t, POLICY_SAN_SERVICE, false, s, NULL); /* its domain is not known */
        return;
    }
    policy_san_note(t, POLICY_SAN_EMAIL_SYNTAX, true, s, NULL);
    policy_san_note(t, POLICY_SAN_EMAIL_ALLOWED, policy_list_has(&n->email_domains, domain), s,
                    NULL);
    if (n->email_match.n > 0) {
        policy_san_note(t, POLICY_SAN_EMAIL_MATCH, fits_one(&n->email_match, local), s, NULL);
    }
    policy_san_note(t, POLICY_SAN_SERVICE, !policy_service_name(j->b, domain), s, NULL);
}

/* ---- URIs ---- */

/* Prefixes end in '/': every prefix of the URI that does may be listed. */
static bool prefix_listed(const struct policy_list *prefixes, struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '/' && policy_list_has(prefixes, slice_of(s.ptr, i + 1))) {
            return true;
        }
    }
    return false;
}

static void look_spiffe(struct policy_judge *j, struct policy_san_tally *t, struct slice s)
{
    const struct policy_names *n = &j->p->names;
    struct slice domain = policy_text_uri_host(s);
    bool listed = policy_list_has(&n->spiffe_domains, domain), fits = false;
    policy_san_note(t, POLICY_SAN_URI_ALLOWED, listed, s, "a listed SPIFFE trust domain");
    struct slice path = slice_sub(s, 9 + domain.len, s.len);
    for (size_t i = 0; i < n->spiffe_paths.n && !fits; i++) {
        fits = policy_glob_path(n->spiffe_paths.at[i], path);
    }
    if (n->spiffe_paths.n > 0) {
        policy_san_note(t, POLICY_SAN_URI_PATH, fits, s, NULL);
    }
}

void policy_san_look_uri(struct policy_judge *j, struct policy_san_tally *t, struct slice s)
{
    bool says = s.len >= 9 && memcmp(s.ptr, "spiffe://", 9) == 0;
    bool good = says ? policy_text_spiffe(s) : policy_text_uri(s);
    policy_san_note(t, POLICY_SAN_URI_SYNTAX, good, s,
                    says ? "a SPIFFE ID: spiffe://domain/path without query, port, dot segments"
                         : NULL);
    if (!good) {
        policy_san_note(t, POLICY_SAN_URI_ALLOWED, false, s, NULL);
    } else if (says) {
        look_spiffe(j, t, s);
    } else {
        policy_san_note(t, POLICY_SAN_URI_ALLOWED, prefix_listed(&j->p->names.uri_prefixes, s), s,
                        NULL);
    }
    policy_san_note(t, POLICY_SAN_SERVICE, !policy_service_name(j->b, policy_text_uri_host(s)), s,
                    NULL);
}

/* ---- other names ---- */

static const uint8_t oid_upn[] = {0x2b, 6, 1, 4, 1, 0x82, 0x37, 0x14, 2, 3};
static const uint8_t oid_smtp_utf8[] = {0x2b, 6, 1, 5, 5, 7, 8, 9};

/* Elements with short tags and shortest lengths, also inside. */
static bool der_ok(struct slice s, unsigned depth)
{
    struct policy_walk w = policy_walk_of(s);
    struct slice content;
    while (!policy_walk_done(&w)) {
        uint8_t tag = policy_walk_tag(&w);
        if (depth == 0 || tag == 0 || (tag & 0x1f) == 0x1f ||
            !policy_walk_take(&w, tag, &content, NULL) ||
            ((tag & 0x20) != 0 && !der_ok(content, depth - 1))) {
            return false;
        }
    }
    return true;
}

/* OtherName ::= SEQUENCE { type-id OID, value [0] EXPLICIT ANY }; here its content. */
static bool read_other(struct slice s, struct slice *oid, struct slice *value)
{
    struct policy_walk w = policy_walk_of(s), in;
    struct slice inner;
    if (!policy_walk_oid(&w, oid) || !policy_walk_take(&w, 0xa0, value, NULL) ||
        !policy_walk_done(&w) || !der_ok(*value, DER_DEPTH)) {
        return false;
    }
    in = policy_walk_of(*value);
    return policy_walk_take(&in, policy_walk_tag(&in), &inner, NULL) && policy_walk_done(&in);
}

/* user@suffix in a UTF8String; characters that Windows refuses are refused. */
static bool read_upn(struct slice value, uint8_t lower[254], struct slice *out_text,
                     struct slice *suffix)
{
    struct policy_walk w = policy_walk_of(value);
    struct slice text;
    if (!policy_walk_take(&w, 0x0c, &text, NULL) || !policy_walk_done(&w) || text.len > 1024 ||
        !policy_text_clean(text)) {
        return false;
    }
    size_t user = 0;
    while (user < text.len && strchr(" \"/\\[]:;|=,+*?<>@", text.ptr[user]) == NULL) {
        user++;
    }
    size_t n = text.len - user;
    if (user == 0 || n < 2 || n > 254 || text.ptr[user] != '@') {
        return false;
    }
    for (size_t i = 0; i + 1 < n; i++) {
        uint8_t c = text.ptr[user + 1 + i];
        lower[i] = c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
    }
    *out_text = text;
    *suffix = slice_of(lower, n - 1);
    return policy_text_dns(*suffix, false, true);
}

void policy_san_look_other(struct policy_judge *j, struct policy_san_tally *t, struct slice s)
{
    const struct policy_names *n = &j->p->names;
    struct slice oid, value, suffix, text;
    uint8_t lower[254];
    bool read = read_other(s, &oid, &value);
    bool upn = read && slice_eq(oid, slice_of(oid_upn, sizeof oid_upn));
    bool good = read && (!upn || read_upn(value, lower, &text, &suffix));
    policy_san_note(t, POLICY_SAN_OTHER_SYNTAX, good, s,
                    upn ? "a user principal name: user@suffix in a UTF8String" : NULL);
    if (!good) {
        policy_san_note(t, POLICY_SAN_OTHER_ALLOWED, false, s, NULL);
        return;
    }
    if (upn) {
        policy_san_note(t, POLICY_SAN_OTHER_ALLOWED, policy_list_has(&n->upn_suffixes, suffix),
                        text, "a listed suffix of user principal names");
        policy_san_note(t, POLICY_SAN_SERVICE, !policy_service_name(j->b, suffix), text, NULL);
        return;
    }
    bool mailbox = slice_eq(oid, slice_of(oid_smtp_utf8, sizeof oid_smtp_utf8));
    bool listed = false;
    for (size_t i = 0; i < n->other_oids.n && !mailbox; i++) {
        listed = listed || slice_eq(oid, n->other_oids.at[i]);
    }
    policy_san_note(t, POLICY_SAN_OTHER_ALLOWED, listed, s,
                    mailbox ? "no SmtpUTF8Mailbox (RFC 9598): it is not issued" : NULL);
}

/* ---- directory names ---- */

/* A printable string may stand where the table says UTF-8 (RFC 5280 4.1.2.4: DirectoryString). */
static bool attribute_good(const struct policy_rdn *r)
{
    struct policy_attribute a = policy_attribute_of(r->oid);
    bool tag = r->tag == a.tag || (a.tag == 0x0c && r->tag == 0x13);
    return tag && policy_text_clean(r->value) && policy_attribute_fits(&a, r->value) &&
           (r->tag != 0x13 || policy_text_printable(r->value));
}

static bool row_takes(const struct policy_template_rdn *row, const struct policy_row *rule,
                      struct slice expected, const struct policy_rdn *r)
{
    if (!slice_eq(row->oid, r->oid)) {
        return false;
    }
    bool copied = row->from == POLICY_FROM_REQUEST;
    return (copied || slice_eq(expected, r->value)) &&
           policy_text_characters(r->value) <= rule->max && policy_row_matches(rule, r->value);
}

/* Rows in order: each takes the next attribute, or is passed over when it need not be there. */
static bool rows_take(const struct policy_rows *rows, const struct permit_evidence *evidence,
                      const struct policy_rdn *r, size_t n, const char **source)
{
    struct policy_claims claims = {.evidence = evidence};
    size_t at = 0;
    for (size_t i = 0; i < rows->n; i++) {
        const struct policy_template_rdn *row = &rows->at[i];
        struct slice expected = row->from == POLICY_FROM_EVIDENCE
                                    ? policy_claims_take(&claims, row->claim)
                                    : row->fixed;
        if (at < n && row_takes(row, &rows->rules[i], expected, &r[at])) {
            at++;
        } else if (row->required) {
            *source = rows->rules[i].source;
            return false;
        }
    }
    return at == n;
}

void policy_san_look_directory(struct policy_judge *j, struct policy_san_tally *t, struct slice s)
{
    const struct policy_names *names = &j->p->names;
    struct policy_rdn rdns[POLICY_RDNS_MAX];
    const char *source = NULL;
    size_t n = 0;
    bool good = policy_name_read(s, rdns, &n) == POLICY_NAME_SINGLE && n > 0;
    bool service = false;
    for (size_t i = 0; i < n; i++) {
        good = good && attribute_good(&rdns[i]);
        service = service || policy_service_text(j->b, rdns[i].value);
    }
    policy_san_note(t, POLICY_SAN_DIRECTORY_SYNTAX, good, s, NULL);
    bool allowed = good && names->has_directory &&
                   rows_take(&names->directory, &j->r->evidence, rdns, n, &source);
    policy_san_note(t, POLICY_SAN_DIRECTORY_ALLOWED, allowed, s, NULL);
    if (!allowed && source != NULL && t->source[POLICY_SAN_DIRECTORY_ALLOWED] == NULL) {
        t->source[POLICY_SAN_DIRECTORY_ALLOWED] = source;
    }
    policy_san_note(t, POLICY_SAN_SERVICE, !service, s, NULL);
}
