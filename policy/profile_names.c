/* `names` of a profile: which subject alternative names it allows. A type without a rule is
 * refused. */
#include "policy/glob.h"
#include "policy/idna.h"
#include "policy/policy_int.h"

static const uint8_t oid_upn[] = {0x2b, 6, 1, 4, 1, 0x82, 0x37, 0x14, 2, 3};
static const uint8_t oid_smtp_utf8[] = {0x2b, 6, 1, 5, 5, 7, 8, 9};

static bool domain_ok(struct slice s)
{
    return policy_text_dns(s, false, true) && policy_idna_wrong(s) == NULL;
}

/* Says what a U-label must be written as; the list itself is judged by policy_compile_list. */
static enum chancery_err check_ascii(const struct conf_node *map, const char *key,
                                     struct diag *diag)
{
    const struct conf_node *list = NULL;
    TRY(conf_list(map, key, CONF_OPTIONAL, &list, diag));
    for (size_t i = 0; i < conf_count(list); i++) {
        const char *text;
        char ascii[POLICY_IDNA_TEXT];
        TRY(conf_scalar(conf_at(list, i), &text, diag));
        struct slice s = slice_str(text);
        if (!policy_text_ascii(s) && policy_idna_ascii(s, ascii)) {
            return conf_error(conf_at(list, i), CH_INVALID, "policy.value", diag,
                              "write the name in A-labels: \"%s\"", ascii);
        }
    }
    return CH_OK;
}

static enum chancery_err compile_domains(struct policy_bundle *b, const struct conf_node *map,
                                         const char *key, enum conf_need need,
                                         struct policy_list *out, struct diag *diag)
{
    TRY(check_ascii(map, key, diag));
    return policy_compile_list(b, map, key, need, true, domain_ok, out, diag);
}

/* A prefix that ends a path segment, so that it cannot be continued into another host or segment.
 */
static bool prefix_ok(struct slice s)
{
    return s.len > 0 && s.ptr[s.len - 1] == '/' && policy_text_uri(s) && s.len <= 512;
}

/* ---- DNS ---- */

static enum chancery_err compile_guard(const struct policy_bundle *b, const struct conf_node *dns,
                                       struct policy_names *out, struct diag *diag)
{
    const char *text = "false";
    TRY(conf_string(dns, "public_suffix_guard", CONF_OPTIONAL, &text, diag));
    if (strcmp(text, "true") == 0) {
        out->guard = POLICY_SUFFIX_ALL;
    } else if (strcmp(text, "icann") == 0) {
        out->guard = POLICY_SUFFIX_ICANN;
    } else if (strcmp(text, "false") != 0) {
        return conf_error(conf_get(dns, "public_suffix_guard"), CH_INVALID, "policy.value", diag,
                          "\"public_suffix_guard\" is true, icann or false");
    }
    if (out->guard != POLICY_SUFFIX_OFF && b->suffixes == NULL) {
        return conf_error(conf_get(dns, "public_suffix_guard"), CH_INVALID, "policy.suffixes", diag,
                          "the guard needs the file public_suffixes.dat in the bundle: copy "
                          "/usr/share/publicsuffix/public_suffix_list.dat of Debian's package "
                          "publicsuffix, or take it from publicsuffix.org");
    }
    return CH_OK;
}

static enum chancery_err compile_internal(const struct conf_node *dns, struct policy_names *out,
                                          struct diag *diag)
{
    const char *text = "allow";
    TRY(conf_string(dns, "internal", CONF_OPTIONAL, &text, diag));
    if (strcmp(text, "refuse") == 0) {
        out->internal = POLICY_INTERNAL_REFUSE;
    } else if (strcmp(text, "only") == 0) {
        out->internal = POLICY_INTERNAL_ONLY;
    } else if (strcmp(text, "allow") != 0) {
        return conf_error(conf_get(dns, "internal"), CH_INVALID, "policy.value", diag,
                          "\"internal\" is allow, refuse or only");
    }
    return CH_OK;
}

