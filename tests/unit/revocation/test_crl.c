/* Status rows, schedule and CRLs on a real PostgreSQL; what is published is judged by OpenSSL. The
 * issuer's key is in memory here: signing through ca is tested on the whole stack. */
#include "cm.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "os/os.h"
#include "revocation.h"
#include "test_postgres.h"

#define SHARDS 4
#define NOW 1763690000

struct fixture {
    struct test_postgres pg;
    struct revocation rv;
    struct revocation_issuer issuer;
    EVP_PKEY *key;
    X509 *ca;
    char dir[64];
};

static struct fixture fx;

static void make_issuer(struct fixture *f)
{
    uint8_t *der = NULL;
    struct diag diag = {0};
    X509V3_CTX ctx;
    f->key = EVP_EC_gen("P-256");
    f->ca = X509_new();
    X509_set_version(f->ca, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(f->ca), 5);
    X509_gmtime_adj(X509_getm_notBefore(f->ca), 0);
    X509_gmtime_adj(X509_getm_notAfter(f->ca), 86400);
    X509_NAME *name = X509_get_subject_name(f->ca);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)"Issuing", -1, -1,
                               0);
    X509_set_issuer_name(f->ca, name);
    X509_set_pubkey(f->ca, f->key);
    X509V3_set_ctx(&ctx, f->ca, f->ca, NULL, NULL, 0);
    X509_EXTENSION *ski = X509V3_EXT_conf_nid(NULL, &ctx, NID_subject_key_identifier, "hash");
    X509_EXTENSION *bc = X509V3_EXT_conf_nid(NULL, &ctx, NID_basic_constraints, "critical,CA:TRUE");
    X509_add_ext(f->ca, ski, -1);
    X509_add_ext(f->ca, bc, -1);
    X509_EXTENSION_free(ski);
    X509_EXTENSION_free(bc);
    assert_true(X509_sign(f->ca, f->key, EVP_sha256()) > 0);
    int len = i2d_X509(f->ca, &der);
    struct revocation_issuer *x = &f->issuer;
    arena_init(&x->arena, 0);
    struct slice copy = slice_of(arena_copy(&x->arena, slice_of(der, (size_t)len)), (size_t)len);
    assert_int_equal(x509_cert_read(copy, &x->arena, &x->cert, &diag), CH_OK);
    assert_int_equal(crypto_public_from_spki(x->cert.spki, &x->key, &diag), CH_OK);
    OPENSSL_free(der);
    x->id = "issuing-1";
    x->shards = SHARDS;
    x->alg = CRYPTO_ALG_ECDSA_SHA256;
    x->crl_base = "http://crl.example/crl";
    x->published = calloc(SHARDS, sizeof(x->published[0]));
}

static int start(void **state)
{
    char conninfo[256];
    struct diag diag = {0};
    *state = &fx;
    test_postgres_start(&fx.pg);
    test_postgres_migrate(&fx.pg);
    test_postgres_conninfo(&fx.pg, "chancery_revocation", conninfo, sizeof(conninfo));
    const struct db_pool_opts opts = {.conninfo = conninfo, .size = 4, .application = "test"};
    assert_int_equal(db_pool_new(&opts, &fx.rv.db, &diag), CH_OK);
    make_issuer(&fx);
    pthread_mutex_init(&fx.rv.lock, NULL);
    (void)snprintf(fx.dir, sizeof(fx.dir), "/tmp/chancery-crl-%d", (int)getpid());
    assert_int_equal(os_mkdirs(fx.dir, 0755), CH_OK);
    fx.rv.conf.www = fx.dir;
    fx.rv.conf.crl_validity_s = 86400;
    fx.rv.issuers = &fx.issuer;
    fx.rv.n_issuers = 1;
    assert_int_equal(revocation_series_ensure(fx.rv.db, "issuing-1", SHARDS, "revocation-1", &diag),
                     CH_OK);
    return 0;
}

static int end(void **state)
{
    char text[100];
    (void)state;
    db_pool_free(fx.rv.db);
    test_postgres_end(&fx.pg);
    crypto_public_free(fx.issuer.key);
    arena_clear(&fx.issuer.arena);
    free(fx.issuer.published);
    X509_free(fx.ca);
    EVP_PKEY_free(fx.key);
    (void)snprintf(text, sizeof(text), "rm -r %s", fx.dir);
    return system(text);
}

