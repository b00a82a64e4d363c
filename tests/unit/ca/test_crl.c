/* services/ca/crl.c: a CRL may grow, keep, and forget what has expired; nothing else. */
#include "samples.h"

#include "crl.h"

#define NOW 1763690000
#define MAX_ENTRIES 3000

struct entry {
    uint8_t serial[16];
    int64_t date;
    unsigned reason;
    bool expired;
};

struct crl {
    struct entry entries[MAX_ENTRIES];
    size_t n;
    struct x509_crl_head head;
};

static struct ca_issuer issuer;
static uint8_t issuer_name[] = {0x30, 12, 0x31, 10, 0x30, 8, 6, 3, 0x55, 4, 3, 12, 1, 'i'};
static uint8_t issuer_ski[20] = {9};

static int set_up(void **state)
{
    (void)state;
    issuer = (struct ca_issuer){.issuer_id = "issuing-1",
                                .alg = CRYPTO_ALG_ECDSA_SHA256,
                                .shards = 4,
                                .crl_url_base = "http://crl.example"};
    issuer.cert.subject = slice_of(issuer_name, sizeof issuer_name);
    issuer.cert.ski = slice_of(issuer_ski, sizeof issuer_ski);
    return 0;
}

static struct ca_crl_header header_of(uint64_t number)
{
    return (struct ca_crl_header){&issuer, 1, number, NOW, NOW + 86400};
}

static void make(struct crl *c, size_t n, uint64_t number)
{
    c->n = n;
    c->head = (struct x509_crl_head){.alg = CRYPTO_ALG_ECDSA_SHA256,
                                     .issuer = issuer.cert.subject,
                                     .this_update_s = NOW,
                                     .next_update_s = NOW + 86400,
                                     .number = number,
                                     .issuer_ski = issuer.cert.ski,
                                     .idp_url = "http://crl.example/issuing-1/1.crl"};
    for (size_t i = 0; i < n; i++) {
        uint32_t v = (uint32_t)(0x01000000 + i * 4 + 1); /* shard 1 of 4, ascending */
        struct entry *e = &c->entries[i];
        *e = (struct entry){
            .serial = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v, 5},
            .date = NOW - 1000 + (int64_t)(i % 900),
            .reason = i % 2 == 0 ? 4 : 0};
    }
}

static void write_crl(const struct crl *c, struct buf *out)
{
    struct buf entries;
    buf_init(&entries, 1 << 20);
    buf_init(out, 1 << 20);
    for (size_t i = 0; i < c->n; i++) {
        const struct x509_crl_entry e = {slice_of(c->entries[i].serial, 16), c->entries[i].date,
                                         c->entries[i].reason};
        assert_int_equal(x509_crl_entry_write(&e, &entries), CH_OK);
    }
    assert_int_equal(x509_crl_head_write(&c->head, entries.len, out, NULL), CH_OK);
    assert_int_equal(buf_add(out, buf_slice(&entries)), CH_OK);
    assert_int_equal(x509_crl_tail_write(&c->head, out), CH_OK);
    buf_clear(&entries);
}

struct source {
    const struct crl *before;
    struct slice left;
    size_t piece, questions;
};

static enum chancery_err next_piece(void *ctx, struct buf *out, struct diag *diag)
{
    struct source *s = ctx;
    (void)diag;
    if (s->left.len == 0) {
        return CH_END;
    }
    struct slice piece = slice_sub(s->left, 0, s->piece);
    s->left = slice_sub(s->left, piece.len, s->left.len);
    return buf_add(out, piece);
}

static enum chancery_err all_expired(void *ctx, const struct slice *serials, size_t n, bool *out,
                                     struct diag *diag)
{
    struct source *s = ctx;
    (void)diag;
    s->questions++;
    *out = true;
    for (size_t i = 0; i < n; i++) {
        bool expired = false;
        for (size_t k = 0; k < s->before->n; k++) {
            expired =
                expired || (slice_eq(serials[i], slice_of(s->before->entries[k].serial, 16)) &&
                            s->before->entries[k].expired);
        }
        *out = *out && expired;
    }
    return CH_OK;
}

static enum chancery_err check(const struct crl *before, const struct crl *now, uint64_t number,
                               size_t piece, struct diag *d)
{
    struct buf old = {0}, tbs;
    struct ca_crl_check *c;
    struct ca_crl_header h = header_of(number);
    struct source source = {.before = before, .piece = piece};
    const struct ca_crl_sources sources = {next_piece, all_expired, &source};
    uint64_t entries = 0;
    *d = (struct diag){.field = ""};
    if (before != NULL) {
        write_crl(before, &old);
        source.left = buf_slice(&old);
    }
    write_crl(now, &tbs);
    assert_int_equal(ca_crl_check_new(&h, &sources, &c), CH_OK);
    enum chancery_err err = CH_OK;
    for (size_t at = 0; err == CH_OK && at < tbs.len; at += piece) {
        err = ca_crl_check_push(c, slice_sub(buf_slice(&tbs), at, piece), d);
    }
    if (err == CH_OK) {
        err = ca_crl_check_finish(c, &entries, d);
        assert_int_equal(entries, now->n);
        assert_int_equal(source.left.len, 0); /* the CRL before was read to its end */
    }
    ca_crl_check_free(c);
    buf_clear(&old);
    buf_clear(&tbs);
    return err;
}