static enum chancery_err compile_dns(struct policy_bundle *b, const struct conf_node *names,
                                     struct policy_names *out, struct diag *diag)
{
    const struct conf_node *dns = NULL;
    int64_t depth = 0;
    TRY(conf_map(names, "dns", CONF_OPTIONAL, &dns, diag));
    if (dns == NULL) {
        return CH_OK;
    }
    TRY(compile_domains(b, dns, "suffixes", CONF_OPTIONAL, &out->dns_suffixes, diag));
    TRY(compile_domains(b, dns, "exact", CONF_OPTIONAL, &out->dns_exact, diag));
    TRY(conf_int(dns, "wildcard_depth", CONF_OPTIONAL, 0, 16, &depth, diag));
    TRY(conf_bool(dns, "a_labels", CONF_OPTIONAL, &out->a_labels, diag));
    TRY(policy_compile_list(b, dns, "scripts", CONF_OPTIONAL, true, policy_idna_script_known,
                            &out->scripts, diag));
    if (out->scripts.n > 0 && !out->a_labels) {
        return conf_error(conf_get(dns, "scripts"), CH_INVALID, "policy.value", diag,
                          "\"scripts\" goes with \"a_labels: true\"");
    }
    TRY(compile_guard(b, dns, out, diag));
    TRY(compile_internal(dns, out, diag));
    out->wildcard_depth = (unsigned)depth;
    out->dns_source = policy_compile_source(b, dns);
    return out->dns_source == NULL ? CH_NOMEM : CH_OK;
}

/* ---- the other types ---- */

static enum chancery_err compile_ip(struct policy_bundle *b, const struct conf_node *names,
                                    struct policy_names *out, struct diag *diag)
{
    const struct conf_node *ip = NULL;
    const char *reserved = "allow";
    TRY(conf_map(names, "ip", CONF_OPTIONAL, &ip, diag));
    if (ip == NULL) {
        return CH_OK;
    }
    TRY(policy_nets_compile(b, ip, "networks", &out->nets, diag));
    TRY(conf_string(ip, "reserved", CONF_OPTIONAL, &reserved, diag));
    out->ip_no_reserved = strcmp(reserved, "refuse") == 0;
    if (!out->ip_no_reserved && strcmp(reserved, "allow") != 0) {
        return conf_error(conf_get(ip, "reserved"), CH_INVALID, "policy.value", diag,
                          "\"reserved\" is allow or refuse");
    }
    out->ip_source = policy_compile_source(b, ip);
    return out->ip_source == NULL ? CH_NOMEM : CH_OK;
}

static enum chancery_err compile_email(struct policy_bundle *b, const struct conf_node *names,
                                       struct policy_names *out, struct diag *diag)
{
    const struct conf_node *email = NULL;
    TRY(conf_map(names, "email", CONF_OPTIONAL, &email, diag));
    if (email == NULL) {
        return CH_OK;
    }
    TRY(compile_domains(b, email, "domains", CONF_OPTIONAL, &out->email_domains, diag));
    TRY(policy_globs_compile(b, email, "match", policy_glob_ok, &out->email_match, diag));
    out->email_source = policy_compile_source(b, email);
    return out->email_source == NULL ? CH_NOMEM : CH_OK;
}

static enum chancery_err compile_uri(struct policy_bundle *b, const struct conf_node *names,
                                     struct policy_names *out, struct diag *diag)
{
    const struct conf_node *uri = NULL;
    TRY(conf_map(names, "uri", CONF_OPTIONAL, &uri, diag));
    if (uri == NULL) {
        return CH_OK;
    }
    TRY(policy_compile_list(b, uri, "prefixes", CONF_OPTIONAL, true, prefix_ok, &out->uri_prefixes,
                            diag));
    TRY(compile_domains(b, uri, "spiffe_domains", CONF_OPTIONAL, &out->spiffe_domains, diag));
    TRY(policy_globs_compile(b, uri, "spiffe_paths", policy_glob_path_ok, &out->spiffe_paths,
                             diag));
    out->uri_source = policy_compile_source(b, uri);
    return out->uri_source == NULL ? CH_NOMEM : CH_OK;
}

