/* Compiles officers.yaml and finds officers in it. */
#include "policy/officers.h"

#include <stdlib.h>

#include "policy/policy_int.h"

#define FERMAT_ROUNDS                                                                              \
    100 /* as for the keys that are certified: CA/Browser Forum BR 6.1.1.3 (5)                     \
         */
#define IDENTITY_MAX 512

/* ---- lookup ---- */

const struct policy_officers *policy_officers_of(const struct policy_bundle *b)
{
    return &b->officers;
}

static int by_key(const void *a, const void *b)
{
    const struct policy_officer *x = a, *y = b;
    return memcmp(crypto_public_spki_sha256(x->key), crypto_public_spki_sha256(y->key), 32);
}

const struct policy_officer *policy_officers_by_key(const struct policy_bundle *b,
                                                    const uint8_t spki_sha256[32])
{
    size_t low = 0, high = b->officers.n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const struct policy_officer *o = &b->officers.at[mid];
        int c = memcmp(spki_sha256, crypto_public_spki_sha256(o->key), 32);
        if (c == 0) {
            return o;
        }
        low = c > 0 ? mid + 1 : low;
        high = c < 0 ? mid : high;
    }
    return NULL;
}

bool policy_officer_has_role(const struct policy_officer *o, struct slice role)
{
    return policy_list_has(&(struct policy_list){o->roles, o->n_roles}, role);
}

size_t policy_officers_with_role(const struct policy_bundle *b, struct slice role, bool identified)
{
    size_t n = 0;
    for (size_t i = 0; i < b->officers.n; i++) {
        const struct policy_officer *o = &b->officers.at[i];
        n += policy_officer_has_role(o, role) && (!identified || o->identity.len > 0) ? 1 : 0;
    }
    return n;
}

/* The path of spiffe://domain/path, from its slash on; *domain is what stands before. */
static struct slice path_of(struct slice uri, struct slice *domain)
{
    static const size_t head = 9; /* spiffe:// */
    if (uri.len <= head || memcmp(uri.ptr, "spiffe://", head) != 0) {
        return slice_of(NULL, 0);
    }
    struct slice rest = slice_sub(uri, head, uri.len);
    const uint8_t *slash = memchr(rest.ptr, '/', rest.len);
    size_t n = slash == NULL ? rest.len : (size_t)(slash - rest.ptr);
    *domain = slice_sub(rest, 0, n);
    return slice_sub(rest, n, rest.len);
}

bool policy_officer_is(const struct policy_bundle *b, const struct policy_officer *o,
                       struct slice uri)
{
    struct slice domain = {0};
    if (o->identity.len == 0) {
        return false;
    }
    if (o->identity.ptr[0] != '/') {
        return slice_eq(o->identity, uri);
    }
    return slice_eq(o->identity, path_of(uri, &domain)) &&
           (b->trust_domain.len == 0 || slice_eq(domain, b->trust_domain));
}

/* ---- compiling ---- */

static enum chancery_err wrong(const struct conf_node *at, const char *rule, struct diag *diag,
                               const char *text)
{
    return conf_error(at, CH_INVALID, rule, diag, "%s", text);
}

static enum chancery_err key_sound(const struct policy_bundle *b, const struct crypto_public *key,
                                   struct diag *why)
{
    TRY(approval_key_ok(key, why));
    struct slice n = crypto_public_rsa_n(key);
    if (n.len > 0 && (policy_primes_factor(b, n) != 0 || policy_primes_close(n, FERMAT_ROUNDS))) {
        return diag_set(why, CH_INVALID, "key", "rsa.modulus", "the RSA modulus can be factored");
    }
    return CH_OK;
}

