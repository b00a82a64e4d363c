/* Replay: exactly what was planted is told, whatever the number of threads, and damaged histories
 * end it. */
#include "bundles.h"

#include <stdio.h>

#include "history_maker.h"
#include "trial/replay.h"

#define NOW 1764000000
#define PLAIN 300 /* requests that nothing changes for, between the planted ones */

static struct policy_issuer issuer;
static struct trial_world world;
static const uint8_t issuer_name[] = {0x30, 12, 0x31, 10, 0x30, 8, 6, 3, 0x55, 4, 3, 12, 1, 'i'};

static struct policy_bundle *bundle_of(const char *web)
{
    const struct policy_file files[] = {FILE_OF("bundle.yaml", BUNDLE_HEAD),
                                        {"profiles/web.yaml", slice_str(web)}};
    struct policy_bundle *b = NULL;
    struct diag d = {.text = ""};
    if (policy_bundle_compile(files, 2, &b, &d) != CH_OK) {
        fail_msg("%s %s", d.field, d.text);
    }
    assert_int_equal(policy_bundle_set_trust_domain(b, "chancery.test"), CH_OK);
    return b;
}

static const char *with(const char *from, const char *to)
{
    static char text[8192];
    const char *at = strstr(BUNDLE_WEB, from);
    assert_non_null(at);
    (void)snprintf(text, sizeof text, "%.*s%s%s", (int)(at - BUNDLE_WEB), BUNDLE_WEB, to,
                   at + strlen(from));
    return text;
}

struct fixture {
    struct policy_bundle *was, *is;
    struct trial_bundle *base, *candidate;
    struct history_maker maker;
    struct buf history;
};

static void open_fixture(struct fixture *f, const char *candidate)
{
    static const uint8_t ski[20] = {7};
    issuer = (struct policy_issuer){.issuer_id = "issuing-1",
                                    .subject = slice_of(issuer_name, sizeof issuer_name),
                                    .ski = slice_of(ski, sizeof ski),
                                    .key_type = CRYPTO_KEY_P256,
                                    .not_after_s = NOW + 3000LL * 86400,
                                    .shards = 16,
                                    .crl_url_base = "http://crl.test",
                                    .ocsp_url = "http://ocsp.test",
                                    .aia_url_base = "http://aia.test"};
    world = (struct trial_world){.issuers = &issuer, .n_issuers = 1};
    f->was = bundle_of(BUNDLE_WEB);
    f->is = bundle_of(candidate);
    assert_int_equal(trial_bundle_new(f->was, &world, &f->base), CH_OK);
    assert_int_equal(trial_bundle_new(f->is, &world, &f->candidate), CH_OK);
    history_maker_init(&f->maker, f->base, &world, "chancery.test");
    buf_init(&f->history, (size_t)64 << 20);
}

static void close_fixture(struct fixture *f)
{
    history_maker_clear(&f->maker);
    trial_bundle_free(f->base);
    trial_bundle_free(f->candidate);
    policy_bundle_free(f->was);
    policy_bundle_free(f->is);
    buf_clear(&f->history);
}

static bool add(struct fixture *f, const char *dns, bool forged)
{
    const struct history_request r = {.profile = "web",
                                      .requester = "/user/a",
                                      .dns = dns,
                                      .at_s = NOW + (int64_t)f->maker.made,
                                      .forged = forged};
    return history_maker_add(&f->maker, &r, &f->history);
}

static void add_plain(struct fixture *f, size_t n)
{
    char name[64];
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(name, sizeof name, "host-%zu.a.example", i);
        assert_true(add(f, name, false));
    }
}

/* Pushes the history in bodies of some records. */
static struct trial_replay *run(struct fixture *f, bool with_base, unsigned threads,
                                const struct trial_report **out)
{
    const struct trial_replay_opts opts = {&world, f->candidate, threads};
    struct trial_replay *r = NULL;
    struct diag d = {.text = ""};
    struct slice rest = buf_slice(&f->history), start = rest;
    struct trial_record rec;
    assert_int_equal(trial_replay_new(&opts, &r), CH_OK);
    if (with_base) {
        assert_int_equal(trial_replay_base(r, f->base), CH_OK);
    }
    for (size_t n = 1; trial_record_next(&rest, &rec, &d) == CH_OK; n++) {
        if (n % 50 == 0 || rest.len == 0) {
            assert_int_equal(trial_replay_push(r, slice_sub(start, 0, start.len - rest.len), &d),
                             CH_OK);
            start = rest;
        }
    }
    assert_int_equal(start.len, 0);
    if (trial_replay_finish(r, out, &d) != CH_OK) {
        fail_msg("%s %s", d.rule, d.text);
    }
    return r;
}

static void the_same_bundle_changes_nothing(void **state)
{
    (void)state;
    struct fixture f;
    const struct trial_report *r = NULL;
    open_fixture(&f, BUNDLE_WEB);
    add_plain(&f, PLAIN);
    assert_false(add(&f, "host.elsewhere.example", false));
    assert_false(add(&f, "forged.a.example", true));
    struct trial_replay *replay = run(&f, true, 2, &r);
    assert_int_equal(r->records, PLAIN + 2);
    assert_int_equal(r->permitted, PLAIN);
    assert_int_equal(r->counts[TRIAL_SAME], PLAIN + 2);
    assert_int_equal(r->forged, 1); /* refused for its octets: refused still */
    assert_int_equal(r->n_changes, 0);
    trial_replay_free(replay);
    close_fixture(&f);
}

