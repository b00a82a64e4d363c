/* `alter`: the TBS written anew with something changed in it. */
#include <stdlib.h>

#include "der/der.h"
#include "policy/tbs.h"
#include "trial/table_int.h"
#include "trial/words.h"

#define LIST_MAX 32
#define LIFE_MAX_S (INT64_C(200) * 366 * 86400)

/* "+1d", "-30m". */
static enum chancery_err read_shift(const struct conf_node *map, const char *key, int64_t *out,
                                    bool *out_given, struct diag *diag)
{
    const char *text = NULL;
    int64_t s = 0;
    TRY(conf_string(map, key, CONF_OPTIONAL, &text, diag));
    if (text == NULL) {
        return CH_OK;
    }
    if ((text[0] != '+' && text[0] != '-') || !trial_words_duration_read(text + 1, &s) ||
        s > LIFE_MAX_S) {
        return conf_error(conf_get(map, key), CH_INVALID, "test.alter", diag,
                          "\"%s\" is moved by a duration with a sign, such as +1d or -30m", key);
    }
    *out = text[0] == '-' ? -s : s;
    *out_given = true;
    return CH_OK;
}

static enum chancery_err read_serial(const struct conf_node *map, struct arena *arena,
                                     struct trial_alter *out, struct diag *diag)
{
    const char *text = NULL;
    size_t len = 0;
    TRY(conf_string(map, "serial", CONF_OPTIONAL, &text, diag));
    if (text == NULL) {
        return CH_OK;
    }
    uint8_t *octets = arena_alloc(arena, 32);
    if (octets == NULL) {
        return CH_NOMEM;
    }
    if (hex_decode(slice_str(text), octets, 32, &len) != CH_OK || len == 0) {
        return conf_error(conf_get(map, "serial"), CH_INVALID, "test.alter", diag,
                          "\"serial\" is written in hex digits, at most 32 octets");
    }
    out->serial = slice_of(octets, len);
    return CH_OK;
}