static struct revocation_row row(const uint8_t *serial, unsigned reason, uint64_t index)
{
    return (struct revocation_row){.issuer_id = "issuing-1",
                                   .serial = slice_of(serial, 16),
                                   .reason = reason,
                                   .revoked_at_s = NOW - 100,
                                   .shard = 1,
                                   .not_after_s = NOW + 86400,
                                   .log_index = index,
                                   .actor = "spiffe://chancery.test/user/test"};
}

static void numbered(uint8_t serial[16], uint32_t n)
{
    memset(serial, 0x5a, 16);
    for (int i = 0; i < 4; i++) {
        serial[i] = (uint8_t)(n >> (24 - 8 * i));
    }
    serial[0] = (uint8_t)(serial[0] | 1);
}

static void store(const struct revocation_row *rows, size_t n)
{
    struct diag diag = {0};
    if (revocation_rows_store(fx.rv.db, rows, n, NOW, &diag) != CH_OK) {
        fail_msg("%s: %s", diag.rule, diag.text);
    }
}

struct seen {
    uint64_t changed, covered, number;
    int64_t changed_at_s;
};

static void on_series(void *ctx, const struct revocation_series_row *r)
{
    struct seen *s = ctx;
    if (strcmp(r->issuer_id, "issuing-1") == 0 && r->shard < SHARDS) {
        s[r->shard] = (struct seen){r->changed, r->covered, r->number, r->changed_at_s};
    }
}

static struct seen series(uint32_t shard)
{
    struct seen all[SHARDS] = {{0}};
    struct diag diag = {0};
    assert_int_equal(revocation_series_read(fx.rv.db, on_series, all, &diag), CH_OK);
    return all[shard];
}

static void first_revocation_stands_and_marks_its_shard(void **state)
{
    (void)state;
    uint8_t serial[16];
    struct diag diag = {0};
    struct revocation_known known[2];
    numbered(serial, 0x22000001);
    struct seen before = series(1);
    struct revocation_row first = row(serial, 1, 10), second = row(serial, 4, 11);
    second.revoked_at_s = NOW;
    store(&first, 1);
    store(&second, 1);
    const struct revocation_key keys[] = {{"issuing-1", slice_of(serial, 16)},
                                          {"issuing-1", slice_of("", 0)}};
    assert_int_equal(revocation_known_read(fx.rv.db, keys, 2, known, &diag), CH_OK);
    assert_true(known[0].revoked);
    assert_int_equal(known[0].row.reason, 1);
    assert_int_equal(known[0].row.revoked_at_s, NOW - 100);
    assert_int_equal(known[0].row.log_index, 10);
    assert_int_equal(known[0].state, 0);
    assert_false(known[1].revoked);
    assert_int_equal(series(1).changed, before.changed + 2);
    assert_int_equal(series(0).changed, 0);
}

static void issued_states_are_seen_through_the_view(void **state)
{
    (void)state;
    uint8_t serial[16];
    struct diag diag = {0};
    struct revocation_known known;
    char sql[600], hex[33];
    numbered(serial, 0x23000002);
    hex_encode(slice_of(serial, 16), hex);
    (void)snprintf(
        sql, sizeof(sql),
        "INSERT INTO ca.issuance (issuer_id, serial, tbs_sha256, not_after_s, shard, request_id, "
        "attempt, instance, epoch, reserved_at_s, state) VALUES ('issuing-1', '\\x%s', "
        "decode(repeat('00', 32), 'hex'), 1800000000, 2, decode(repeat('01', 16), 'hex'), 1, "
        "'ca-1', 1, 1, 2)",
        hex);
    test_postgres_admin(&fx.pg, sql);
    const struct revocation_key key = {"issuing-1", slice_of(serial, 16)};
    assert_int_equal(revocation_known_read(fx.rv.db, &key, 1, &known, &diag), CH_OK);
    assert_int_equal(known.state, 2);
    assert_int_equal(known.shard, 2);
    assert_int_equal(known.not_after_s, 1800000000);
    assert_false(known.revoked);
}

