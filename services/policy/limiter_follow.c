/* What the log says about permitted requests: an INTENT makes an attempt wait for its certificate,
 * a settlement or a discarded signature ends it, a revocation ends the certificate. Only the
 * process whose business it is is believed, as the log itself stamped it. */
#include <jansson.h>
#include <stdio.h>

#include "limiter_int.h"

#define FOLLOW_MEMORY ((size_t)8 << 20)
#define SERIAL_MAX 20 /* RFC 5280 4.1.2.2 */

enum chancery_err policy_follow_start(struct policy_follow *f, uint64_t from)
{
    const char *domain = f->trust_domain;
    arena_clear(&f->arena);
    *f = (struct policy_follow){.trust_domain = domain, .from = from, .next = from};
    arena_init(&f->arena, FOLLOW_MEMORY);
    size_t n = POLICY_FOLLOW_MAX * sizeof(struct slice);
    f->intended = arena_alloc(&f->arena, n);
    f->ended = arena_alloc(&f->arena, n);
    f->issuers = arena_alloc(&f->arena, n);
    f->serials = arena_alloc(&f->arena, n);
    return f->intended == NULL || f->ended == NULL || f->issuers == NULL || f->serials == NULL
               ? CH_NOMEM
               : CH_OK;
}

void policy_follow_clear(struct policy_follow *f)
{
    arena_clear(&f->arena);
}

/* ---- one leaf ---- */

enum kind { KIND_NONE = 0, KIND_INTENT, KIND_SETTLEMENT, KIND_REVOCATION };
static const struct {
    const char *head; /* members of a leaf are sorted: it begins with its action */
    const char *producer;
    enum kind kind;
} kinds[] = {
    {"{\"action\":\"intent\",", "signer", KIND_INTENT},
    {"{\"action\":\"settlement\",", "ca", KIND_SETTLEMENT},
    {"{\"action\":\"revocation\",", "revocation", KIND_REVOCATION},
};
#define KINDS (sizeof kinds / sizeof *kinds)

static size_t kind_of(struct slice leaf)
{
    size_t i = 0;
    while (i < KINDS && (leaf.len < strlen(kinds[i].head) ||
                         memcmp(leaf.ptr, kinds[i].head, strlen(kinds[i].head)) != 0)) {
        i++;
    }
    return i;
}

static enum chancery_err octets(struct policy_follow *f, const json_t *fields, const char *name,
                                size_t least, size_t most, struct slice *out)
{
    uint8_t *space = arena_alloc(&f->arena, most);
    const char *hex = json_string_value(json_object_get(fields, name));
    size_t len = 0;
    if (space == NULL) {
        return CH_NOMEM;
    }
    if (hex == NULL || hex_decode(slice_str(hex), space, most, &len) != CH_OK || len < least) {
        return CH_INTEGRITY;
    }
    *out = slice_of(space, len);
    return CH_OK;
}

static enum chancery_err take_revocation(struct policy_follow *f, const json_t *fields)
{
    const char *issuer = json_string_value(json_object_get(fields, "issuer"));
    if (issuer == NULL) {
        return CH_INTEGRITY;
    }
    const char *copy = arena_str(&f->arena, slice_str(issuer));
    if (copy == NULL) {
        return CH_NOMEM;
    }
    TRY(octets(f, fields, "serial", 1, SERIAL_MAX, &f->serials[f->n_revoked]));
    f->issuers[f->n_revoked++] = slice_str(copy);
    return CH_OK;
}

static enum chancery_err take_fields(struct policy_follow *f, enum kind kind, const json_t *fields)
{
    switch (kind) {
    case KIND_INTENT:
        TRY(octets(f, fields, "tbs", 32, 32, &f->intended[f->n_intended]));
        f->n_intended++;
        return CH_OK;
    case KIND_SETTLEMENT: /* of CRLs too: their hashes are nobody's attempt */
        TRY(octets(f, fields, "tbs", 32, 32, &f->ended[f->n_ended]));
        f->n_ended++;
        return CH_OK;
    case KIND_REVOCATION:
        return take_revocation(f, fields);
    case KIND_NONE:
    default:
        return CH_INTERNAL;
    }
}

static bool believed(const struct policy_follow *f, const json_t *doc, const char *process)
{
    char uri[600];
    const char *producer = json_string_value(json_object_get(doc, "producer"));
    int n = snprintf(uri, sizeof uri, "spiffe://%s/chancery/%s", f->trust_domain, process);
    return producer != NULL && n > 0 && (size_t)n < sizeof uri && strcmp(producer, uri) == 0;
}

enum chancery_err policy_follow_take(struct policy_follow *f, uint64_t index, struct slice leaf,
                                     struct diag *diag)
{
    if (index != f->next) {
        return diag_set(diag, CH_INTEGRITY, "audit", "policy.follow.order",
                        "entry %llu where %llu was due", (unsigned long long)index,
                        (unsigned long long)f->next);
    }
    if (f->next - f->from == POLICY_FOLLOW_MAX) {
        return CH_LIMIT;
    }
    size_t k = kind_of(leaf);
    enum chancery_err err = CH_OK;
    if (k < KINDS) {
        json_t *doc = json_loadb((const char *)leaf.ptr, leaf.len, JSON_REJECT_DUPLICATES, NULL);
        err = doc == NULL ? CH_INTEGRITY
              : believed(f, doc, kinds[k].producer)
                  ? take_fields(f, kinds[k].kind, json_object_get(doc, "f"))
                  : CH_OK;
        json_decref(doc);
    }
    if (err != CH_OK) {
        return diag_set(diag, err, "audit", "policy.follow.entry", "entry %llu: %s",
                        (unsigned long long)index, err_name(err));
    }
    f->next++;
    return CH_OK;
}

/* ---- database ---- */

enum chancery_err policy_follow_store(struct policy_limiter *l, struct policy_follow *f,
                                      int64_t read_s, struct diag *diag)
{
    if (f->next > f->from || read_s > 0) {
        TRY(policy_limiter_store_follow(policy_limiter_db(l), f, read_s, diag));
    }
    return policy_follow_start(f, f->next);
}

enum chancery_err policy_follow_hold(struct policy_limiter *l, uint64_t *out_position,
                                     bool *out_idle, struct diag *diag)
{
    return policy_limiter_store_hold(policy_limiter_db(l), policy_limiter_holder(l), out_position,
                                     out_idle, diag);
}

enum chancery_err policy_follow_skip(struct policy_limiter *l, uint64_t size, struct diag *diag)
{
    return policy_limiter_store_skip(policy_limiter_db(l), size, diag);
}
