/* Templates of names: "{host}.example.test" is filled with the claims of the signed evidence. A
 * claim stands for a part of one label or segment: it brings no dot into a host name, no slash into
 * a URI, no @ into an address, and no wildcard anywhere. Matching keeps the set of places reached,
 * so that it is linear in name, parts and claims. */
#include "policy/policy_int.h"

#define NAME_MAX_LEN 1024 /* longer names match no template */
#define TEXT_MAX_LEN 253

/* ---- matching ---- */

static bool alnum_lower(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Values as parts of a label: lower-case letters, digits, hyphens; elsewhere also capitals, '.' and
 * '_'. */
static bool value_ok(struct slice v, bool label)
{
    for (size_t i = 0; i < v.len; i++) {
        uint8_t c = v.ptr[i];
        bool more = c == '.' || c == '_' || (c >= 'A' && c <= 'Z');
        if (!alnum_lower(c) && c != '-' && (label || !more)) {
            return false;
        }
    }
    return v.len > 0 && v.len <= 63;
}

/* Marks in `to` where `text` ends for each place in `from` where it begins. */
static bool step(const bool *from, bool *to, struct slice s, struct slice text)
{
    bool any = false;
    for (size_t i = 0; i + text.len <= s.len; i++) {
        if (from[i] && memcmp(s.ptr + i, text.ptr, text.len) == 0) {
            to[i + text.len] = any = true;
        }
    }
    return any;
}

static bool step_part(const struct policy_template_part *p, const struct permit_evidence *e,
                      bool label, const bool *from, bool *to, struct slice s)
{
    bool any = false;
    if (!p->claim) {
        return step(from, to, s, p->text);
    }
    for (size_t i = 0; i < e->n_claims; i++) {
        const struct permit_claim *c = &e->claims[i];
        if (slice_eq(c->name, p->text) && value_ok(c->value, label)) {
            any = step(from, to, s, c->value) || any;
        }
    }
    return any;
}

bool policy_template_matches(const struct policy_name_template *t, const struct permit_evidence *e,
                             bool label, struct slice s)
{
    bool places[2][NAME_MAX_LEN + 1];
    if (s.len == 0 || s.len > NAME_MAX_LEN) {
        return false;
    }
    memset(places[0], 0, s.len + 1);
    places[0][0] = true;
    for (size_t i = 0; i < t->n; i++) {
        const bool *from = places[i % 2];
        bool *to = places[(i + 1) % 2];
        memset(to, 0, s.len + 1);
        if (!step_part(&t->parts[i], e, label, from, to, s)) {
            return false;
        }
    }
    return places[t->n % 2][s.len];
}

/* ---- compiling ---- */

enum kind { DNS, EMAIL, URI };

static bool literal_ok(struct slice s, enum kind kind)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.ptr[i];
        bool more = kind != DNS && ((c >= 'A' && c <= 'Z') || c == '_' || c == '@' ||
                                    (kind == URI && (c == '/' || c == ':')));
        if (!alnum_lower(c) && c != '-' && c != '.' && !more) {
            return false;
        }
    }
    return true;
}

static bool claim_name_ok(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.ptr[i];
        if (!alnum_lower(c) && !(c >= 'A' && c <= 'Z') && c != '_' && c != '-' && c != '.') {
            return false;
        }
    }
    return s.len > 0 && s.len <= 64;
}

/* Splits into literals and claims. False: braces, characters or neighbouring claims are wrong. */
static bool split(struct slice s, enum kind kind, struct policy_name_template *t)
{
    bool literal = true; /* the part before is one */
    while (s.len > 0) {
        struct policy_template_part *p = &t->parts[t->n];
        bool claim = s.ptr[0] == '{';
        const uint8_t *end = memchr(s.ptr, claim ? '}' : '{', s.len);
        size_t n = end == NULL ? s.len : (size_t)(end - s.ptr);
        if (t->n == POLICY_TEMPLATE_PARTS || (claim && (end == NULL || !literal))) {
            return false;
        }
        p->claim = claim;
        p->text = claim ? slice_of(s.ptr + 1, n - 1) : slice_of(s.ptr, n);
        if (claim ? !claim_name_ok(p->text) : !literal_ok(p->text, kind)) {
            return false;
        }
        s = slice_sub(s, n + (claim ? 1 : 0), s.len);
        literal = !claim;
        t->n++;
    }
    return t->n > 0;
}

/* What lies outside the claims' reach: the domain below which all filled names lie. A host name or
 * address ends in it, a URI begins with scheme and host. */