static void claims_keep_builders_apart(void **state)
{
    (void)state;
    struct diag diag = {0};
    bool got = false;
    assert_int_equal(
        revocation_series_claim(fx.rv.db, "issuing-1", 3, "a/1", NOW + 40, NOW, &got, &diag),
        CH_OK);
    assert_true(got);
    assert_int_equal(
        revocation_series_claim(fx.rv.db, "issuing-1", 3, "b/1", NOW + 40, NOW, &got, &diag),
        CH_OK);
    assert_false(got);
    assert_int_equal(
        revocation_series_claim(fx.rv.db, "issuing-1", 3, "b/1", NOW + 80, NOW + 41, &got, &diag),
        CH_OK);
    assert_true(got);
    /* A restart of the instance frees its own claims. */
    assert_int_equal(revocation_series_ensure(fx.rv.db, "issuing-1", SHARDS, "b", &diag), CH_OK);
    assert_int_equal(
        revocation_series_claim(fx.rv.db, "issuing-1", 3, "c/1", NOW + 80, NOW + 42, &got, &diag),
        CH_OK);
    assert_true(got);
}

static enum chancery_err collect(void *ctx, struct slice piece, struct diag *diag)
{
    (void)diag;
    return buf_add(ctx, piece);
}

/* Builds, signs with the key in memory, publishes and records; gives what OpenSSL reads from the
 * file. */
static X509_CRL *make_crl(uint32_t shard, int64_t now_s, struct revocation_crl *crl)
{
    struct diag diag = {0};
    struct buf tbs, file;
    uint8_t signature[128];
    size_t len = sizeof(signature);
    char path[200];
    *crl = (struct revocation_crl){.issuer = &fx.issuer, .shard = shard, .entries_fd = -1};
    if (revocation_crl_build(&fx.rv, crl, now_s, &diag) != CH_OK) {
        fail_msg("%s: %s", diag.rule, diag.text);
    }
    buf_init(&tbs, 1 << 28);
    buf_init(&file, 1 << 28);
    assert_int_equal(revocation_crl_each(crl, collect, &tbs, &diag), CH_OK);
    assert_int_equal(tbs.len, crl->tbs_len);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, fx.key), 1);
    assert_int_equal(EVP_DigestSign(ctx, signature, &len, tbs.ptr, tbs.len), 1);
    EVP_MD_CTX_free(ctx);
    assert_int_equal(buf_add(&crl->signature, slice_of(signature, len)), CH_OK);
    assert_int_equal(revocation_crl_publish(&fx.rv, crl, &diag), CH_OK);
    assert_int_equal(revocation_crl_record(fx.rv.db, crl, now_s, &diag), CH_OK);
    assert_int_equal(revocation_crl_path(&fx.rv, "issuing-1", shard, path, sizeof(path)), CH_OK);
    assert_int_equal(os_file_read(path, &file, &diag), CH_OK);
    assert_int_equal(file.len, crl->length);
    const uint8_t *at = file.ptr;
    X509_CRL *x = d2i_X509_CRL(NULL, &at, (long)file.len);
    assert_non_null(x);
    assert_ptr_equal(at, file.ptr + file.len);
    assert_int_equal(X509_CRL_verify(x, fx.key), 1);
    buf_clear(&tbs);
    buf_clear(&file);
    revocation_crl_clear(crl);
    return x;
}

static void check_idp(X509_CRL *x, const char *url)
{
    int critical = 0;
    ISSUING_DIST_POINT *idp =
        X509_CRL_get_ext_d2i(x, NID_issuing_distribution_point, &critical, NULL);
    assert_non_null(idp);
    assert_int_equal(critical, 1);
    GENERAL_NAME *n = sk_GENERAL_NAME_value(idp->distpoint->name.fullname, 0);
    assert_string_equal((const char *)ASN1_STRING_get0_data(n->d.uniformResourceIdentifier), url);
    ISSUING_DIST_POINT_free(idp);
}

static void empty_shard_gets_a_crl_without_list(void **state)
{
    (void)state;
    struct revocation_crl crl;
    X509_CRL *x = make_crl(0, NOW, &crl);
    assert_null(X509_CRL_get_REVOKED(x));
    check_idp(x, "http://crl.example/crl/issuing-1/0.crl");
    ASN1_INTEGER *number = X509_CRL_get_ext_d2i(x, NID_crl_number, NULL, NULL);
    assert_int_equal(ASN1_INTEGER_get(number), 1);
    ASN1_INTEGER_free(number);
    X509_CRL_free(x);
    assert_int_equal(series(0).number, 1);
}