static void exactly_the_planted_differences(void **state)
{
    (void)state;
    struct fixture f;
    const struct trial_report *r = NULL;
    open_fixture(&f, with("suffixes: [a.example, b.example], wildcard_depth: 1",
                          "suffixes: [a.example, c.example]"));
    add_plain(&f, PLAIN);
    assert_true(add(&f, "*.a.example", false));
    assert_true(add(&f, "x.b.example", false));
    add_plain(&f, PLAIN);
    assert_false(add(&f, "x.c.example", false));
    assert_false(add(&f, "x.d.example", false)); /* refused by both */
    assert_false(add(&f, "y.a.example", true));
    add_plain(&f, PLAIN);
    for (unsigned threads = 1; threads <= 4; threads++) {
        struct trial_replay *replay = run(&f, true, threads, &r);
        assert_int_equal(r->n_changes, 3);
        assert_string_equal(r->changes[0].name, "DNS:*.a.example");
        assert_int_equal(r->changes[0].kind, TRIAL_NOW_REFUSED);
        assert_string_equal(r->changes[0].rule, "san.dns.wildcard");
        assert_non_null(strstr(r->changes[0].detail, "profiles/web.yaml:8"));
        assert_string_equal(r->changes[1].name, "DNS:x.b.example");
        assert_int_equal(r->changes[1].kind, TRIAL_NOW_REFUSED);
        assert_string_equal(r->changes[2].name, "DNS:x.c.example");
        assert_int_equal(r->changes[2].kind, TRIAL_NOW_PERMITTED);
        assert_string_equal(r->changes[2].rule, "san.dns.allowed");
        assert_string_equal(r->changes[2].requester, "spiffe://chancery.test/user/a");
        assert_int_equal(r->counts[TRIAL_OTHER_RULES], 0);
        assert_int_equal(r->forged, 1);
        trial_replay_free(replay);
    }
    close_fixture(&f);
}

static void without_the_base_it_says_so(void **state)
{
    (void)state;
    struct fixture f;
    const struct trial_report *r = NULL;
    open_fixture(&f, BUNDLE_WEB);
    assert_false(add(&f, "y.a.example", true));
    struct trial_replay *replay = run(&f, false, 1, &r);
    assert_int_equal(r->counts[TRIAL_NOW_PERMITTED], 1);
    assert_int_equal(r->baseless, 1);
    trial_replay_free(replay);
    close_fixture(&f);
}

static void another_content_is_summarised(void **state)
{
    (void)state;
    struct fixture f;
    const struct trial_report *r = NULL;
    open_fixture(&f, with("max: 90d, default: 30d", "max: 47d, default: 20d"));
    add_plain(&f, 3);
    struct trial_replay *replay = run(&f, true, 1, &r);
    assert_int_equal(r->counts[TRIAL_OTHER_CONTENT], 3);
    assert_string_equal(r->changes[0].rule, "life 30 d 1 h to 20 d 1 h");
    trial_replay_free(replay);
    close_fixture(&f);
    open_fixture(&f, with("[serverAuth]", "[serverAuth, clientAuth]"));
    add_plain(&f, 1);
    replay = run(&f, false, 1, &r);
    assert_string_equal(r->changes[0].rule, "extended key usage changed");
    trial_replay_free(replay);
    close_fixture(&f);
}

static void a_damaged_history_ends_it(void **state)
{
    (void)state;
    struct fixture f;
    const struct trial_report *r = NULL;
    struct trial_replay *replay = NULL;
    struct diag d = {.rule = ""};
    open_fixture(&f, BUNDLE_WEB);
    const struct trial_replay_opts opts = {&world, f.candidate, 2};
    assert_int_equal(trial_replay_new(&opts, &replay), CH_OK);
    assert_int_equal(trial_replay_push(replay, slice_str("nonsense"), &d),
                     CH_OK); /* it is judged later */
    assert_int_equal(trial_replay_finish(replay, &r, &d), CH_MALFORMED);
    assert_string_equal(d.rule, "history.record");
    trial_replay_free(replay);
    /* A record whose item is no request. */
    struct trial_record rec = {.item = slice_str("\x0a\x01\x01")};
    assert_int_equal(trial_record_write(&rec, &f.history), CH_OK);
    assert_int_equal(trial_replay_new(&opts, &replay), CH_OK);
    assert_int_equal(trial_replay_push(replay, buf_slice(&f.history), &d), CH_OK);
    assert_int_not_equal(trial_replay_finish(replay, &r, &d), CH_OK);
    assert_string_equal(d.rule, "history.item");
    trial_replay_free(replay);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_bundle_changes_nothing),
        cmocka_unit_test(exactly_the_planted_differences),
        cmocka_unit_test(without_the_base_it_says_so),
        cmocka_unit_test(another_content_is_summarised),
        cmocka_unit_test(a_damaged_history_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
