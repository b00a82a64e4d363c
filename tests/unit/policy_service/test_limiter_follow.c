/* What frees a place: settlements, discarded signatures, revocations, permits that were never used,
 * ends of life; each taken from lines of the log as their producers write them, once, whatever dies
 * in between. */
#include "limiter_fix.h"

#include <stdio.h>
#include <stdlib.h>

static struct asked a;
static struct policy_follow f = {.trust_domain = "chancery.test"};
static uint64_t at; /* index of the next entry */

static enum chancery_err entry(const char *process, const char *action, const char *fields)
{
    char line[1024];
    struct diag d = {0};
    int n =
        snprintf(line, sizeof line,
                 "{\"action\":\"%s\",\"boot\":\"000102030405060708090a0b0c0d0e0f\",\"f\":{%s},"
                 "\"producer\":\"spiffe://chancery.test/chancery/%s\",\"pseq\":7,\"ts\":1,\"v\":1}",
                 action, fields, process);
    assert_true(n > 0 && (size_t)n < sizeof line);
    enum chancery_err err = policy_follow_take(&f, at, slice_str(line), &d);
    at += err == CH_OK ? 1 : 0;
    return err;
}

static void tbs_entry(const char *process, const char *action, const struct asked *x)
{
    char hex[65], fields[200];
    hex_encode(slice_of(x->tbs, 32), hex);
    (void)snprintf(fields, sizeof fields, "\"outcome\":\"discarded\",\"tbs\":\"%s\"", hex);
    assert_int_equal(entry(process, action, fields), CH_OK);
}

static void revoke_entry(const char *process, const char *issuer, const struct asked *x)
{
    char hex[65], fields[200];
    hex_encode(slice_of(x->serial, sizeof x->serial), hex);
    (void)snprintf(fields, sizeof fields, "\"issuer\":\"%s\",\"reason\":4,\"serial\":\"%s\"",
                   issuer, hex);
    assert_int_equal(entry(process, "revocation", fields), CH_OK);
}

static void store(struct instance *i, int64_t read_s)
{
    struct diag d = {0};
    if (policy_follow_store(i->l, &f, read_s, &d) != CH_OK) {
        fail_msg("%s %s", d.rule, d.text);
    }
    limits_sound();
}

static int64_t active(void)
{
    return limits_int("SELECT sum(active)::bigint FROM policy.limit_scope");
}

static struct rules begin(struct instance *i, int64_t most)
{
    struct rules r = rules_make(0, 0, 0, most);
    limits_empty();
    *i = limits_instance(1, 0);
    at = 0;
    assert_int_equal(policy_follow_start(&f, 0), CH_OK);
    return r;
}

static void take(struct instance *i, const struct rules *r, unsigned id, unsigned attempt)
{
    asked_make(&a, r, id, attempt);
    assert_true(asked_one(i, &a));
}

static void settled_and_discarded_attempts_free_their_place(void **state)
{
    (void)state;
    struct instance one;
    struct rules r = begin(&one, 2);
    rules_apply(&r);
    take(&one, &r, 1, 1);
    tbs_entry("signer", "intent", &a);
    tbs_entry("ca", "settlement", &a);
    take(&one, &r, 2, 1);
    tbs_entry("signer", "intent", &a);
    assert_int_equal(asked_some(&one, &r, 10, 1), 0);
    store(&one, 0);
    assert_int_equal(active(), 1);
    assert_int_equal(asked_some(&one, &r, 10, 2), 1);
    assert_int_equal(limits_int("SELECT count(*) FROM policy.attempt WHERE state = 2"), 1);
    limits_instance_end(&one);
}

static void request_counts_while_one_attempt_lives(void **state)
{
    (void)state;
    struct instance one;
    struct rules r = begin(&one, 5);
    struct asked first;
    rules_apply(&r);
    take(&one, &r, 1, 1);
    first = a;
    tbs_entry("signer", "intent", &first);
    take(&one, &r, 1, 2);
    tbs_entry("signer", "intent", &a);
    tbs_entry("ca", "settlement", &first);
    store(&one, 0);
    assert_int_equal(active(), 1);
    revoke_entry("revocation", "issuing-1",
                 &first); /* what is void gets revoked: nothing changes */
    store(&one, 0);
    assert_int_equal(active(), 1);
    revoke_entry("revocation", "issuing-2", &a); /* of another issuer */
    store(&one, 0);
    assert_int_equal(active(), 1);
    revoke_entry("revocation", "issuing-1", &a);
    store(&one, 0);
    assert_int_equal(active(), 0);
    take(&one, &r, 1, 3); /* and it may come back */
    assert_int_equal(active(), 1);
    limits_sound();
    limits_instance_end(&one);
}

