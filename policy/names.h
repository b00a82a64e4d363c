/* What a profile says of names: rows of attributes (the subject, directory names) and subject
 * alternative names by type. */
#ifndef CHANCERY_POLICY_NAMES_H
#define CHANCERY_POLICY_NAMES_H

#include "conf/conf.h"
#include "policy/nets.h"
#include "policy/policy.h"
#include "policy/suffixes.h"
#include "policy/text.h"

#define POLICY_RDNS_MAX 32 /* subject rows, and attributes in a request's subject */

/* ---- attributes ---- */

/* An attribute type the language knows by name. */
struct policy_attribute {
    const char *name;
    struct slice oid;
    uint8_t tag; /* string type it is written with */
    size_t max;  /* characters, RFC 5280 A.1 */
};
/* policy_attribute_of gives the row of an OID (UTF8String, 256 when unknown). */
struct policy_attribute policy_attribute_of(struct slice oid);
const struct policy_attribute *policy_attribute_named(const char *name);
/* policy_attribute_fits: 1 to a->max characters of the type's alphabet; a country is two capitals.
 */
bool policy_attribute_fits(const struct policy_attribute *a, struct slice value);

/* What the judge knows of a row beyond the template. */
struct policy_row {
    struct policy_list match; /* globs, one of which must fit; none: any value */
    size_t max;               /* characters */
    const char *source;
};
/* Rows of a subject or of a directory name; `at` and `rules` run side by side. */
struct policy_rows {
    const struct policy_template_rdn *at;
    const struct policy_row *rules;
    size_t n;
};
/* policy_rows_compile reads list `attributes` of a map; absent: no rows. */
enum chancery_err policy_rows_compile(struct policy_bundle *b, const struct conf_node *map,
                                      struct policy_rows *out, struct diag *diag) MUST_CHECK;
/* policy_globs_compile reads list `key` of globs (policy/glob.h); absent: empty. */
enum chancery_err policy_globs_compile(struct policy_bundle *b, const struct conf_node *map,
                                       const char *key, bool (*ok)(struct slice),
                                       struct policy_list *out, struct diag *diag) MUST_CHECK;

/* One attribute as it stands in a Name. */
struct policy_rdn {
    struct slice oid, value;
    uint8_t tag;
    const struct policy_row *row; /* of the template, where it came by one */
};
enum policy_name_form {
    POLICY_NAME_NONE = 0, /* not readable */
    POLICY_NAME_MULTI,    /* readable, but an RDN has several attributes */
    POLICY_NAME_SINGLE
};
/* policy_name_read reads a Name whose values are UTF-8, printable or IA5 strings; of a Name with a
 * multi-valued RDN nothing is given. `out` has POLICY_RDNS_MAX places. */
enum policy_name_form policy_name_read(struct slice der, struct policy_rdn *out, size_t *out_n);

/* Values of rows, one after the other: the n-th row of a type that is copied takes the request's
 * n-th value of that type, the n-th row of a claim the claim's n-th value. */
struct policy_claims {
    const struct permit_evidence *evidence;
    bool used[PERMIT_CLAIMS_MAX];
};
/* policy_claims_take gives the next unused value of a claim; empty when there is none. */
struct slice policy_claims_take(struct policy_claims *c, struct slice name);
/* policy_row_matches: one of the row's globs fits. */
bool policy_row_matches(const struct policy_row *row, struct slice value);

/* ---- subject alternative names ---- */

enum policy_internal { POLICY_INTERNAL_ALLOW = 0, POLICY_INTERNAL_REFUSE, POLICY_INTERNAL_ONLY };

struct policy_names {
    bool required, a_labels, ip_no_reserved, has_directory;
    size_t max;
    struct policy_list dns_suffixes, dns_exact; /* sorted */
    struct policy_list scripts;                 /* sorted; empty: any */
    unsigned wildcard_depth;
    enum policy_suffix_guard guard;
    enum policy_internal internal;
    struct policy_nets nets;
    struct policy_list email_domains, uri_prefixes, spiffe_domains; /* sorted */
    struct policy_list email_match, spiffe_paths;                   /* globs */
    struct policy_list upn_suffixes;                                /* sorted */
    struct policy_list other_oids; /* sorted; content octets, any value */
    struct policy_rows directory;
    const char *dns_source, *ip_source, *email_source, *uri_source, *other_source,
        *directory_source;
};

/* Rules about single names; each keeps the first name that breaks it. In the order of saying. */
enum policy_san_rule {
    POLICY_SAN_DNS_SYNTAX = 0,
    POLICY_SAN_DNS_IDNA,
    POLICY_SAN_DNS_SCRIPTS,
    POLICY_SAN_DNS_ALLOWED,
    POLICY_SAN_DNS_WILDCARD,
    POLICY_SAN_DNS_SUFFIX,
    POLICY_SAN_DNS_INTERNAL,
    POLICY_SAN_IP_ALLOWED,
    POLICY_SAN_IP_RESERVED,
    POLICY_SAN_EMAIL_SYNTAX,
    POLICY_SAN_EMAIL_ALLOWED,
    POLICY_SAN_EMAIL_MATCH,
    POLICY_SAN_URI_SYNTAX,
    POLICY_SAN_URI_ALLOWED,
    POLICY_SAN_URI_PATH,
    POLICY_SAN_OTHER_SYNTAX,
    POLICY_SAN_OTHER_ALLOWED,
    POLICY_SAN_DIRECTORY_SYNTAX,
    POLICY_SAN_DIRECTORY_ALLOWED,
    POLICY_SAN_TYPE,
    POLICY_SAN_SERVICE,
    POLICY_SAN_RULES
};
struct policy_san_tally {
    bool looked[POLICY_SAN_RULES]; /* some name was judged by the rule */
    struct slice bad[POLICY_SAN_RULES];
    const char *required[POLICY_SAN_RULES]; /* more exact than the rule's own; static or kept */
    const char *source[POLICY_SAN_RULES];   /* likewise */
};
/* policy_san_note adds one name's result; `required` NULL: the rule's own text. */
void policy_san_note(struct policy_san_tally *t, enum policy_san_rule rule, bool ok,
                     struct slice name, const char *required);

struct policy_judge;
/* policy_san_look_*: judge one name of its type. */
void policy_san_look_dns(struct policy_judge *j, struct policy_san_tally *t, struct slice s);
void policy_san_look_ip(struct policy_judge *j, struct policy_san_tally *t, struct slice s);
void policy_san_look_email(struct policy_judge *j, struct policy_san_tally *t, struct slice s);
void policy_san_look_uri(struct policy_judge *j, struct policy_san_tally *t, struct slice s);
void policy_san_look_other(struct policy_judge *j, struct policy_san_tally *t, struct slice s);
void policy_san_look_directory(struct policy_judge *j, struct policy_san_tally *t, struct slice s);

/* policy_service_name says whether a host name lies in the service trust domain (always true when
 * no trust domain is set); policy_service_text whether a text is such a name, or a URI or address
 * in it. */
bool policy_service_name(const struct policy_bundle *b, struct slice host);
bool policy_service_text(const struct policy_bundle *b, struct slice text);

#endif
