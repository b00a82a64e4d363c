/* RevocationService: Revoke, GetStatus, ListCrls. */
#include <stdio.h>

#include "chancery/revocation/v1/revocation.pb-c.h"
#include "log/log.h"
#include "os/os.h"
#include "revocation.h"

#define STATUS_KEYS_MAX 1000

/* Enum values are RFC 5280's CRLReason plus one; 0 is unspecified. */
static bool reason_read(int reason, unsigned *out)
{
    static const int known[] = {0, 2, 3, 4, 5, 6, 10};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (known[i] == reason) {
            *out = reason == 0 ? 0U : (unsigned)reason - 1U;
            return true;
        }
    }
    return false;
}

static int reason_write(unsigned crl_reason)
{
    return crl_reason == 0 ? 0 : (int)crl_reason + 1;
}

/* A refusal of a known caller is logged (I5); when the log is away the caller gets the refusal
 * anyway: nothing has happened. */
static enum chancery_err log_refusal(struct revocation *rv, const char *caller,
                                     enum chancery_err why, const struct diag *detail,
                                     struct slice issuer, struct slice serial)
{
    struct diag diag = {0};
    bool utf8 = slice_is_utf8(issuer) && !slice_has_nul(issuer) && issuer.len <= 64;
    const struct daemon_field fields[] = {
        DAEMON_STR("caller", caller),
        DAEMON_STR("code", err_name(why)),
        DAEMON_STR("field", detail->field),
        DAEMON_TEXT("issuer", utf8 ? issuer : slice_str("?")),
        DAEMON_STR("method", "Revoke"),
        DAEMON_STR("rule", detail->rule),
        DAEMON_DIGEST("serial", slice_sub(serial, 0, 32)),
        DAEMON_STR("service", "chancery.revocation.v1.RevocationService")};
    enum chancery_err err = daemon_audit(rv->d, "refusal", fields, 8, NULL, &diag);
    if (err != CH_OK) {
        log_diag(LOG_LEVEL_WARN, "revocation.refusal_not_logged", err, &diag);
    }
    return err;
}

static void log_refusals(struct revocation *rv, const struct revocation_order *orders,
                         const struct revocation_outcome *outcomes, size_t n, const char *caller)
{
    for (size_t i = 0; i < n; i++) {
        const struct revocation_outcome *o = &outcomes[i];
        if ((o->err == CH_NOT_FOUND || o->err == CH_INVALID) &&
            log_refusal(rv, caller, o->err, &o->diag, orders[i].issuer_id, orders[i].serial) !=
                CH_OK) {
            return;
        }
    }
}

static enum chancery_err fill_results(struct arena *arena,
                                      const struct revocation_outcome *outcomes, size_t n,
                                      Chancery__Revocation__V1__RevokeResponse *out)
{
    out->items = arena_alloc(arena, n * sizeof(out->items[0]));
    if (out->items == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        Chancery__Revocation__V1__RevokeResult *r = arena_alloc(arena, sizeof(*r));
        if (r == NULL) {
            return CH_NOMEM;
        }
        chancery__revocation__v1__revoke_result__init(r);
        if (outcomes[i].err != CH_OK) {
            r->error = rpc_error_detail(arena, outcomes[i].err, &outcomes[i].diag);
        } else {
            r->revoked_at_s = outcomes[i].revoked_at_s;
            r->already_revoked = outcomes[i].already;
            r->log_index = outcomes[i].log_index;
        }
        out->items[i] = r;
    }
    out->n_items = n;
    return CH_OK;
}

static bool is_registration(const struct revocation *rv, const char *caller)
{
    char uri[256];
    return daemon_uri(rv->d, "/chancery/registration", uri, sizeof(uri)) == CH_OK &&
           strcmp(uri, caller) == 0;
}

/* On whose behalf: only registration may say. */
static enum chancery_err actor_of(const struct revocation *rv, struct rpc_call *call,
                                  const char *asked, const char **out)
{
    const char *caller = rpc_caller(call);
    struct slice s = slice_str(asked);
    if (s.len == 0) {
        *out = caller;
        return CH_OK;
    }
    if (!is_registration(rv, caller)) {
        return diag_set(rpc_diag(call), CH_DENIED, "actor", "revoke.actor",
                        "only registration revokes on behalf of others");
    }
    if (s.len > 512 || !slice_is_utf8(s)) {
        return diag_set(rpc_diag(call), CH_INVALID, "actor", "revoke.actor",
                        "an identity URI of at most 512 octets");
    }
    *out = asked;
    return CH_OK;
}

static enum chancery_err on_revoke(struct rpc_call *call, const ProtobufCMessage *in,
                                   ProtobufCMessage *out, void *ctx)
{
    struct revocation *rv = ctx;
    const Chancery__Revocation__V1__RevokeRequest *q =
        (const Chancery__Revocation__V1__RevokeRequest *)in;
    struct arena *arena = rpc_arena(call);
    const char *actor = NULL;
    if (q->n_items == 0 || q->n_items > REVOCATION_ITEMS_MAX) {
        return diag_set(rpc_diag(call), CH_LIMIT, "items", "revoke.items", "1 to %d items",
                        REVOCATION_ITEMS_MAX);
    }
    enum chancery_err err = actor_of(rv, call, q->actor, &actor);
    if (err != CH_OK) {
        (void)log_refusal(rv, rpc_caller(call), err, rpc_diag(call), slice_of("", 0),
                          slice_of("", 0));
        return err;
    }
    struct revocation_order *orders = arena_alloc(arena, q->n_items * sizeof(*orders));
    struct revocation_outcome *outcomes = arena_alloc(arena, q->n_items * sizeof(*outcomes));
    if (orders == NULL || outcomes == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < q->n_items; i++) {
        orders[i].issuer_id = slice_str(q->items[i]->issuer_id);
        orders[i].serial = rpc_slice(q->items[i]->serial);
        if (!reason_read((int)q->items[i]->reason, &orders[i].reason)) {
            orders[i].reason = UINT32_MAX; /* refused with its item */
        }
    }
    TRY(revocation_revoke(rv, orders, q->n_items, actor, rpc_caller(call), os_now_s(), arena,
                          outcomes, rpc_diag(call)));
    log_refusals(rv, orders, outcomes, q->n_items, rpc_caller(call));
    return fill_results(arena, outcomes, q->n_items,
                        (Chancery__Revocation__V1__RevokeResponse *)out);
}