static enum chancery_err read_dropped(const struct conf_node *map, struct arena *arena,
                                      struct trial_alter *out, struct diag *diag)
{
    const struct conf_node *list = NULL;
    TRY(conf_list(map, "drop", CONF_OPTIONAL, &list, diag));
    size_t n = conf_count(list);
    struct slice *oids = arena_alloc(arena, (n + 1) * sizeof *oids);
    if (oids == NULL) {
        return CH_NOMEM;
    }
    if (n > LIST_MAX) {
        return conf_error(list, CH_LIMIT, "test.alter", diag, "at most %d", LIST_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        TRY(trial_read_oid(conf_at(list, i), arena, &oids[i], diag));
    }
    out->dropped = oids;
    out->n_dropped = n;
    return CH_OK;
}

static enum chancery_err read_alg(const struct conf_node *map, struct trial_alter *out,
                                  struct diag *diag)
{
    const char *text = NULL;
    TRY(conf_string(map, "signature_algorithm", CONF_OPTIONAL, &text, diag));
    if (text == NULL) {
        return CH_OK;
    }
    out->alg = crypto_alg_from_name(text);
    return out->alg != CRYPTO_ALG_NONE
               ? CH_OK
               : conf_error(conf_get(map, "signature_algorithm"), CH_INVALID, "test.alter", diag,
                            "unknown signature algorithm; docs/POLICY.md lists them");
}

enum chancery_err trial_read_alter(const struct conf_node *map, struct arena *arena,
                                   struct trial_alter *out, struct diag *diag)
{
    const struct conf_node *n;
    bool shifted = false;
    struct x509_san *sans = NULL;
    struct x509_extension *extensions = NULL;
    if (conf_kind(map) != CONF_MAP || conf_count(map) == 0) {
        return conf_error(map, CH_INVALID, "test.alter", diag,
                          "\"alter\" is a map such as {not_after: +1d}");
    }
    out->any = true;
    TRY(read_shift(map, "not_before", &out->not_before_shift_s, &shifted, diag));
    TRY(read_shift(map, "not_after", &out->not_after_shift_s, &shifted, diag));
    TRY(read_serial(map, arena, out, diag));
    TRY(read_alg(map, out, diag));
    TRY(read_dropped(map, arena, out, diag));
    if ((n = conf_get(map, "subject")) != NULL) {
        out->subject_set = true;
        TRY(trial_read_subject(n, arena, &out->subject, diag));
    }
    if ((n = conf_get(map, "names")) != NULL) {
        out->names_set = true;
        TRY(trial_read_names(n, arena, &sans, &out->n_sans, diag));
    }
    if ((n = conf_get(map, "extensions")) != NULL) {
        TRY(trial_read_extensions(n, arena, &extensions, &out->n_extensions, diag));
    }
    if ((n = conf_get(map, "key")) != NULL) {
        TRY(trial_read_key(n, arena, &out->spki, diag));
    }
    out->sans = sans;
    out->extensions = extensions;
    return CH_OK;
}

/* ---- usage ---- */

static enum chancery_err read_scope(const struct conf_node *map, const char *key,
                                    struct policy_scope_usage *out, struct diag *diag)
{
    const struct conf_node *n = NULL;
    bool exhausted = false;
    TRY(conf_map(map, key, CONF_OPTIONAL, &n, diag));
    if (n == NULL) {
        return CH_OK;
    }
    TRY(conf_bool(n, "rate_exhausted", CONF_OPTIONAL, &exhausted, diag));
    TRY(conf_int(n, "active", CONF_OPTIONAL, 0, POLICY_ACTIVE_MAX, &out->active, diag));
    out->granted = !exhausted;
    out->retry_after_s = exhausted ? 60 : 0;
    return CH_OK;
}

enum chancery_err trial_read_usage(const struct conf_node *map, int64_t at_s,
                                   struct policy_usage *out, struct diag *diag)
{
    static const char *const scopes[POLICY_SCOPES] = {[POLICY_SCOPE_REQUESTER] = "requester",
                                                      [POLICY_SCOPE_PROFILE] = "profile",
                                                      [POLICY_SCOPE_TENANT_REQUESTER] =
                                                          "tenant_requester",
                                                      [POLICY_SCOPE_TENANT] = "tenant"};
    const char *key = NULL;
    int64_t left = 0;
    if (conf_kind(map) != CONF_MAP) {
        return conf_error(map, CH_INVALID, "test.usage", diag,
                          "\"usage\" is a map such as {requester: {active: 500}}");
    }
    for (size_t i = 0; i < POLICY_SCOPES; i++) {
        TRY(read_scope(map, scopes[i], &out->scopes[i], diag));
    }
    TRY(conf_duration_s(map, "duplicate_ends_in", CONF_OPTIONAL, 1, LIFE_MAX_S, &left, diag));
    TRY(conf_string(map, "key_used_by", CONF_OPTIONAL, &key, diag));
    out->duplicate_not_after_s = left == 0 ? 0 : at_s + left;
    out->key_same = key != NULL && strcmp(key, "requester") == 0;
    out->key_other = key != NULL && strcmp(key, "another") == 0;
    return key == NULL || out->key_same || out->key_other
               ? CH_OK
               : conf_error(conf_get(map, "key_used_by"), CH_INVALID, "test.usage", diag,
                            "\"key_used_by\" is requester or another");
}

/* ---- writing ---- */

struct list {
    struct x509_extension at[POLICY_TBS_EXTENSIONS + X509_EXTENSIONS_MAX];
    size_t n;
};

static struct x509_extension *find(struct list *l, struct slice oid)
{
    for (size_t i = 0; i < l->n; i++) {
        if (slice_eq(l->at[i].oid, oid)) {
            return &l->at[i];
        }
    }
    return NULL;
}

static void put(struct list *l, struct x509_extension e)
{
    struct x509_extension *old = find(l, e.oid);
    if (old != NULL) {
        *old = e;
    } else if (l->n < sizeof l->at / sizeof l->at[0]) { /* room for a TBS and all of a case */
        l->at[l->n++] = e;
    }
}

static enum chancery_err put_names(const struct trial_alter *a, struct arena *arena, struct list *l)
{
    struct buf b CLEANUP(buf_clear);
    const struct x509_extension *old = find(l, X509_EXT_SAN);
    buf_init(&b, X509_TBS_MAX);
    TRY(x509_ext_san(a->sans, a->n_sans, &b));
    uint8_t *copy = arena_copy(arena, buf_slice(&b));
    put(l,
        (struct x509_extension){X509_EXT_SAN, old != NULL && old->critical, slice_of(copy, b.len)});
    return copy == NULL ? CH_NOMEM : CH_OK;
}

static bool is_dropped(const struct trial_alter *a, struct slice oid)
{
    for (size_t i = 0; i < a->n_dropped; i++) {
        if (slice_eq(a->dropped[i], oid)) {
            return true;
        }
    }
    return false;
}

static struct slice unsigned_of(struct slice serial)
{
    return serial.len > 1 && serial.ptr[0] == 0 ? slice_sub(serial, 1, serial.len) : serial;
}

static enum chancery_err rewrite(const struct trial_alter *a, const struct policy_tbs *was,
                                 struct arena *arena, struct buf *out)
{
    struct list l = {.n = 0};
    for (size_t i = 0; i < was->n_extensions; i++) {
        const struct policy_tbs_extension *e = &was->extensions[i];
        if (!is_dropped(a, e->oid)) {
            put(&l, (struct x509_extension){e->oid, e->critical, e->value});
        }
    }
    if (a->names_set) {
        TRY(put_names(a, arena, &l));
    }
    for (size_t i = 0; i < a->n_extensions; i++) {
        put(&l, a->extensions[i]);
    }
    const struct x509_tbs t = {
        .serial = a->serial.len > 0 ? a->serial : unsigned_of(was->serial),
        .alg = a->alg != CRYPTO_ALG_NONE ? a->alg : crypto_alg_from_der(was->algorithm),
        .issuer = was->issuer,
        .not_before_s = was->not_before_s + a->not_before_shift_s,
        .not_after_s = was->not_after_s + a->not_after_shift_s,
        .subject = a->subject_set ? a->subject : was->subject,
        .spki = a->spki.len > 0 ? a->spki : was->spki,
        .extensions = l.at,
        .n_extensions = l.n};
    return x509_tbs_write(&t, out);
}

enum chancery_err trial_alter_tbs(const struct trial_alter *a, struct slice tbs,
                                  struct arena *arena, struct slice *out, struct diag *diag)
{
    struct policy_tbs was;
    struct buf b CLEANUP(buf_clear);
    buf_init(&b, X509_TBS_MAX + 16);
    if (policy_tbs_read(tbs, &was) != NULL || rewrite(a, &was, arena, &b) != CH_OK) {
        return diag_set(diag, CH_INVALID, "alter", "test.alter",
                        "the altered certificate cannot be written");
    }
    uint8_t *copy = arena_copy(arena, buf_slice(&b));
    *out = slice_of(copy, b.len);
    return copy == NULL ? CH_NOMEM : CH_OK;
}
