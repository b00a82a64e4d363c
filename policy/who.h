/* Who may ask, and for which names: tenants, bindings of requesters, claims.
 *
 * A binding says what one requester (or all whose identity begins with a pattern) may have in one
 * tenant: profiles, roles, names. All bindings of a bundle share two indexes (prefix.h): patterns
 * of requesters by tenant, which lead to holders, and grants by holder. A tenant that restricts
 * names holds grants of its own. What a request asks for is turned into the same keys:
 *
 *   'd' DNS name, reversed, ending in '.'      'i' address, one character per bit
 *   'e' e-mail, domain '@' local part          'n' user principal name, the same
 *   'u' URI                                    's' attribute of the subject: OID length, OID, value
 *   'x' directory name: OID length, OID, value, NUL per attribute
 *   'l' attribute types that are listed        'p' profiles
 *   'r' roles: role, NUL, profile              'q' requesters of a tenant */
#ifndef CHANCERY_POLICY_WHO_H
#define CHANCERY_POLICY_WHO_H

#include "conf/conf.h"
#include "policy/limits.h"
#include "policy/policy.h"
#include "policy/prefix.h"
#include "policy/text.h"

#define POLICY_TENANTS_MAX 1000    /* one per customer of a large installation */
#define POLICY_BINDINGS_MAX 100000 /* ten times the largest installation planned for */
#define POLICY_BINDING_FILES_MAX 1000
#define POLICY_BINDING_LIST_MAX 1000 /* profiles, roles, names of one kind in one binding */
#define POLICY_NESTED_MAX 8          /* patterns of requesters that begin one another */
#define POLICY_SAME_MAX 64           /* bindings of one requester for the same name */
#define POLICY_HOLDERS_MAX (2 * (POLICY_NESTED_MAX + 1))
#define POLICY_BOUND_KEY_MAX 4608 /* a name of a request (at most 4096 octets) as a key */
#define POLICY_METHODS_MAX 16     /* protocols, roles, methods in one list of a profile */
#define POLICY_TEMPLATES_MAX 64
#define POLICY_TEMPLATE_PARTS 16

#define POLICY_PATTERN_MAX 512 /* octets of a requester or a pattern of requesters */

struct policy_profile;
struct policy_judge;

/* One binding, or what one tenant restricts. */
struct policy_grant {
    struct policy_grant *next; /* added before */
    uint32_t id, holder;
    const char *source; /* "bindings/teams.yaml:12" */
    unsigned column;
    const uint16_t *profiles; /* ascending places in the bundle; none: all */
    size_t n_profiles;
    unsigned wildcard_depth;
};

/* A profile that a tenant names before profiles are known. */
struct policy_who_reference {
    struct policy_who_reference *next;
    struct slice profile;
    const char *place; /* "file:line:column" */
};

struct policy_tenant {
    struct slice name;
    /* Where each restriction stands; NULL: there is none. */
    const char *source, *requesters_source, *issuers_source, *profiles_source, *names_source,
        *roles_source, *officers_source;
    struct policy_list issuers, profiles, roles, officers; /* sorted */
    struct policy_limits limits;
    uint32_t holder; /* of its requesters and names */
};

/* Of a bundle. */
struct policy_who {
    struct policy_tenant *tenants; /* sorted by name; never empty once compiled */
    size_t n_tenants;
    struct policy_who_reference *references; /* of tenants to profiles, until these are known */
    struct policy_grant *added;
    const struct policy_grant **grants; /* by id */
    size_t n_grants, n_bindings, n_holders;
    struct policy_prefix requesters; /* set: tenant; value: holder */
    struct policy_prefix marks;      /* set: holder; value: grant; all but names */
    struct policy_prefix names;      /* set: holder; value: grant */
};

/* A template of names: literals and claims in turn. */
struct policy_template_part {
    bool claim;
    struct slice text; /* literal, or the claim's name */
};
struct policy_name_template {
    struct policy_template_part parts[POLICY_TEMPLATE_PARTS];
    size_t n;
};
struct policy_name_templates {
    const struct policy_name_template *at;
    size_t n;
    const char *source;
};

enum policy_binding { POLICY_BINDING_NONE = 0, POLICY_BINDING_OPTIONAL, POLICY_BINDING_REQUIRED };

/* Of a profile. */
struct policy_who_profile {
    struct policy_list protocols, roles, all_of, any_of; /* empty: no rule */
    enum policy_binding binding;
    struct policy_name_templates dns, email, uri;
    const char *protocols_source, *roles_source, *authentication_source, *binding_source;
};

