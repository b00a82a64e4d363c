/* CRL permits: shard, number, times. */
#include "fix.h"

static struct policy_crl_facts base(const struct fix *f)
{
    return (struct policy_crl_facts){.issuer = &f->issuer,
                                     .shard = 3,
                                     .number = 7,
                                     .this_update_s = FIX_NOW,
                                     .next_update_s = FIX_NOW + 8 * 86400,
                                     .now_s = FIX_NOW};
}

static void expect(struct fix *f, const struct policy_crl_facts *facts, const char *failed)
{
    policy_judge_crl(f->bundle, facts, &f->v);
    assert_int_equal(f->v.verdict, failed == NULL ? POLICY_PASS : POLICY_FAIL);
    for (size_t i = 0; i < f->v.n; i++) {
        bool fails = failed != NULL && strcmp(failed, f->v.rules[i].rule) == 0;
        assert_int_equal(f->v.rules[i].outcome, fails ? POLICY_FAIL : POLICY_PASS);
    }
}

static void crl_good_is_permitted(void **state)
{
    struct fix *f = *state;
    struct policy_crl_facts c = base(f);
    expect(f, &c, NULL);
    c.this_update_s = FIX_NOW - 3600 - POLICY_WAIT_S;
    expect(f, &c, "crl.next_update"); /* longer than allowed in all */
    c.next_update_s = FIX_NOW + 86400;
    expect(f, &c, NULL);
    c = base(f);
    c.number = INT64_MAX;
    expect(f, &c, NULL);
    f->issuer.shards = 0; /* a root: complete CRLs, number 0 stands for the one there is */
    c.shard = 0;
    expect(f, &c, NULL);
    f->issuer.shards = 64;
}

static void crl_wrong_values_are_refused(void **state)
{
    struct fix *f = *state;
    struct policy_crl_facts c = base(f);
    c.issuer = NULL;
    expect(f, &c, "issuer.known");
    c = base(f);
    c.shard = 64;
    expect(f, &c, "crl.shard");
    f->issuer.shards = 0;
    c.shard = 1;
    expect(f, &c, "crl.shard");
    f->issuer.shards = 64;
    c = base(f);
    c.number = 0;
    expect(f, &c, "crl.number");
    c.number = (uint64_t)INT64_MAX + 1;
    expect(f, &c, "crl.number");
    c = base(f);
    c.this_update_s = FIX_NOW + POLICY_SKEW_S + 1;
    expect(f, &c, "crl.this_update");
    c.this_update_s = FIX_NOW - 3600 - POLICY_WAIT_S - 1;
    c.next_update_s = FIX_NOW + 86400;
    expect(f, &c, "crl.this_update");
    c = base(f);
    c.next_update_s = c.this_update_s;
    expect(f, &c, "crl.next_update");
    c.next_update_s = FIX_NOW + 8 * 86400 + 3600 + 1;
    expect(f, &c, "crl.next_update");
    c.next_update_s = INT64_MIN;
    expect(f, &c, "crl.next_update");
}

static int setup(void **state)
{
    static struct fix f;
    fix_init(&f);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    fix_clear(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crl_good_is_permitted),
        cmocka_unit_test(crl_wrong_values_are_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