static enum chancery_err on_status(struct rpc_call *call, const ProtobufCMessage *in,
                                   ProtobufCMessage *out, void *ctx)
{
    struct revocation *rv = ctx;
    const Chancery__Revocation__V1__GetStatusRequest *q =
        (const Chancery__Revocation__V1__GetStatusRequest *)in;
    Chancery__Revocation__V1__GetStatusResponse *a =
        (Chancery__Revocation__V1__GetStatusResponse *)out;
    struct arena *arena = rpc_arena(call);
    size_t n = q->n_keys;
    if (n == 0 || n > STATUS_KEYS_MAX) {
        return diag_set(rpc_diag(call), CH_LIMIT, "keys", "status.keys", "1 to %d keys",
                        STATUS_KEYS_MAX);
    }
    struct revocation_key *keys = arena_alloc(arena, n * sizeof(*keys));
    struct revocation_known *known = arena_alloc(arena, n * sizeof(*known));
    a->statuses = arena_alloc(arena, n * sizeof(a->statuses[0]));
    if (keys == NULL || known == NULL || a->statuses == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        const struct revocation_issuer *x =
            revocation_issuer_find(rv, slice_str(q->keys[i]->issuer_id));
        keys[i] = (struct revocation_key){x == NULL ? "" : x->id, rpc_slice(q->keys[i]->serial)};
    }
    TRY(revocation_known_read(rv->db, keys, n, known, rpc_diag(call)));
    for (size_t i = 0; i < n; i++) {
        Chancery__Revocation__V1__CertStatus *s = arena_alloc(arena, sizeof(*s));
        if (s == NULL) {
            return CH_NOMEM;
        }
        chancery__revocation__v1__cert_status__init(s);
        /* Voided and discarded ones are revoked within a second: until then "unknown". */
        const char *text = known[i].revoked ? "revoked" : known[i].state == 2 ? "good" : "unknown";
        s->status = arena_str(arena, slice_str(text));
        if (s->status == NULL) {
            return CH_NOMEM;
        }
        if (known[i].revoked) {
            s->reason = (Chancery__Revocation__V1__Reason)reason_write(known[i].row.reason);
            s->revoked_at_s = known[i].row.revoked_at_s;
        }
        a->statuses[i] = s;
    }
    a->n_statuses = n;
    return CH_OK;
}

static enum chancery_err add_crls(struct revocation *rv, const struct revocation_issuer *x,
                                  struct arena *arena,
                                  Chancery__Revocation__V1__ListCrlsResponse *a)
{
    for (uint32_t shard = 0; shard < x->shards; shard++) {
        pthread_mutex_lock(&rv->lock);
        struct revocation_published p = x->published[shard];
        pthread_mutex_unlock(&rv->lock);
        Chancery__Revocation__V1__CrlInfo *c = arena_alloc(arena, sizeof(*c));
        if (c == NULL) {
            return CH_NOMEM;
        }
        chancery__revocation__v1__crl_info__init(c);
        c->issuer_id = arena_str(arena, slice_str(x->id));
        c->url = arena_printf(arena, "%s/%s/%u.crl", x->crl_base, x->id, shard);
        if (c->issuer_id == NULL || c->url == NULL) {
            return CH_NOMEM;
        }
        c->shard = shard;
        c->number = p.number;
        c->this_update_s = p.this_update_s;
        c->next_update_s = p.next_update_s;
        c->entries = p.entries;
        if (p.number > 0) {
            a->crls[a->n_crls++] = c;
        }
    }
    return CH_OK;
}

static enum chancery_err on_list(struct rpc_call *call, const ProtobufCMessage *in,
                                 ProtobufCMessage *out, void *ctx)
{
    struct revocation *rv = ctx;
    Chancery__Revocation__V1__ListCrlsResponse *a =
        (Chancery__Revocation__V1__ListCrlsResponse *)out;
    (void)in;
    a->crls = arena_alloc(rpc_arena(call), (rv->n_series + 1) * sizeof(a->crls[0]));
    if (a->crls == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < rv->n_issuers; i++) {
        TRY(add_crls(rv, &rv->issuers[i], rpc_arena(call), a));
    }
    return CH_OK;
}

enum chancery_err revocation_rpc_add(struct revocation *rv)
{
    static const char *const readers[] = {"/chancery/registration", "/user/*", NULL};
    static struct rpc_method methods[] = {
        {"Revoke", RPC_UNARY, on_revoke, NULL},
        {"GetStatus", RPC_UNARY, on_status, readers},
        {"ListCrls", RPC_UNARY, on_list, readers},
    };
    methods[0].callers = rv->conf.revokers;
    return rpc_server_add(daemon_server(rv->d),
                          &chancery__revocation__v1__revocation_service__descriptor, methods, 3,
                          rv);
}