static enum chancery_err officer_key(struct policy_bundle *b, const struct conf_node *m,
                                     struct policy_officer *o, struct diag *diag)
{
    struct buf der CLEANUP(buf_clear);
    struct diag why = {.text = ""};
    const char *text = NULL;
    buf_init(&der, POLICY_OFFICER_KEY_MAX);
    TRY(conf_string(m, "key", CONF_REQUIRED, &text, diag));
    const struct conf_node *at = conf_get(m, "key");
    if (strlen(text) > POLICY_OFFICER_KEY_MAX) {
        return conf_error(at, CH_LIMIT, "officers.key", diag, "a key has at most %d characters",
                          POLICY_OFFICER_KEY_MAX);
    }
    enum chancery_err err = base64_decode(slice_str(text), &der);
    if (err == CH_OK) {
        err = crypto_public_from_spki(buf_slice(&der), &o->key, &why);
    } else {
        (void)diag_set(&why, err, "key", "officers.key", "not base64 on one line");
    }
    if (err == CH_OK) {
        err = key_sound(b, o->key, &why);
    }
    if (err == CH_NOMEM || err == CH_OK) {
        return err;
    }
    return conf_error(at, CH_INVALID, "officers.key", diag,
                      "\"key\" must be the base64 of a sound SubjectPublicKeyInfo (DER): %.160s",
                      why.text);
}

static bool identity_ok(struct slice s)
{
    uint8_t full[IDENTITY_MAX + 16] = "spiffe://x";
    if (s.len < 2 || s.len > IDENTITY_MAX) {
        return false;
    }
    if (s.ptr[0] != '/') {
        return policy_text_spiffe(s);
    }
    memcpy(full + 10, s.ptr, s.len);
    return policy_text_spiffe(slice_of(full, 10 + s.len));
}

static enum chancery_err officer_identity(struct policy_bundle *b, const struct conf_node *m,
                                          struct policy_officer *o, struct diag *diag)
{
    const char *text = NULL;
    TRY(conf_string(m, "identity", CONF_OPTIONAL, &text, diag));
    if (text == NULL) {
        return CH_OK;
    }
    struct slice s = slice_str(text);
    if (!identity_ok(s)) {
        return wrong(conf_get(m, "identity"), "officers.identity", diag,
                     "\"identity\" is one identity, without *: /user/alice, or spiffe://...");
    }
    o->identity = slice_of(arena_copy(&b->arena, s), s.len);
    return o->identity.ptr == NULL ? CH_NOMEM : CH_OK;
}

/* Whether two officers may be one person, as far as identities tell. */
static bool same_person(const struct policy_officer *x, const struct policy_officer *y)
{
    struct slice domain = {0}, p = x->identity, q = y->identity;
    if (p.len == 0 || q.len == 0) {
        return false;
    }
    if (p.ptr[0] == '/' || q.ptr[0] == '/') {
        p = p.ptr[0] == '/' ? p : path_of(p, &domain);
        q = q.ptr[0] == '/' ? q : path_of(q, &domain);
    }
    return slice_eq(p, q);
}

static enum chancery_err check_unique(const struct policy_officers *all,
                                      const struct policy_officer *o, const struct conf_node *m,
                                      struct diag *diag)
{
    for (const struct policy_officer *x = all->at; x < o; x++) {
        if (strcmp(x->id, o->id) == 0) {
            return conf_error(conf_get(m, "id"), CH_INVALID, "officers.duplicate", diag,
                              "officer \"%s\" stands at %s already", o->id, x->source);
        }
        if (by_key(x, o) == 0) {
            return conf_error(conf_get(m, "key"), CH_INVALID, "officers.duplicate", diag,
                              "this is the key of \"%s\" (%s): one person, one key", x->id,
                              x->source);
        }
        if (same_person(x, o)) {
            return conf_error(conf_get(m, "identity"), CH_INVALID, "officers.duplicate", diag,
                              "this is the identity of \"%s\" (%s): nobody counts twice", x->id,
                              x->source);
        }
    }
    return CH_OK;
}