static void permit_that_was_never_used_ends_when_the_log_proves_it(void **state)
{
    (void)state;
    struct instance one;
    struct rules r = begin(&one, 5);
    rules_apply(&r);
    take(&one, &r, 1, 1);
    tbs_entry("signer", "intent", &a);
    take(&one, &r, 2, 1); /* its ca died before the signer heard of it */
    store(&one, LIMITS_NOW + 60 + 120);
    assert_int_equal(active(), 2);
    store(&one, 0); /* not read to its end: an INTENT may be there */
    assert_int_equal(active(), 2);
    store(&one, LIMITS_NOW + 60 + 121);
    assert_int_equal(active(), 1);
    store(&one, LIMITS_NOW + 80 * 86400); /* one with an INTENT waits for its settlement */
    assert_int_equal(active(), 1);
    limits_instance_end(&one);
}

static void certificate_counts_until_its_end(void **state)
{
    (void)state;
    struct instance one;
    struct rules r = begin(&one, 5);
    rules_apply(&r);
    take(&one, &r, 1, 1);
    tbs_entry("signer", "intent", &a);
    store(&one, 0);
    assert_int_equal(policy_limiter_sweep(one.l, LIMITS_NOW + 90 * 86400, NULL), CH_OK);
    assert_int_equal(active(), 1);
    assert_int_equal(policy_limiter_sweep(one.l, LIMITS_NOW + 90 * 86400 + 1, NULL), CH_OK);
    assert_int_equal(active(), 0);
    assert_int_equal(limits_int("SELECT count(*) FROM policy.attempt"), 0);
    assert_int_equal(limits_int("SELECT count(*) FROM policy.permitted"), 0); /* over an hour old */
    limits_sound();
    limits_instance_end(&one);
}

static bool same_key(struct instance *i, const struct rules *r, unsigned id)
{
    asked_make(&a, r, id, 1);
    memset(a.key, 0x42, 32);
    return asked_one(i, &a);
}

static void key_of_a_revoked_or_ended_certificate_stays_used(void **state)
{
    (void)state;
    struct instance one;
    struct rules r = begin(&one, 0);
    r.limits.key_reuse = POLICY_KEY_REFUSE;
    rules_apply(&r);
    assert_true(same_key(&one, &r, 1));
    tbs_entry("signer", "intent", &a);
    tbs_entry("ca", "settlement", &a); /* nobody was given a certificate: the key is new */
    store(&one, 0);
    assert_true(same_key(&one, &r, 2));
    tbs_entry("signer", "intent", &a);
    revoke_entry("revocation", "issuing-1", &a);
    store(&one, 0);
    assert_false(same_key(&one, &r, 3));
    assert_int_equal(policy_limiter_sweep(one.l, LIMITS_NOW + 400 * 86400, NULL), CH_OK);
    assert_false(same_key(&one, &r, 4));
    limits_instance_end(&one);
}

static void entries_are_taken_once_by_whichever_instance(void **state)
{
    (void)state;
    struct instance one, two = limits_instance(2, 0);
    struct rules r = begin(&one, 5);
    struct policy_follow other = {.trust_domain = "chancery.test"};
    uint64_t position = 7;
    bool idle = false;
    struct diag d = {0};
    rules_apply(&r);
    assert_int_equal(policy_follow_hold(one.l, &position, &idle, &d), CH_OK);
    assert_int_equal(position, 0);
    assert_true(idle);
    assert_int_equal(policy_follow_hold(two.l, &position, &idle, &d), CH_NOT_FOUND);
    assert_int_equal(policy_follow_hold(one.l, &position, &idle, &d), CH_OK);
    assert_int_equal(policy_follow_skip(one.l, 3, &d), CH_OK); /* nothing waits */
    assert_int_equal(policy_follow_hold(one.l, &position, &idle, &d), CH_OK);
    assert_int_equal(position, 3);
    take(&one, &r, 1, 1);
    assert_int_equal(policy_follow_skip(one.l, 9, &d), CH_OK); /* now something does */
    assert_int_equal(policy_follow_hold(one.l, &position, &idle, &d), CH_OK);
    assert_int_equal(position, 3);
    assert_false(idle);
    at = 3;
    assert_int_equal(policy_follow_start(&f, 3), CH_OK);
    assert_int_equal(policy_follow_start(&other, 3), CH_OK);
    tbs_entry("signer", "intent", &a);
    tbs_entry("ca", "settlement", &a);
    store(&one, 0);
    /* The other had the turn before, was slow, and has read less. */
    assert_int_equal(policy_follow_take(&other, 3, slice_str("{\"action\":\"x\"}"), &d), CH_OK);
    assert_int_equal(policy_follow_store(two.l, &other, 0, &d), CH_CONFLICT);
    assert_int_equal(limits_int("SELECT position FROM policy.log_cursor"), 5);
    assert_int_equal(active(), 0);
    /* A holder that died loses its turn. */
    test_postgres_admin(&limits_pg, "UPDATE policy.log_cursor SET held_ns = 1");
    assert_int_equal(policy_follow_hold(two.l, &position, &idle, &d), CH_OK);
    assert_int_equal(position, 5);
    policy_follow_clear(&other);
    limits_instance_end(&one);
    limits_instance_end(&two);
}