static void crl_holds_every_revocation_of_its_shard(void **state)
{
    (void)state;
    enum { N = 3000 };
    struct revocation_row *rows = calloc(N, sizeof(*rows));
    uint8_t(*serials)[16] = calloc(N, sizeof(*serials));
    struct revocation_crl crl;
    for (uint32_t i = 0; i < N; i++) {
        numbered(serials[i], 0x30000000 + (N - i) * 7);
        rows[i] = row(serials[i], (unsigned)(i % 6), 1000 + i);
        rows[i].shard = 2;
    }
    for (size_t i = 0; i < N; i += 1000) {
        store(&rows[i], 1000);
    }
    struct seen due = series(2);
    assert_true(due.covered < due.changed);
    X509_CRL *x = make_crl(2, NOW, &crl);
    assert_int_equal(crl.entries, N);
    assert_int_equal(sk_X509_REVOKED_num(X509_CRL_get_REVOKED(x)), N);
    for (size_t i = 0; i < N; i += 97) {
        X509_REVOKED *found = NULL;
        BIGNUM *bn = BN_bin2bn(serials[i], 16, NULL);
        ASN1_INTEGER *s = BN_to_ASN1_INTEGER(bn, NULL);
        assert_int_equal(X509_CRL_get0_by_serial(x, &found, s), 1);
        ASN1_ENUMERATED *reason = X509_REVOKED_get_ext_d2i(found, NID_crl_reason, NULL, NULL);
        assert_int_equal(reason == NULL ? 0 : ASN1_ENUMERATED_get(reason), i % 6);
        ASN1_ENUMERATED_free(reason);
        ASN1_INTEGER_free(s);
        BN_free(bn);
    }
    X509_CRL_free(x);
    struct seen done = series(2);
    assert_int_equal(done.covered, done.changed);
    free(rows);
    free(serials);
}

static void number_and_this_update_never_fall(void **state)
{
    (void)state;
    struct revocation_crl crl;
    X509_CRL_free(make_crl(3, NOW, &crl));
    int64_t first = crl.head.this_update_s;
    X509_CRL_free(make_crl(3, NOW - 5000, &crl)); /* the clock went back */
    assert_int_equal(crl.head.number, 2);
    assert_true(crl.head.this_update_s >= first);
    assert_int_equal(crl.previous, 1);
}

/* RFC 5280 3.3: the entry stays until it stood on a CRL issued after the certificate's end. */
static void entry_leaves_only_after_its_certificate_ended(void **state)
{
    (void)state;
    uint8_t serial[16], late[16];
    struct revocation_crl crl;
    numbered(serial, 0x41000001);
    numbered(late, 0x41000002);
    struct revocation_row r = row(serial, 0, 90000), after = row(late, 0, 90001);
    r.shard = after.shard = 3;
    r.not_after_s = NOW + 1000;
    after.not_after_s = NOW - 99999; /* revoked after its end: stands on one CRL */
    after.revoked_at_s = NOW + 1;
    store(&r, 1);
    store(&after, 1);
    X509_CRL_free(make_crl(3, NOW + 10, &crl));
    assert_int_equal(crl.entries, 2);
    X509_CRL_free(make_crl(3, NOW + 2000, &crl)); /* ended meanwhile: still there once more */
    assert_int_equal(crl.entries, 1);
    X509_CRL_free(make_crl(3, NOW + 3000, &crl));
    assert_int_equal(crl.entries, 0);
}

static void revocation_during_a_build_stays_due(void **state)
{
    (void)state;
    uint8_t serial[16];
    struct revocation_crl crl = {.issuer = &fx.issuer, .shard = 1, .entries_fd = -1};
    struct diag diag = {0};
    assert_int_equal(revocation_crl_build(&fx.rv, &crl, NOW, &diag), CH_OK);
    numbered(serial, 0x51000001);
    struct revocation_row r = row(serial, 0, 95000);
    store(&r, 1);
    crl.length = 1;
    assert_int_equal(revocation_crl_record(fx.rv.db, &crl, NOW, &diag), CH_OK);
    revocation_crl_clear(&crl);
    struct seen s = series(1);
    assert_int_equal(s.covered + 1, s.changed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_revocation_stands_and_marks_its_shard),
        cmocka_unit_test(issued_states_are_seen_through_the_view),
        cmocka_unit_test(claims_keep_builders_apart),
        cmocka_unit_test(empty_shard_gets_a_crl_without_list),
        cmocka_unit_test(crl_holds_every_revocation_of_its_shard),
        cmocka_unit_test(number_and_this_update_never_fall),
        cmocka_unit_test(entry_leaves_only_after_its_certificate_ended),
        cmocka_unit_test(revocation_during_a_build_stays_due),
    };
    return cmocka_run_group_tests(tests, start, end);
}