static enum chancery_err compile_officer(struct policy_bundle *b, const struct conf_node *m,
                                         struct diag *diag)
{
    struct policy_officer *o = &b->officers.at[b->officers.n];
    struct policy_list roles = {0};
    const char *id = NULL;
    if (conf_kind(m) != CONF_MAP) {
        return wrong(m, "conf.type", diag, "an officer is {id, identity, key, roles}");
    }
    TRY(conf_string(m, "id", CONF_REQUIRED, &id, diag));
    if (!approval_step_ok(slice_str(id))) {
        return wrong(conf_get(m, "id"), "officers.id", diag,
                     "\"id\" must be 1 to 64 of a-z 0-9 - .");
    }
    TRY(officer_identity(b, m, o, diag));
    TRY(policy_compile_list(b, m, "roles", CONF_REQUIRED, true, approval_step_ok, &roles, diag));
    if (roles.n > POLICY_OFFICER_ROLES_MAX) {
        return conf_error(conf_get(m, "roles"), CH_LIMIT, "policy.list", diag,
                          "an officer has at most %d roles", POLICY_OFFICER_ROLES_MAX);
    }
    o->roles = roles.at;
    o->n_roles = roles.n;
    o->id = arena_str(&b->arena, slice_str(id));
    o->source = policy_compile_source(b, m);
    if (o->id == NULL || o->source == NULL) {
        return CH_NOMEM;
    }
    enum chancery_err err = officer_key(b, m, o, diag);
    if (err == CH_OK) {
        err = check_unique(&b->officers, o, m, diag);
    }
    if (err != CH_OK) {
        crypto_public_free(o->key);
        o->key = NULL;
        return err;
    }
    b->officers.n++;
    return CH_OK;
}

static enum chancery_err compile_promotion(struct policy_bundle *b, const struct conf_node *root,
                                           struct diag *diag)
{
    const struct conf_node *m = NULL;
    const char *role = NULL;
    int64_t quorum = 0;
    TRY(conf_map(root, "promotion", CONF_OPTIONAL, &m, diag));
    if (m == NULL) {
        return CH_OK;
    }
    TRY(conf_string(m, "role", CONF_REQUIRED, &role, diag));
    TRY(conf_int(m, "quorum", CONF_REQUIRED, 1, POLICY_QUORUM_MAX, &quorum, diag));
    struct slice s = slice_str(role);
    size_t have = policy_officers_with_role(b, s, false);
    if (have < (size_t)quorum) {
        return conf_error(conf_get(m, "quorum"), CH_INVALID, "officers.quorum", diag,
                          "%lld officers with the role \"%.64s\" are wanted, but %zu have it",
                          (long long)quorum, role, have);
    }
    b->officers.promotion_role = slice_of(arena_copy(&b->arena, s), s.len);
    b->officers.promotion_quorum = (unsigned)quorum;
    b->officers.promotion_source = policy_compile_source(b, m);
    return b->officers.promotion_role.ptr == NULL || b->officers.promotion_source == NULL ? CH_NOMEM
                                                                                          : CH_OK;
}

static enum chancery_err compile_root(struct policy_bundle *b, const struct conf_node *root,
                                      struct diag *diag)
{
    const struct conf_node *list = NULL;
    TRY(conf_list(root, "officers", CONF_REQUIRED, &list, diag));
    size_t n = conf_count(list);
    if (n == 0 || n > POLICY_OFFICERS_MAX) {
        return conf_error(list, CH_LIMIT, "policy.list", diag,
                          "\"officers\" must have 1 to %d "
                          "entries",
                          POLICY_OFFICERS_MAX);
    }
    b->officers.at = arena_alloc(&b->arena, n * sizeof *b->officers.at);
    b->officers.source = policy_compile_source(b, list);
    if (b->officers.at == NULL || b->officers.source == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        TRY(compile_officer(b, conf_at(list, i), diag));
    }
    qsort(b->officers.at, n, sizeof *b->officers.at, by_key);
    TRY(compile_promotion(b, root, diag));
    return conf_finish(root, diag);
}

enum chancery_err policy_officers_compile(struct policy_bundle *b, const struct policy_file *f,
                                          struct diag *diag)
{
    struct conf_doc *doc = NULL;
    TRY(conf_parse(f->path, f->content, &doc, diag));
    enum chancery_err err = compile_root(b, conf_root(doc), diag);
    conf_free(doc);
    return err;
}

void policy_officers_clear(struct policy_officers *o)
{
    for (size_t i = 0; i < o->n; i++) {
        crypto_public_free(o->at[i].key);
    }
    *o = (struct policy_officers){.n = 0};
}
