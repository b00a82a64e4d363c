#include "limiter_fix.h"

#include <stdio.h>
#include <stdlib.h>

struct test_postgres limits_pg;
static struct db_pool *pool;

static struct db_pool *pool_make(unsigned size)
{
    char conninfo[256];
    struct db_pool *p = NULL;
    test_postgres_conninfo(&limits_pg, "chancery_policy", conninfo, sizeof conninfo);
    const struct db_pool_opts opts = {.conninfo = conninfo, .size = size};
    assert_int_equal(db_pool_new(&opts, &p, NULL), CH_OK);
    return p;
}

int limits_set_up(void **state)
{
    (void)state;
    test_postgres_start(&limits_pg);
    test_postgres_migrate(&limits_pg);
    pool = pool_make(2);
    return 0;
}

int limits_tear_down(void **state)
{
    (void)state;
    db_pool_free(pool);
    test_postgres_end(&limits_pg);
    return 0;
}

void limits_empty(void)
{
    test_postgres_admin(&limits_pg,
                        "TRUNCATE policy.limit_scope, policy.limit_lease, policy.permitted, "
                        "policy.attempt; UPDATE policy.log_cursor SET position = 0, holder = NULL, "
                        "held_ns = 0");
}

int64_t limits_int(const char *sql)
{
    struct db_conn *conn = NULL;
    struct db_result *r = NULL;
    struct diag d = {0};
    assert_int_equal(db_acquire(pool, &conn, &d), CH_OK);
    if (db_exec(conn, sql, NULL, 0, &r, &d) != CH_OK) {
        fail_msg("%s: %s", sql, d.text);
    }
    int64_t v = db_is_null(r, 0, 0) ? 0 : db_int(r, 0, 0);
    db_result_free(r);
    db_release(conn);
    return v;
}

void limits_sound(void)
{
    assert_int_equal(
        limits_int("SELECT count(*) FROM policy.limit_scope s FULL JOIN (SELECT k.key, count(*) AS "
                   "n FROM policy.permitted p, unnest(p.scopes) AS k(key) WHERE p.state = 1 GROUP "
                   "BY k.key) c ON c.key = s.key WHERE coalesce(s.active, 0) <> coalesce(c.n, 0)"),
        0);
}

struct instance limits_instance(unsigned n, unsigned lease_ms)
{
    struct instance i = {.pool = pool_make(4)};
    uint8_t holder[16] = {(uint8_t)n, 1};
    const struct policy_limiter_opts opts = {.db = i.pool, .holder = holder, .lease_ms = lease_ms};
    assert_int_equal(policy_limiter_new(&opts, &i.l), CH_OK);
    return i;
}

void limits_instance_end(struct instance *i)
{
    policy_limiter_free(i->l);
    db_pool_free(i->pool);
}

struct rules rules_make(int64_t n, int64_t period_s, int64_t burst, int64_t active)
{
    struct rules r = {.limits.key_reuse = POLICY_KEY_ALLOW};
    r.limits.source = "test";
    r.limits.requester = (struct policy_limit){.period_s = period_s,
                                               .interval_ns = n == 0 ? 0 : period_s * NS_PER_S / n,
                                               .burst = burst,
                                               .active = active};
    return r;
}

void rules_apply(struct rules *r)
{
    const struct policy_limit *q = &r->limits.requester, *w = &r->limits.whole;
    bool marks = r->limits.duplicates_refused || r->limits.key_reuse != POLICY_KEY_ALLOW;
    r->applied = (struct policy_applied){
        .profile = &r->limits, .any = true, .counts = marks || q->active > 0 || w->active > 0};
    r->applied.scopes[POLICY_SCOPE_REQUESTER] = q->interval_ns > 0 || q->active > 0 ? q : NULL;
    r->applied.scopes[POLICY_SCOPE_PROFILE] = w->interval_ns > 0 || w->active > 0 ? w : NULL;
}

static void digest_of(const char *kind, unsigned id, unsigned attempt, uint8_t out[32])
{
    char text[64];
    (void)snprintf(text, sizeof text, "%s %u %u", kind, id, attempt);
    crypto_sha256(slice_str(text), out);
}

void asked_make(struct asked *a, const struct rules *r, unsigned id, unsigned attempt)
{
    uint8_t serial[32];
    *a = (struct asked){.name = ""};
    digest_of("request", id, 0, a->digest);
    digest_of("tbs", id, attempt, a->tbs);
    digest_of("key", id, 0, a->key);
    digest_of("serial", id, attempt, serial);
    memcpy(a->serial, serial, sizeof a->serial);
    (void)snprintf(a->name, sizeof a->name, "host-%u.test", id);
    a->san = (struct permit_san){3, slice_str(a->name)};
    a->request =
        (struct permit_request){.tenant = slice_str("default"),
                                .profile = slice_str("test"),
                                .requester = slice_str("spiffe://chancery.test/user/alice"),
                                .spki_sha256 = slice_of(a->key, 32),
                                .sans = &a->san,
                                .n_sans = 1};
    a->ask = (struct policy_ask){.limits = &r->applied,
                                 .request = &a->request,
                                 .digest = a->digest,
                                 .tbs_sha256 = a->tbs,
                                 .issuer_id = "issuing-1",
                                 .serial = slice_of(a->serial, sizeof a->serial),
                                 .not_after_s = LIMITS_NOW + 90 * 86400};
}

static void admit(struct instance *i, struct policy_ask *asks, size_t n)
{
    struct diag d = {0};
    if (policy_limiter_admit(i->l, asks, n, LIMITS_NOW, LIMITS_NOW + 60, false, &d) != CH_OK) {
        fail_msg("%s %s %s", d.field, d.rule, d.text);
    }
}

bool asked_one(struct instance *i, struct asked *a)
{
    admit(i, &a->ask, 1);
    return a->ask.usage.recorded;
}

size_t asked_some(struct instance *i, const struct rules *r, unsigned first, size_t n)
{
    struct asked *all = calloc(n, sizeof *all);
    struct policy_ask asks[PERMIT_BATCH_MAX];
    size_t taken = 0;
    for (size_t k = 0; k < n; k++) {
        asked_make(&all[k], r, first + (unsigned)k, 1);
        asks[k] = all[k].ask;
    }
    admit(i, asks, n);
    for (size_t k = 0; k < n; k++) {
        taken += asks[k].usage.recorded ? 1 : 0;
    }
    free(all);
    return taken;
}
