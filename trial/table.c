/* Reading tests/NAME.yaml. */
#include <stdlib.h>

#include "trial/table_int.h"

#define CASE_LIST_MAX 256
#define LIFE_MAX_S (INT64_C(100) * 366 * 86400)
#define ISSUER_LIFE_S (INT64_C(3650) * 86400) /* unless the file says otherwise */

const struct conf_node *trial_node(const struct trial_case_nodes *c, const char *key)
{
    return c->defaults != NULL && conf_get(c->own, key) == NULL ? c->defaults : c->own;
}

static const struct conf_node *part(const struct trial_case_nodes *c, const char *key)
{
    return conf_get(trial_node(c, key), key);
}

static enum chancery_err text(const struct trial_case_nodes *c, const char *key,
                              enum conf_need need, const char *standard, const char **out,
                              struct diag *diag)
{
    *out = standard;
    TRY(conf_string(trial_node(c, key), key, need, out, diag));
    *out = arena_str(c->arena, slice_str(*out));
    return *out == NULL ? CH_NOMEM : CH_OK;
}

/* An identity: a path of the trust domain, or whole. */
static enum chancery_err identity(const struct trial_case_nodes *c, const char *key,
                                  const char *standard, struct slice *out, struct diag *diag)
{
    const char *s = NULL;
    TRY(text(c, key, CONF_OPTIONAL, standard, &s, diag));
    if (s[0] == '/') {
        s = arena_printf(c->arena, "spiffe://%s%s", c->trust_domain, s);
    }
    *out = slice_str(s);
    return s == NULL ? CH_NOMEM : CH_OK;
}

