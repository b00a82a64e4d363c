/* Which promotion may follow which: every rule of chain.h with a promotion that keeps it and one
 * that breaks it. */
#include "chain_fix.h"

static struct chain fx;
static struct policy_chain chain;

static int set_up(void **state)
{
    (void)state;
    chain_make(&fx);
    policy_chain_init(&chain, chain_officers(&fx, 0));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    policy_chain_clear(&chain);
    chain_clear(&fx);
    return 0;
}

static void expect(const struct policy_link *l, unsigned to, enum chancery_err err,
                   const char *rule)
{
    struct diag d = {.rule = ""};
    struct policy_bundle *b = chain_officers(&fx, to);
    enum chancery_err got = policy_chain_check(&chain, l, b, NULL, &d);
    if (got != err || strcmp(d.rule, rule) != 0) {
        fail_msg("%s %s: %s", err_name(got), d.rule, d.text);
    }
    policy_bundle_free(b);
}

static void extend(const struct policy_link *l, unsigned to)
{
    struct diag d = {.rule = ""};
    if (policy_chain_extend(&chain, l, chain_officers(&fx, to), &d) != CH_OK) {
        fail_msg("%s %s", d.rule, d.text);
    }
}

static struct policy_link first(const char *author, const char *signers)
{
    return chain_link(&fx, 0, 1, 1, CHAIN_T0, CHAIN_T0 + 2, author, signers);
}

static void quorum_promotes(void **state)
{
    (void)state;
    struct policy_link l = first("spiffe://x/user/author", "ab");
    expect(&l, 1, CH_OK, "");
    extend(&l, 1);
    assert_int_equal(policy_chain_in_force(&chain, CHAIN_T0 + 1)->sequence, 0);
    assert_int_equal(policy_chain_in_force(&chain, CHAIN_T0 + 2)->sequence, 1);
}

static void too_few_or_foreign_approvals_do_not(void **state)
{
    (void)state;
    struct policy_link l = first("spiffe://x/user/author", "a");
    expect(&l, 1, CH_REFUSED, "promotion.quorum");
    l = first("spiffe://x/user/author", "");
    expect(&l, 1, CH_REFUSED, "promotion.quorum");
    l = first("spiffe://x/user/author", "aa"); /* one person twice */
    expect(&l, 1, CH_REFUSED, "promotion.quorum");
    l = first("spiffe://x/user/author", "ae"); /* e lacks the role */
    expect(&l, 1, CH_REFUSED, "promotion.quorum");
}

static void the_author_never_counts(void **state)
{
    (void)state;
    struct policy_link l = first("spiffe://x/user/a", "ab");
    expect(&l, 1, CH_REFUSED, "promotion.quorum");
    l = first("spiffe://x/user/a", "abc");
    expect(&l, 1, CH_OK, "");
    /* Naming another author than the approvals do makes them worthless. */
    l = first("spiffe://x/user/a", "ab");
    l.plan.author = slice_str("spiffe://x/user/z");
    expect(&l, 1, CH_REFUSED, "promotion.quorum");
}

static void approvals_hold_for_one_place_of_one_chain(void **state)
{
    (void)state;
    struct policy_link l = first("spiffe://x/user/z", "ab"), m = l;
    m.plan.first[0] ^= 1;
    expect(&m, 1, CH_INTEGRITY, "bundle.chain");
    extend(&l, 1);
    struct policy_link back =
        chain_link(&fx, 1, 0, 2, CHAIN_T0 + 10, CHAIN_T0 + 12, "ceremony", "ab");
    extend(&back, 0);
    /* Bundle 1 again, by the approvals that it once had. */
    m = chain_link(&fx, 0, 1, 3, CHAIN_T0 + 20, CHAIN_T0 + 22, "spiffe://x/user/z", "");
    m.approvals = l.approvals;
    m.n_approvals = l.n_approvals;
    expect(&m, 1, CH_REFUSED, "promotion.quorum");
    m = chain_link(&fx, 0, 1, 3, CHAIN_T0 + 20, CHAIN_T0 + 22, "spiffe://x/user/z", "cd");
    expect(&m, 1, CH_OK, "");
}

static void expired_approvals_do_not_count(void **state)
{
    (void)state;
    struct policy_link l = first("spiffe://x/user/z", "ab");
    l.promoted_at_s += 3600;
    l.not_before_s += 3600;
    expect(&l, 1, CH_REFUSED, "promotion.quorum");
    l.promoted_at_s -= 1;
    expect(&l, 1, CH_OK, "");
}

static void numbers_and_times_are_in_order(void **state)
{
    (void)state;
    struct policy_link l = chain_link(&fx, 0, 1, 2, CHAIN_T0, CHAIN_T0, "z", "ab");
    expect(&l, 1, CH_INTEGRITY, "bundle.chain");
    l = chain_link(&fx, 0, 1, 1, CHAIN_T0, CHAIN_T0 - 1, "z", "ab");
    expect(&l, 1, CH_INTEGRITY, "bundle.chain");
    l = chain_link(&fx, 0, 1, 1, CHAIN_T0, CHAIN_T0 + POLICY_CHAIN_AHEAD_MAX_S + 1, "z", "ab");
    expect(&l, 1, CH_INVALID, "bundle.time");
    l = first("z", "ab");
    extend(&l, 1);
    l = chain_link(&fx, 0, 2, 2, CHAIN_T0 - 1, CHAIN_T0 + 1, "z", "ab");
    expect(&l, 2, CH_INTEGRITY, "bundle.chain");
}