static enum chancery_err compile_other_oids(struct policy_bundle *b, const struct conf_node *other,
                                            struct policy_list *out, struct diag *diag)
{
    const struct conf_node *list = NULL;
    TRY(conf_list(other, "oids", CONF_OPTIONAL, &list, diag));
    size_t n = conf_count(list);
    struct slice *oids = arena_alloc(&b->arena, n * sizeof *oids);
    if (n > POLICY_EXTRA_MAX) {
        return conf_error(list, CH_LIMIT, "policy.list", diag, "at most %d entries",
                          POLICY_EXTRA_MAX);
    }
    if (oids == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        const char *text;
        TRY(conf_scalar(conf_at(list, i), &text, diag));
        TRY(policy_compile_oid(b, conf_at(list, i), text, &oids[i], diag));
        if (slice_eq(oids[i], slice_of(oid_upn, sizeof oid_upn))) {
            return conf_error(conf_at(list, i), CH_INVALID, "policy.value", diag,
                              "user principal names have \"upn_suffixes\"");
        }
        if (slice_eq(oids[i], slice_of(oid_smtp_utf8, sizeof oid_smtp_utf8))) {
            return conf_error(conf_at(list, i), CH_UNSUPPORTED, "policy.value", diag,
                              "SmtpUTF8Mailbox (RFC 9598) is not issued");
        }
    }
    *out = (struct policy_list){oids, n};
    return CH_OK;
}

static enum chancery_err compile_other(struct policy_bundle *b, const struct conf_node *names,
                                       struct policy_names *out, struct diag *diag)
{
    const struct conf_node *other = NULL;
    TRY(conf_map(names, "other_name", CONF_OPTIONAL, &other, diag));
    if (other == NULL) {
        return CH_OK;
    }
    TRY(compile_domains(b, other, "upn_suffixes", CONF_OPTIONAL, &out->upn_suffixes, diag));
    TRY(compile_other_oids(b, other, &out->other_oids, diag));
    out->other_source = policy_compile_source(b, other);
    return out->other_source == NULL ? CH_NOMEM : CH_OK;
}

static enum chancery_err compile_directory(struct policy_bundle *b, const struct conf_node *names,
                                           struct policy_names *out, struct diag *diag)
{
    const struct conf_node *directory = NULL;
    TRY(conf_map(names, "directory_name", CONF_OPTIONAL, &directory, diag));
    if (directory == NULL) {
        return CH_OK;
    }
    TRY(policy_rows_compile(b, directory, &out->directory, diag));
    if (out->directory.n == 0) {
        return conf_error(directory, CH_INVALID, "policy.list", diag,
                          "\"attributes\" lists what a directory name holds, at least one row");
    }
    out->has_directory = true;
    out->directory_source = policy_compile_source(b, directory);
    return out->directory_source == NULL ? CH_NOMEM : CH_OK;
}

enum chancery_err policy_names_compile(struct policy_bundle *b, const struct conf_node *root,
                                       struct policy_profile *p, struct diag *diag)
{
    const struct conf_node *names = NULL;
    struct policy_names *out = &p->names;
    int64_t max = 100;
    TRY(conf_map(root, "names", CONF_REQUIRED, &names, diag));
    TRY(conf_bool(names, "required", CONF_REQUIRED, &out->required, diag));
    TRY(conf_int(names, "max", CONF_OPTIONAL, 0, POLICY_NAMES_MAX, &max, diag));
    out->max = (size_t)max;
    p->names_source = policy_compile_source(b, names);
    if (p->names_source == NULL) {
        return CH_NOMEM;
    }
    out->dns_source = out->ip_source = out->email_source = out->uri_source = out->other_source =
        out->directory_source = p->names_source;
    TRY(compile_dns(b, names, out, diag));
    TRY(compile_ip(b, names, out, diag));
    TRY(compile_email(b, names, out, diag));
    TRY(compile_uri(b, names, out, diag));
    TRY(compile_other(b, names, out, diag));
    return compile_directory(b, names, out, diag);
}