static struct crl before, after;

static void expect_ok(size_t piece)
{
    struct diag d;
    assert_int_equal(check(&before, &after, 2, piece, &d), CH_OK);
}

static void expect(enum chancery_err err, const char *rule)
{
    struct diag d;
    assert_int_equal(check(&before, &after, 2, 1000, &d), err);
    assert_string_equal(d.rule, rule);
}

static void remove_entry(struct crl *c, size_t at)
{
    memmove(&c->entries[at], &c->entries[at + 1], (c->n - at - 1) * sizeof c->entries[0]);
    c->n--;
}

static void first_and_growing_crls_pass(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 2, 700, 2500};
    struct diag d;
    for (size_t i = 0; i < 5; i++) {
        make(&after, sizes[i], 1);
        assert_int_equal(check(NULL, &after, 1, 500, &d), CH_OK);
        for (size_t k = 0; k <= i; k++) {
            make(&before, sizes[k], 1);
            make(&after, sizes[i], 2);
            expect_ok(64 << 10);
            expect_ok(333);
        }
    }
}

static void entries_inserted_anywhere_pass(void **state)
{
    (void)state;
    make(&after, 50, 2);
    for (size_t hole = 0; hole < 50; hole++) {
        make(&before, 50, 1);
        remove_entry(&before, hole);
        expect_ok(100);
    }
}

static void expired_entries_may_vanish(void **state)
{
    (void)state;
    make(&before, 2000, 1);
    for (size_t i = 0; i < 2000; i++) {
        before.entries[i].expired = i % 2 == 0 || i > 1500;
    }
    make(&after, 2000, 2);
    for (size_t i = 2000; i > 0; i--) {
        if (before.entries[i - 1].expired) {
            remove_entry(&after, i - 1);
        }
    }
    expect_ok(4096);
    make(&after, 0, 2); /* nothing left, but some have not expired */
    expect(CH_INTEGRITY, "crl.entry.vanished");
    for (size_t i = 0; i < 2000; i++) {
        before.entries[i].expired = true;
    }
    expect_ok(4096);
}

static void unexpired_entry_missing_anywhere_refused(void **state)
{
    (void)state;
    for (size_t at = 0; at < 600; at += at < 590 ? 59 : 1) {
        make(&before, 600, 1);
        make(&after, 600, 2);
        remove_entry(&after, at);
        expect(CH_INTEGRITY, "crl.entry.vanished"); /* RFC 5280 3.3 */
    }
}

static void changed_entries_refused(void **state)
{
    (void)state;
    make(&before, 10, 1);
    make(&after, 10, 2);
    after.entries[7].date++;
    expect(CH_INTEGRITY, "crl.entry.changed");
    make(&after, 10, 2);
    after.entries[9].reason = 1;
    expect(CH_INTEGRITY, "crl.entry.changed");
}

static void new_crl_by_rule(void **state)
{
    (void)state;
    make(&before, 3, 1);
    make(&after, 3, 3);
    expect(CH_INVALID, "crl.number");
    make(&after, 3, 2);
    after.entries[1] = after.entries[0];
    expect(CH_INVALID, "crl.entry.order");
    make(&after, 3, 2);
    after.entries[2].serial[3] ^= 2; /* another shard */
    expect(CH_INVALID, "crl.entry.shard");
    make(&after, 4, 2);
    after.entries[3].date = NOW + 1;
    expect(CH_INVALID, "crl.entry.date");
    make(&after, 3, 2);
    after.head.idp_url = "http://crl.example/issuing-1/2.crl";
    expect(CH_INVALID, "crl.idp");
    after.head.idp_url = NULL;
    expect(CH_INVALID, "crl.idp");
    make(&after, 3, 2);
    const uint8_t other[20] = {1};
    after.head.issuer_ski = slice_of(other, 20);
    expect(CH_INVALID, "crl.aki");
    make(&after, 3, 2);
    after.head.this_update_s--;
    expect(CH_INVALID, "crl.times");
    make(&after, 3, 2);
    after.head.alg = CRYPTO_ALG_ECDSA_SHA384;
    expect(CH_INVALID, "crl.issuer");
    make(&after, 3, 2);
    after.head.issuer = SAMPLES_BYTES(0x30, 0);
    expect(CH_INVALID, "crl.issuer");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_and_growing_crls_pass),
        cmocka_unit_test(entries_inserted_anywhere_pass),
        cmocka_unit_test(expired_entries_may_vanish),
        cmocka_unit_test(unexpired_entry_missing_anywhere_refused),
        cmocka_unit_test(changed_entries_refused),
        cmocka_unit_test(new_crl_by_rule),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