static void predecessor_is_what_is_in_force(void **state)
{
    (void)state;
    struct policy_link l = first("z", "ab");
    extend(&l, 1);
    l = chain_link(&fx, 0, 2, 2, CHAIN_T0 + 10, CHAIN_T0 + 12, "z", "ab");
    expect(&l, 2, CH_CONFLICT, "bundle.predecessor");
    l = chain_link(&fx, 1, 1, 2, CHAIN_T0 + 10, CHAIN_T0 + 12, "z", "ab");
    expect(&l, 1, CH_EXISTS, "bundle.same");
    l = chain_link(&fx, 1, 2, 2, CHAIN_T0 + 10, CHAIN_T0 + 12, "z", "ab");
    expect(&l, 2, CH_OK, "");
}

static void a_waiting_promotion_is_replaced_only_before_its_time(void **state)
{
    (void)state;
    struct policy_link l = chain_link(&fx, 0, 1, 1, CHAIN_T0, CHAIN_T0 + 1000, "z", "ab");
    extend(&l, 1);
    l = chain_link(&fx, 1, 2, 2, CHAIN_T0 + 10, CHAIN_T0 + 20, "z", "ab");
    expect(&l, 2, CH_CONFLICT, "bundle.predecessor"); /* bundle 1 is not in force */
    l = chain_link(&fx, 0, 2, 2, CHAIN_T0 + 10, CHAIN_T0 + 1001, "z", "ab");
    expect(&l, 2, CH_PRECONDITION, "bundle.pending");
    l = chain_link(&fx, 0, 0, 2, CHAIN_T0 + 10, CHAIN_T0 + 20, "ceremony", "ab");
    expect(&l, 0, CH_OK, ""); /* cancelled: what is in force stays */
    l = chain_link(&fx, 0, 2, 2, CHAIN_T0 + 10, CHAIN_T0 + 20, "z", "ab");
    extend(&l, 2);
    assert_int_equal(policy_chain_in_force(&chain, CHAIN_T0 + 19)->sequence, 0);
    assert_int_equal(policy_chain_in_force(&chain, CHAIN_T0 + 2000)->sequence, 2);
    l = chain_link(&fx, 2, 3, 3, CHAIN_T0 + 30, CHAIN_T0 + 40, "z", "ab");
    expect(&l, 3, CH_OK, "");
}

static void altered_successor_is_refused(void **state)
{
    (void)state;
    struct policy_link l = first("z", "ab");
    expect(&l, 2, CH_INTEGRITY, "bundle.altered");
}

static void bundles_without_officers_begin_and_end_no_promotion(void **state)
{
    (void)state;
    fx.bundles[1].files[1] = fx.bundles[1].files[2]; /* no officers.yaml */
    fx.bundles[1].n = 2;
    assert_int_equal(policy_files_hash(fx.bundles[1].files, 2, fx.bundles[1].sha256), CH_OK);
    struct policy_link l = first("z", "ab");
    expect(&l, 1, CH_INVALID, "bundle.last");
    policy_chain_clear(&chain);
    fx.bundles[0] = fx.bundles[1];
    policy_chain_init(&chain, chain_officers(&fx, 0));
    l = chain_link(&fx, 0, 2, 1, CHAIN_T0, CHAIN_T0 + 2, "z", "ab");
    expect(&l, 2, CH_PRECONDITION, "bundle.officers");
}

static void officers_of_the_role_without_identity_are_refused(void **state)
{
    (void)state;
    char *at = strstr(fx.officers.yaml, "    identity: /user/d\n");
    memmove(at, at + strlen("    identity: /user/d\n"),
            strlen(at + strlen("    identity: /user/d\n")) + 1);
    fx.bundles[1].files[1].content = slice_str(fx.officers.yaml);
    assert_int_equal(policy_files_hash(fx.bundles[1].files, 3, fx.bundles[1].sha256), CH_OK);
    struct policy_bundle *b = chain_officers(&fx, 1);
    struct diag d = {.rule = ""};
    assert_int_equal(policy_chain_officers(b, &d), CH_PRECONDITION);
    assert_string_equal(d.rule, "bundle.officers");
    assert_non_null(strstr(d.text, "identity"));
    policy_bundle_free(b);
}

static void plans_are_told_apart_by_every_field(void **state)
{
    (void)state;
    struct policy_plan p = {.sequence = 1, .author = slice_str("a")}, q;
    uint8_t base[32], other[32];
    assert_int_equal(policy_plan_digest(&p, base, NULL), CH_OK);
    for (int field = 0; field < 5; field++) {
        q = p;
        q.first[31] ^= field == 0;
        q.sequence += field == 1;
        q.predecessor[0] ^= field == 2;
        q.bundle[5] ^= field == 3;
        q.author = field == 4 ? slice_str("b") : q.author;
        assert_int_equal(policy_plan_digest(&q, other, NULL), CH_OK);
        assert_memory_not_equal(base, other, 32);
    }
    p.sequence = 0;
    assert_int_equal(policy_plan_digest(&p, base, NULL), CH_INVALID);
    p = (struct policy_plan){.sequence = 1, .author = slice_of("a\0b", 3)};
    assert_int_equal(policy_plan_digest(&p, base, NULL), CH_INVALID);
    p.author = slice_str("");
    assert_int_equal(policy_plan_digest(&p, base, NULL), CH_INVALID);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(quorum_promotes),
        TEST(too_few_or_foreign_approvals_do_not),
        TEST(the_author_never_counts),
        TEST(approvals_hold_for_one_place_of_one_chain),
        TEST(expired_approvals_do_not_count),
        TEST(numbers_and_times_are_in_order),
        TEST(predecessor_is_what_is_in_force),
        TEST(a_waiting_promotion_is_replaced_only_before_its_time),
        TEST(altered_successor_is_refused),
        TEST(bundles_without_officers_begin_and_end_no_promotion),
        TEST(officers_of_the_role_without_identity_are_refused),
        TEST(plans_are_told_apart_by_every_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
