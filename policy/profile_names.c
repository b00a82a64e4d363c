/* `names` of a profile: which subject alternative names it allows. A type without a rule is
 * refused. */
#include <arpa/inet.h>
#include <stdlib.h>

#include "policy/policy_int.h"

static bool domain_ok(struct slice s)
{
    return policy_text_dns(s, false, true);
}

/* A prefix that ends a path segment, so that it cannot be continued into another host or segment.
 */
static bool prefix_ok(struct slice s)
{
    return s.len > 0 && s.ptr[s.len - 1] == '/' && policy_text_uri(s) && s.len <= 512;
}

/* Bits after the first `bits` must be zero: a network is written one way. */
static bool host_bits_zero(const struct policy_net *net)
{
    for (size_t i = 0; i < net->len * 8; i++) {
        if (i >= net->bits && (net->address[i / 8] >> (7 - i % 8) & 1) != 0) {
            return false;
        }
    }
    return true;
}

bool policy_net_read(const char *text, struct policy_net *out)
{
    char address[64];
    const char *slash = strchr(text, '/');
    if (slash == NULL || (size_t)(slash - text) >= sizeof address) {
        return false;
    }
    memcpy(address, text, (size_t)(slash - text));
    address[slash - text] = '\0';
    *out = (struct policy_net){.len = strchr(address, ':') == NULL ? 4 : 16};
    const char *d = slash + 1;
    if (d[0] < '0' || d[0] > '9' || strlen(d) > 3 || (d[0] == '0' && d[1] != '\0') ||
        strspn(d, "0123456789") != strlen(d)) {
        return false;
    }
    out->bits = (unsigned)strtoul(d, NULL, 10);
    return inet_pton(out->len == 4 ? AF_INET : AF_INET6, address, out->address) == 1 &&
           out->bits <= out->len * 8 && host_bits_zero(out);
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
    TRY(policy_compile_list(b, dns, "suffixes", CONF_OPTIONAL, true, domain_ok, &out->dns_suffixes,
                            diag));
    TRY(policy_compile_list(b, dns, "exact", CONF_OPTIONAL, true, domain_ok, &out->dns_exact,
                            diag));
    TRY(conf_int(dns, "wildcard_depth", CONF_OPTIONAL, 0, 16, &depth, diag));
    TRY(conf_bool(dns, "a_labels", CONF_OPTIONAL, &out->a_labels, diag));
    out->wildcard_depth = (unsigned)depth;
    out->dns_source = policy_compile_source(b, dns);
    return out->dns_source == NULL ? CH_NOMEM : CH_OK;
}

static enum chancery_err compile_ip(struct policy_bundle *b, const struct conf_node *names,
                                    struct policy_names *out, struct diag *diag)
{
    const struct conf_node *ip = NULL, *list = NULL;
    TRY(conf_map(names, "ip", CONF_OPTIONAL, &ip, diag));
    if (ip == NULL) {
        return CH_OK;
    }
    TRY(conf_list(ip, "networks", CONF_REQUIRED, &list, diag));
    size_t n = conf_count(list);
    if (n == 0 || n > POLICY_LIST_MAX) {
        return conf_error(list, CH_LIMIT, "policy.list", diag,
                          "\"networks\" must have 1 to %d entries", POLICY_LIST_MAX);
    }
    struct policy_net *nets = arena_alloc(&b->arena, n * sizeof *nets);
    out->ip_source = policy_compile_source(b, ip);
    if (nets == NULL || out->ip_source == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        const char *text;
        TRY(conf_scalar(conf_at(list, i), &text, diag));
        if (!policy_net_read(text, &nets[i])) {
            return conf_error(conf_at(list, i), CH_INVALID, "policy.value", diag,
                              "a network is written 10.1.0.0/16 or 2001:db8::/32, host bits zero");
        }
    }
    out->nets = nets;
    out->n_nets = n;
    return CH_OK;
}

static enum chancery_err compile_others(struct policy_bundle *b, const struct conf_node *names,
                                        struct policy_names *out, struct diag *diag)
{
    const struct conf_node *email = NULL, *uri = NULL;
    TRY(conf_map(names, "email", CONF_OPTIONAL, &email, diag));
    TRY(conf_map(names, "uri", CONF_OPTIONAL, &uri, diag));
    if (email != NULL) {
        TRY(policy_compile_list(b, email, "domains", CONF_REQUIRED, true, domain_ok,
                                &out->email_domains, diag));
        out->email_source = policy_compile_source(b, email);
        TRY(out->email_source == NULL ? CH_NOMEM : CH_OK);
    }
    if (uri != NULL) {
        TRY(policy_compile_list(b, uri, "prefixes", CONF_OPTIONAL, true, prefix_ok,
                                &out->uri_prefixes, diag));
        TRY(policy_compile_list(b, uri, "spiffe_domains", CONF_OPTIONAL, true, domain_ok,
                                &out->spiffe_domains, diag));
        out->uri_source = policy_compile_source(b, uri);
        TRY(out->uri_source == NULL ? CH_NOMEM : CH_OK);
    }
    return CH_OK;
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
    out->dns_source = out->ip_source = out->email_source = out->uri_source = p->names_source;
    TRY(compile_dns(b, names, out, diag));
    TRY(compile_ip(b, names, out, diag));
    return compile_others(b, names, out, diag);
}