static int by_octets(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

static enum chancery_err texts(const struct conf_node *list, struct arena *arena,
                               struct slice **out, size_t *out_n, struct diag *diag)
{
    size_t n = conf_count(list);
    struct slice *at = arena_alloc(arena, (n + 1) * sizeof *at);
    if (at == NULL) {
        return CH_NOMEM;
    }
    if (conf_kind(list) != CONF_LIST || n > CASE_LIST_MAX) {
        return conf_error(list, CH_INVALID, "test.list", diag, "this is a list of at most %d",
                          CASE_LIST_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        const char *s = NULL;
        TRY(conf_scalar(conf_at(list, i), &s, diag));
        s = arena_str(arena, slice_str(s));
        if (s == NULL) {
            return CH_NOMEM;
        }
        at[i] = slice_str(s);
    }
    *out = at;
    *out_n = n;
    return CH_OK;
}

/* ---- evidence ---- */

static int by_claim(const void *a, const void *b)
{
    const struct permit_claim *x = a, *y = b;
    int c = slice_cmp(x->name, y->name);
    return c == 0 ? slice_cmp(x->value, y->value) : c;
}

/* claims: {name: value} or {name: [value, value]}. */
static enum chancery_err claims(const struct trial_case_nodes *c, struct permit_evidence *out,
                                struct diag *diag)
{
    const struct conf_node *map = part(c, "claims");
    size_t n = 0;
    struct permit_claim *list = arena_alloc(c->arena, PERMIT_CLAIMS_MAX * sizeof *list);
    if (list == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < conf_count(map); i++) {
        const struct conf_node *v = conf_at(map, i);
        size_t values = conf_kind(v) == CONF_LIST ? conf_count(v) : 1;
        for (size_t k = 0; k < values; k++) {
            const char *s = NULL;
            TRY(conf_scalar(conf_kind(v) == CONF_LIST ? conf_at(v, k) : v, &s, diag));
            if (n == PERMIT_CLAIMS_MAX) {
                return conf_error(map, CH_LIMIT, "test.claims", diag, "at most %d claims",
                                  PERMIT_CLAIMS_MAX);
            }
            const char *key = conf_key_at(map, i);
            list[n++] = (struct permit_claim){slice_str(arena_str(c->arena, slice_str(key))),
                                              slice_str(arena_str(c->arena, slice_str(s)))};
        }
    }
    if (n > 1) {
        qsort(list, n, sizeof *list, by_claim);
    }
    out->claims = list;
    out->n_claims = n;
    return CH_OK;
}

static enum chancery_err evidence(const struct trial_case_nodes *c, struct permit_evidence *out,
                                  struct diag *diag)
{
    static const struct slice standard[] = {{(const uint8_t *)"mtls", 4},
                                            {(const uint8_t *)"pkcs10", 6}};
    static const uint8_t digest[32] = {1};
    const char *protocol = NULL, *proof = NULL;
    const struct conf_node *methods = part(c, "authentication");
    TRY(text(c, "protocol", CONF_OPTIONAL, "grpc", &protocol, diag));
    TRY(text(c, "proof", CONF_OPTIONAL, "pkcs10", &proof, diag));
    out->protocol = slice_str(protocol);
    out->proof = slice_str(proof);
    out->proof_sha256 = out->client_cert_sha256 = slice_of(digest, sizeof digest);
    out->authentication = standard;
    out->n_authentication = 2;
    if (methods != NULL) {
        struct slice *list = NULL;
        TRY(texts(methods, c->arena, &list, &out->n_authentication, diag));
        if (out->n_authentication > 1) {
            qsort(list, out->n_authentication, sizeof *list, by_octets);
        }
        out->authentication = list;
    }
    return claims(c, out, diag);
}

/* ---- the request ---- */

/* csr: PEM. What the case says itself goes before what the CSR says. */
static enum chancery_err read_csr(const struct trial_case_nodes *c, struct trial_table_case *out,
                                  struct x509_csr *csr, struct diag *diag)
{
    const char *pem = NULL;
    struct diag why = {.text = ""};
    struct buf der CLEANUP(buf_clear) = {.len = 0};
    TRY(conf_string(trial_node(c, "csr"), "csr", CONF_OPTIONAL, &pem, diag));
    if (pem == NULL) {
        return CH_OK;
    }
    buf_init(&der, X509_CSR_MAX);
    enum chancery_err err = x509_csr_from_pem_or_der(slice_str(pem), &der, &why);
    uint8_t *copy = err == CH_OK ? arena_copy(c->arena, buf_slice(&der)) : NULL;
    if (err == CH_OK) {
        err = copy == NULL ? CH_NOMEM : x509_csr_read(slice_of(copy, der.len), c->arena, csr, &why);
    }
    if (err != CH_OK) {
        return conf_error(part(c, "csr"), err, "test.csr", diag, "the CSR is not readable: %s",
                          why.text);
    }
    out->request.subject_der = csr->subject;
    out->spki = csr->spki;
    return CH_OK;
}

static enum chancery_err request_lists(const struct trial_case_nodes *c,
                                       struct trial_table_case *out, const struct x509_csr *csr,
                                       struct diag *diag)
{
    struct x509_san *sans = csr->sans;
    struct x509_extension *extensions = csr->extensions;
    size_t n_sans = csr->n_sans, n = csr->n_extensions;
    const struct conf_node *names = part(c, "names"), *list = part(c, "extensions");
    if (names != NULL) {
        TRY(trial_read_names(names, c->arena, &sans, &n_sans, diag));
    }
    if (list != NULL) {
        TRY(trial_read_extensions(list, c->arena, &extensions, &n, diag));
    }
    struct permit_san *s = arena_alloc(c->arena, (n_sans + 1) * sizeof *s);
    struct permit_extension *e = arena_alloc(c->arena, (n + 1) * sizeof *e);
    if (s == NULL || e == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n_sans; i++) {
        s[i] = (struct permit_san){sans[i].type, sans[i].value};
    }
    for (size_t i = 0; i < n; i++) {
        e[i] = (struct permit_extension){extensions[i].oid, extensions[i].critical,
                                         extensions[i].value};
    }
    out->request.sans = s;
    out->request.n_sans = n_sans;
    out->request.extensions = e;
    out->request.n_extensions = n;
    return CH_OK;
}

static enum chancery_err request(const struct trial_case_nodes *c, struct trial_table_case *out,
                                 struct diag *diag)
{
    static const uint8_t id[16] = {1}, empty_name[] = {0x30, 0};
    struct permit_request *r = &out->request;
    const char *tenant = NULL;
    int64_t validity_s = 0;
    struct x509_csr csr = {.n_sans = 0};
    const struct conf_node *subject = part(c, "subject"), *key = part(c, "key");
    TRY(text(c, "profile", CONF_REQUIRED, "", &out->profile, diag));
    TRY(text(c, "tenant", CONF_OPTIONAL, "default", &tenant, diag));
    TRY(identity(c, "requester", "/user/alice", &r->requester, diag));
    TRY(conf_duration_s(trial_node(c, "validity"), "validity", CONF_OPTIONAL, 0, UINT32_MAX,
                        &validity_s, diag));
    r->request_id = slice_of(id, sizeof id);
    r->tenant = slice_str(tenant);
    r->profile = slice_str(out->profile);
    r->subject_der = slice_of(empty_name, sizeof empty_name);
    r->max_validity_s = (uint32_t)validity_s;
    TRY(evidence(c, &r->evidence, diag));
    TRY(identity(c, "caller", (const char *)r->requester.ptr, &r->evidence.caller, diag));
    TRY(read_csr(c, out, &csr, diag));
    if (subject != NULL) {
        TRY(trial_read_subject(subject, c->arena, &r->subject_der, diag));
    }
    TRY(request_lists(c, out, &csr, diag));
    if (key != NULL) {
        TRY(trial_read_key(key, c->arena, &out->spki, diag));
    }
    return CH_OK;
}

/* ---- what is expected ---- */

static enum policy_outcome outcome_of(const char *s)
{
    return strcmp(s, "pass") == 0   ? POLICY_PASS
           : strcmp(s, "fail") == 0 ? POLICY_FAIL
           : strcmp(s, "n/a") == 0  ? POLICY_NA
                                    : POLICY_NONE;
}

static enum chancery_err expected_rules(const struct trial_case_nodes *c,
                                        struct trial_table_case *out, struct diag *diag)
{
    const struct conf_node *map = part(c, "rules");
    if (map != NULL && (conf_kind(map) != CONF_MAP || conf_count(map) > TRIAL_RULES_EXPECTED_MAX)) {
        return conf_error(map, CH_INVALID, "test.rules", diag,
                          "\"rules\" is a map of at most %d rules to pass, fail or n/a",
                          TRIAL_RULES_EXPECTED_MAX);
    }
    for (size_t i = 0; i < conf_count(map); i++) {
        const char *s = NULL;
        TRY(conf_scalar(conf_at(map, i), &s, diag));
        struct trial_rule_expected *e = &out->rules[out->n_rules++];
        e->rule = arena_str(c->arena, slice_str(conf_key_at(map, i)));
        e->outcome = outcome_of(s);
        if (e->rule == NULL) {
            return CH_NOMEM;
        }
        if (e->outcome == POLICY_NONE) {
            return conf_error(conf_at(map, i), CH_INVALID, "test.rules", diag,
                              "a rule's outcome is pass, fail or n/a");
        }
    }
    return CH_OK;
}

static enum chancery_err expected(const struct trial_case_nodes *c, struct trial_table_case *out,
                                  struct diag *diag)
{
    const char *verdict = NULL;
    const struct conf_node *fails = conf_get(c->own, "fails");
    struct slice *list = NULL;
    TRY(text(c, "expect", CONF_REQUIRED, "", &verdict, diag));
    out->expect = strcmp(verdict, "permit") == 0   ? POLICY_PASS
                  : strcmp(verdict, "refuse") == 0 ? POLICY_FAIL
                                                   : POLICY_NONE;
    if (out->expect == POLICY_NONE || (out->expect == POLICY_PASS && fails != NULL)) {
        return conf_error(part(c, "expect"), CH_INVALID, "test.expect", diag,
                          "\"expect\" is permit or refuse; \"fails\" goes with refuse");
    }
    if (fails != NULL) {
        TRY(texts(fails, c->arena, &list, &out->n_fails, diag));
        const char **ids = arena_alloc(c->arena, (out->n_fails + 1) * sizeof *ids);
        if (ids == NULL) {
            return CH_NOMEM;
        }
        for (size_t i = 0; i < out->n_fails; i++) {
            ids[i] = (const char *)list[i].ptr;
        }
        out->fails = ids;
        out->fails_given = true;
    }
    return expected_rules(c, out, diag);
}

/* ---- the rest of a case ---- */

/* "2026-06-01" or "2026-06-01T12:00:00Z" (RFC 3339, UTC alone). */
static bool read_time(const char *s, int64_t *out)
{
    static const char shape[] = "dddd-dd-ddTdd:dd:ddZ";
    int64_t v[6] = {0}; /* year, month, day, hour, minute, second */
    size_t n = strlen(s), field = 0;
    if (n != 10 && n != 20) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (shape[i] == 'd') {
            if (s[i] < '0' || s[i] > '9') {
                return false;
            }
            v[field] = v[field] * 10 + (s[i] - '0');
        } else if (s[i] != shape[i]) {
            return false;
        } else {
            field++;
        }
    }
    if (v[0] < 1970 || v[1] < 1 || v[1] > 12 || v[2] < 1 || v[2] > 31 || v[3] > 23 || v[4] > 59 ||
        v[5] > 59) {
        return false;
    }
    /* Days since 1970 of the proleptic Gregorian calendar, years beginning in March. */
    int64_t y = v[0] - (v[1] <= 2 ? 1 : 0), m = (v[1] + 9) % 12;
    int64_t days = 365 * y + y / 4 - y / 100 + y / 400 + (m * 306 + 5) / 10 + v[2] - 1 - 719468;
    *out = days * 86400 + v[3] * 3600 + v[4] * 60 + v[5];
    return true;
}

static enum chancery_err approvals(const struct trial_case_nodes *c, struct trial_table_case *out,
                                   struct diag *diag)
{
    const struct conf_node *list = part(c, "approvals");
    size_t n = conf_count(list);
    struct trial_signed_off *at = arena_alloc(c->arena, (n + 1) * sizeof *at);
    if (at == NULL) {
        return CH_NOMEM;
    }
    if (list != NULL && (conf_kind(list) != CONF_LIST || n > CASE_LIST_MAX)) {
        return conf_error(list, CH_INVALID, "test.approvals", diag,
                          "\"approvals\" is a list of {officer, step} or {officer, step, reject}");
    }
    for (size_t i = 0; i < n; i++) {
        const struct trial_case_nodes row = {.own = conf_at(list, i), .arena = c->arena};
        if (conf_kind(row.own) != CONF_MAP) {
            return conf_error(row.own, CH_INVALID, "test.approvals", diag,
                              "write {officer: ID, step: NAME}");
        }
        TRY(text(&row, "officer", CONF_REQUIRED, "", &at[i].officer, diag));
        TRY(text(&row, "step", CONF_REQUIRED, "", &at[i].step, diag));
        TRY(conf_bool(row.own, "reject", CONF_OPTIONAL, &at[i].reject, diag));
    }
    out->approvals = at;
    out->n_approvals = n;
    return CH_OK;
}

static enum chancery_err surroundings(const struct trial_case_nodes *c,
                                      struct trial_table_case *out, struct diag *diag)
{
    const char *at = NULL, *type = NULL;
    const struct conf_node *issuer = part(c, "issuer"), *alter = part(c, "alter");
    const struct conf_node *usage = part(c, "usage");
    TRY(conf_string(trial_node(c, "at"), "at", CONF_OPTIONAL, &at, diag));
    if (at != NULL && !read_time(at, &out->at_s)) {
        return conf_error(part(c, "at"), CH_INVALID, "test.at", diag,
                          "a time is written 2026-06-01 or 2026-06-01T12:00:00Z");
    }
    TRY(conf_bool(trial_node(c, "build"), "build", CONF_OPTIONAL, &out->build, diag));
    if (issuer != NULL) {
        TRY(conf_string(issuer, "key", CONF_OPTIONAL, &type, diag));
        TRY(conf_duration_s(issuer, "life", CONF_OPTIONAL, 60, LIFE_MAX_S, &out->issuer_life_s,
                            diag));
        out->issuer_key = type == NULL ? CRYPTO_KEY_NONE : crypto_key_type_from_name(type);
        if (type != NULL && crypto_alg_default(out->issuer_key) == CRYPTO_ALG_NONE) {
            return conf_error(issuer, CH_INVALID, "test.issuer", diag,
                              "an issuer's key is P-256, P-384, RSA-2048, RSA-3072 or RSA-4096");
        }
    }
    if (alter != NULL) {
        TRY(trial_read_alter(alter, c->arena, &out->alter, diag));
    }
    if (usage != NULL) {
        TRY(trial_read_usage(usage, out->at_s, &out->usage, diag));
    }
    return approvals(c, out, diag);
}

static enum chancery_err read_case(const struct trial_case_nodes *c, struct trial_table_case *out,
                                   struct diag *diag)
{
    *out = (struct trial_table_case){.at_s = TRIAL_AT_DEFAULT,
                                     .build = true,
                                     .issuer_life_s = ISSUER_LIFE_S,
                                     .usage = trial_usage_free()};
    if (conf_kind(c->own) != CONF_MAP) {
        return conf_error(c->own, CH_INVALID, "test.case", diag, "a case is a map");
    }
    out->source = arena_printf(c->arena, "%s:%u", conf_file(c->own), conf_line(c->own));
    if (out->source == NULL) {
        return CH_NOMEM;
    }
    const struct trial_case_nodes own = {.own = c->own, .arena = c->arena};
    TRY(text(&own, "name", CONF_REQUIRED, "", &out->name, diag));
    TRY(request(c, out, diag));
    TRY(surroundings(c, out, diag));
    TRY(expected(c, out, diag));
    if (out->spki.len > 0) {
        return CH_OK;
    }
    struct crypto_public *key = NULL;
    TRY(trial_sample_key(CRYPTO_KEY_P256, &key));
    uint8_t *copy = arena_copy(c->arena, crypto_public_spki(key));
    out->spki = slice_of(copy, crypto_public_spki(key).len);
    crypto_public_free(key);
    return copy == NULL ? CH_NOMEM : CH_OK;
}

/* Walking a map marks its keys as taken. */
static void take_all(const struct conf_node *n)
{
    for (size_t i = 0; i < conf_count(n); i++) {
        take_all(conf_at(n, i)); /* no deeper than lib/conf allows */
    }
}

/* A default that every case says otherwise is no mistake; one that no case could have is. */
static void take_defaults(const struct conf_node *defaults)
{
    static const char *const keys[] = {
        "profile",        "tenant", "requester", "caller",  "protocol",   "proof",
        "authentication", "claims", "csr",       "subject", "names",      "key",
        "validity",       "at",     "build",     "issuer",  "extensions", "alter",
        "approvals",      "expect", "rules",     "usage"};
    for (size_t i = 0; defaults != NULL && i < sizeof keys / sizeof keys[0]; i++) {
        take_all(conf_get(defaults, keys[i]));
    }
}

static enum chancery_err read_root(const struct conf_node *root, const char *trust_domain,
                                   struct arena *arena, struct trial_table_case **out,
                                   size_t *out_n, struct diag *diag)
{
    const struct conf_node *cases = NULL, *defaults = NULL;
    const char *description = NULL;
    int64_t version = 0;
    TRY(conf_int(root, "version", CONF_REQUIRED, 1, 1, &version, diag));
    TRY(conf_string(root, "description", CONF_OPTIONAL, &description, diag));
    TRY(conf_map(root, "defaults", CONF_OPTIONAL, &defaults, diag));
    TRY(conf_list(root, "cases", CONF_REQUIRED, &cases, diag));
    size_t n = conf_count(cases);
    if (n == 0 || n > TRIAL_CASES_MAX) {
        return conf_error(cases, CH_LIMIT, "test.cases", diag, "a file has 1 to %d cases",
                          TRIAL_CASES_MAX);
    }
    struct trial_table_case *list = arena_alloc(arena, n * sizeof *list);
    if (list == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        const struct trial_case_nodes c = {conf_at(cases, i), defaults, arena, trust_domain};
        TRY(read_case(&c, &list[i], diag));
    }
    take_defaults(defaults);
    *out = list;
    *out_n = n;
    return conf_finish(root, diag);
}

enum chancery_err trial_table_read(const struct policy_file *file, const char *trust_domain,
                                   struct arena *arena, struct trial_table_case **out,
                                   size_t *out_n, struct diag *diag)
{
    struct conf_doc *doc = NULL;
    TRY(conf_parse(file->path, file->content, &doc, diag));
    enum chancery_err err = read_root(conf_root(doc), trust_domain, arena, out, out_n, diag);
    conf_free(doc);
    return err;
}