/* Of a judge at work: what the bundle has about this requester. */
struct policy_who_found {
    const struct policy_tenant *tenant;
    uint32_t holders[POLICY_HOLDERS_MAX]; /* the requester's, in the tenant */
    size_t n_holders;
    uint16_t profile; /* its place in the bundle */
    bool held;        /* names must be bound */
};

/* ---- compiling ---- */

/* policy_tenants_compile reads tenants.yaml. policy_bindings_compile reads one file of bindings;
 * profiles are compiled and sorted. policy_who_profile_compile reads what a profile says; the
 * tenants are known. policy_who_finish checks what could not be checked before, and makes the
 * indexes. */
enum chancery_err policy_tenants_compile(struct policy_bundle *b, const struct policy_file *f,
                                         struct diag *diag) MUST_CHECK;
enum chancery_err policy_bindings_compile(struct policy_bundle *b, const struct policy_file *f,
                                          struct diag *diag) MUST_CHECK;
enum chancery_err policy_who_profile_compile(struct policy_bundle *b, const struct conf_node *root,
                                             struct policy_profile *p,
                                             struct diag *diag) MUST_CHECK;
enum chancery_err policy_who_begin(struct policy_bundle *b) MUST_CHECK;
enum chancery_err policy_who_finish(struct policy_bundle *b, struct diag *diag) MUST_CHECK;
/* policy_templates_compile reads the `templates` of a profile's names, after the rest of them. */
enum chancery_err policy_templates_compile(struct policy_bundle *b, const struct conf_node *root,
                                           struct policy_profile *p, struct diag *diag) MUST_CHECK;

/* policy_grant_new makes the grant of a binding or tenant that stands at `at`. policy_grant_add
 * adds one key to it. policy_grant_names adds the names in the map `names`. */
enum chancery_err policy_grant_new(struct policy_bundle *b, const struct conf_node *at,
                                   uint32_t holder, struct policy_grant **out,
                                   struct diag *diag) MUST_CHECK;
enum chancery_err policy_grant_add(struct policy_bundle *b, const struct policy_grant *g,
                                   const struct conf_node *at, struct slice key, bool open,
                                   struct diag *diag) MUST_CHECK;
enum chancery_err policy_grant_names(struct policy_bundle *b, const struct conf_node *names,
                                     struct policy_grant *g, struct diag *diag) MUST_CHECK;
/* policy_words_compile reads a list of words (1..64 of a-z 0-9 - _ .), sorted, no duplicates. */
enum chancery_err policy_words_compile(struct policy_bundle *b, const struct conf_node *map,
                                       const char *key, size_t max, struct policy_list *out,
                                       struct diag *diag) MUST_CHECK;

/* ---- keys of what is asked for ---- */

struct policy_bound_key {
    uint8_t octets[POLICY_BOUND_KEY_MAX];
    size_t len;
};
/* policy_bound_san makes the key of a name of a request; false: no grant can ever cover it.
 * policy_bound_dns and policy_bound_mail: of a text. policy_bound_attribute: of a subject's
 * attribute, with `kind` 's' or (value empty) 'l'. */
bool policy_bound_san(const struct permit_san *san, struct policy_bound_key *out);
bool policy_bound_dns(struct slice name, struct policy_bound_key *out);
bool policy_bound_mail(uint8_t kind, struct slice address, struct policy_bound_key *out);
bool policy_bound_attribute(uint8_t kind, struct slice oid, struct slice value,
                            struct policy_bound_key *out);

/* ---- using ---- */

const struct policy_tenant *policy_tenant_find(const struct policy_bundle *b, struct slice name);
/* policy_tenant_officer says whether an officer may approve in a tenant. */
bool policy_tenant_officer(const struct policy_tenant *t, struct slice officer);
/* policy_template_matches says whether `s` is the template filled with claims. */
bool policy_template_matches(const struct policy_name_template *t, const struct permit_evidence *e,
                             bool label, struct slice s);

/* policy_pattern_ok: an identity or a path in the own trust domain; '*' only at its end. */
bool policy_pattern_ok(struct slice s);
/* policy_own_path is the part of an identity after "spiffe://<trust domain>"; empty when it is not
 * ours. */
struct slice policy_own_path(const struct policy_bundle *b, struct slice uri);

void policy_rules_who(struct policy_judge *j);   /* fills who; after the issuer's rules */
void policy_rules_bound(struct policy_judge *j); /* after subject and names */

#endif