static void only_the_process_concerned_is_believed(void **state)
{
    (void)state;
    struct instance one;
    struct rules r = begin(&one, 5);
    rules_apply(&r);
    take(&one, &r, 1, 1);
    tbs_entry("registration", "intent", &a);
    tbs_entry("registration", "settlement", &a);
    tbs_entry("signer", "settlement", &a);
    tbs_entry("ca", "refusal", &a);
    revoke_entry("registration", "issuing-1", &a);
    revoke_entry("ca", "issuing-1", &a);
    assert_int_equal(f.n_intended + f.n_ended + f.n_revoked, 0);
    store(&one, 0);
    assert_int_equal(active(), 1);
    limits_instance_end(&one);
}

static void nonsense_in_the_log_stops_the_reading(void **state)
{
    (void)state;
    struct diag d = {0};
    at = 0;
    assert_int_equal(policy_follow_start(&f, 0), CH_OK);
    assert_int_equal(policy_follow_take(&f, 1, slice_str("{\"action\":\"x\"}"), &d), CH_INTEGRITY);
    assert_string_equal(d.rule, "policy.follow.order");
    assert_int_equal(entry("signer", "intent", "\"tbs\":\"00\""), CH_INTEGRITY);
    assert_int_equal(entry("signer", "intent", "\"tbs\":7"), CH_INTEGRITY);
    assert_int_equal(entry("ca", "settlement", ""), CH_INTEGRITY);
    assert_int_equal(entry("revocation", "revocation", "\"serial\":\"01\""), CH_INTEGRITY);
    assert_int_equal(entry("revocation", "revocation", "\"issuer\":\"a\",\"serial\":\"\""),
                     CH_INTEGRITY);
    assert_int_equal(policy_follow_take(&f, 0, slice_str("{\"action\":\"intent\",]"), &d),
                     CH_INTEGRITY);
    assert_int_equal(f.next, 0);
    while (at < POLICY_FOLLOW_MAX) {
        assert_int_equal(policy_follow_take(&f, at, slice_of(NULL, 0), &d), CH_OK);
        at++;
    }
    assert_int_equal(policy_follow_take(&f, at, slice_of(NULL, 0), &d), CH_LIMIT);
    assert_int_equal(f.n_intended + f.n_ended + f.n_revoked, 0);
}

/* Any order of permits, attempts and entries leaves counts that the rows bear out, and never more
 * than the limit. */
static void counts_stay_sound_in_any_order(void **state)
{
    (void)state;
    struct instance one;
    struct rules r = begin(&one, 12);
    unsigned seed = 77;
    r.limits.whole.active = 15;
    rules_apply(&r);
    for (int round = 0; round < 40; round++) {
        for (int k = 0; k < 10; k++) {
            asked_make(&a, &r, (unsigned)rand_r(&seed) % 30, (unsigned)rand_r(&seed) % 3);
            if (rand_r(&seed) % 4 == 0) {
                a.request.requester = slice_str("spiffe://chancery.test/user/bob");
                a.digest[0] ^= 1;
                a.tbs[0] ^= 1;
            }
            switch (rand_r(&seed) % 5) {
            case 0:
                tbs_entry("ca", "settlement", &a);
                break;
            case 1:
                revoke_entry("revocation", "issuing-1", &a);
                break;
            case 2:
                tbs_entry("signer", "intent", &a);
                break;
            default:
                (void)asked_one(&one, &a);
            }
        }
        store(&one, rand_r(&seed) % 5 == 0 ? LIMITS_NOW + 200 : 0);
        assert_true(limits_int("SELECT max(active) FROM policy.limit_scope") <= 15);
        assert_true(limits_int("SELECT coalesce(max(active), 0) FROM policy.limit_scope WHERE key "
                               "LIKE 'requester%'") <= 12);
    }
    limits_instance_end(&one);
}

static int tear_down(void **state)
{
    policy_follow_clear(&f);
    return limits_tear_down(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settled_and_discarded_attempts_free_their_place),
        cmocka_unit_test(request_counts_while_one_attempt_lives),
        cmocka_unit_test(permit_that_was_never_used_ends_when_the_log_proves_it),
        cmocka_unit_test(certificate_counts_until_its_end),
        cmocka_unit_test(key_of_a_revoked_or_ended_certificate_stays_used),
        cmocka_unit_test(entries_are_taken_once_by_whichever_instance),
        cmocka_unit_test(only_the_process_concerned_is_believed),
        cmocka_unit_test(nonsense_in_the_log_stops_the_reading),
        cmocka_unit_test(counts_stay_sound_in_any_order),
    };
    return cmocka_run_group_tests(tests, limits_set_up, tear_down);
}