static bool anchored(const struct policy_name_template *t, enum kind kind, struct slice *domain)
{
    const struct policy_template_part *p = &t->parts[kind == URI ? 0 : t->n - 1];
    if (p->claim) {
        return false;
    }
    if (kind == URI) {
        struct slice host = policy_text_uri_host(p->text);
        return host.len > 0 && host.ptr + host.len < p->text.ptr + p->text.len &&
               host.ptr[host.len] == '/';
    }
    const uint8_t *at = memchr(p->text.ptr, kind == EMAIL ? '@' : '.', p->text.len);
    if (t->n == 1 && kind == DNS) {
        *domain = p->text;
    } else if (at == NULL) {
        return false;
    } else {
        *domain = slice_sub(p->text, (size_t)(at - p->text.ptr) + 1, p->text.len);
    }
    return policy_text_dns(*domain, false, true);
}

static enum chancery_err compile_one(struct policy_bundle *b, const struct conf_node *n,
                                     enum kind kind, struct policy_name_template *t,
                                     struct slice *domain, struct diag *diag)
{
    const char *text = NULL;
    TRY(conf_scalar(n, &text, diag));
    struct slice s = slice_str(text);
    s.ptr = arena_copy(&b->arena, s);
    if (s.ptr == NULL) {
        return CH_NOMEM;
    }
    if (s.len > TEXT_MAX_LEN || !split(s, kind, t) || !anchored(t, kind, domain)) {
        return conf_error(n, CH_INVALID, "policy.value", diag,
                          "a template is written like %s: claims in braces, apart from each other, "
                          "none in the domain",
                          kind == DNS     ? "{host}.example.test"
                          : kind == EMAIL ? "{user}@example.test"
                                          : "spiffe://example.test/ns/{ns}");
    }
    return CH_OK;
}

static enum chancery_err compile_list(struct policy_bundle *b, const struct conf_node *map,
                                      enum kind kind, struct policy_name_templates *out,
                                      struct policy_list *domains, struct diag *diag)
{
    const struct conf_node *list = NULL;
    TRY(conf_list(map, "templates", CONF_OPTIONAL, &list, diag));
    size_t n = conf_count(list);
    if (list == NULL) {
        return CH_OK;
    }
    if (n == 0 || n > POLICY_TEMPLATES_MAX) {
        return conf_error(list, CH_LIMIT, "policy.list", diag,
                          "\"templates\" must have 1 to %d entries", POLICY_TEMPLATES_MAX);
    }
    struct policy_name_template *at = arena_alloc(&b->arena, n * sizeof *at);
    struct slice *ends = arena_alloc(&b->arena, n * sizeof *ends);
    out->source = policy_compile_source(b, list);
    if (at == NULL || ends == NULL || out->source == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        TRY(compile_one(b, conf_at(list, i), kind, &at[i], &ends[i], diag));
    }
    out->at = at;
    out->n = n;
    *domains = (struct policy_list){ends, n};
    return CH_OK;
}

/* Templates alone imply their domains as suffixes; beside other lists they narrow what these allow.
 */
static enum chancery_err imply_suffixes(struct policy_bundle *b, struct policy_names *names,
                                        const struct policy_list *domains)
{
    if (domains->n == 0 || names->dns_suffixes.n > 0 || names->dns_exact.n > 0) {
        return CH_OK;
    }
    struct slice *at = arena_alloc(&b->arena, domains->n * sizeof *at);
    size_t n = 0;
    if (at == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < domains->n; i++) { /* sorted, without duplicates */
        size_t k = n;
        while (k > 0 && slice_cmp(at[k - 1], domains->at[i]) > 0) {
            k--;
        }
        if (k > 0 && slice_eq(at[k - 1], domains->at[i])) {
            continue;
        }
        memmove(at + k + 1, at + k, (n++ - k) * sizeof *at);
        at[k] = domains->at[i];
    }
    names->dns_suffixes = (struct policy_list){at, n};
    return CH_OK;
}

enum chancery_err policy_templates_compile(struct policy_bundle *b, const struct conf_node *root,
                                           struct policy_profile *p, struct diag *diag)
{
    const struct conf_node *names = NULL, *map = NULL;
    struct policy_list domains = {NULL, 0}, unused = {NULL, 0};
    TRY(conf_map(root, "names", CONF_REQUIRED, &names, diag));
    TRY(conf_map(names, "dns", CONF_OPTIONAL, &map, diag));
    TRY(map == NULL ? CH_OK : compile_list(b, map, DNS, &p->who.dns, &domains, diag));
    TRY(imply_suffixes(b, &p->names, &domains));
    map = NULL;
    TRY(conf_map(names, "email", CONF_OPTIONAL, &map, diag));
    TRY(map == NULL ? CH_OK : compile_list(b, map, EMAIL, &p->who.email, &unused, diag));
    map = NULL;
    TRY(conf_map(names, "uri", CONF_OPTIONAL, &map, diag));
    return map == NULL ? CH_OK : compile_list(b, map, URI, &p->who.uri, &unused, diag);
}
