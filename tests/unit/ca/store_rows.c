#include "store_rows.h"

#include <stdio.h>

#include "crypto/alg.h"

struct test_postgres rows_pg;
struct db_pool *rows_db;
static char admin[256];

int rows_open(void **state)
{
    (void)state;
    char conninfo[256];
    static const uint8_t key[32] = {7};
    test_postgres_start(&rows_pg);
    test_postgres_migrate(&rows_pg);
    test_postgres_conninfo(&rows_pg, "chancery_ca", conninfo, sizeof conninfo);
    test_postgres_conninfo(&rows_pg, "admin", admin, sizeof admin);
    const struct db_pool_opts opts = {
        .conninfo = conninfo, .size = 6, .acquire_ms = 5000, .application = "test-ca"};
    const struct ca_issuer_row issuer = {"issuing-1", slice_str("certificate"), slice_of(key, 32),
                                         ROWS_SHARDS};
    return db_pool_new(&opts, &rows_db, NULL) == CH_OK &&
                   ca_store_issuer(rows_db, &issuer, 1, NULL) == CH_OK
               ? 0
               : -1;
}

int rows_close(void **state)
{
    (void)state;
    db_pool_free(rows_db);
    test_postgres_end(&rows_pg);
    return 0;
}

int64_t rows_int(const char *sql)
{
    struct db_conn *conn = NULL;
    struct db_result *r = NULL;
    assert_int_equal(db_connect(admin, &conn, NULL), CH_OK);
    assert_int_equal(db_exec(conn, sql, NULL, 0, &r, NULL), CH_OK);
    int64_t n = db_rows(r) == 0 ? -1 : db_int(r, 0, 0);
    db_result_free(r);
    db_disconnect(conn);
    return n;
}

static void derive(const char *kind, uint32_t seed, size_t i, uint8_t *out, size_t len)
{
    char text[64];
    uint8_t digest[32];
    (void)snprintf(text, sizeof text, "%s %u %zu", kind, (unsigned)seed, i);
    crypto_sha256(slice_str(text), digest);
    memcpy(out, digest, len);
}

static void fill(struct rows_batch *b, uint32_t seed, size_t i)
{
    derive("serial", seed, i, b->serials[i], 16);
    b->serials[i][0] = (uint8_t)(1 + b->serials[i][0] % 0x7f);
    derive("id", seed, i, b->ids[i], 16);
    derive("tbs", seed, i, b->tbs[i], 32);
    (void)snprintf(b->names[i], sizeof b->names[i], "DNS:H%u-%zu.example", (unsigned)seed, i);
    (void)snprintf(b->lookups[i], sizeof b->lookups[i], "h%u-%zu.example", (unsigned)seed, i);
    b->keys[i] = slice_str(b->lookups[i]);
    b->rows[i] = (struct ca_reservation){.issuer_id = "issuing-1",
                                         .serial = slice_of(b->serials[i], 16),
                                         .tbs_sha256 = slice_of(b->tbs[i], 32),
                                         .request_id = slice_of(b->ids[i], 16),
                                         .not_after_s = 2000 + (int64_t)i,
                                         .shard = 3,
                                         .attempt = 1};
    b->certificates[i] =
        (struct ca_certificate){.reservation = &b->rows[i],
                                .der = slice_of(b->tbs[i], 32),
                                .tenant = slice_str("default"),
                                .requester = slice_str("spiffe://t/user/a"),
                                .profile = slice_str(i % 2 == 0 ? "web" : "client"),
                                .spki_sha256 = slice_of(b->tbs[i], 32),
                                .subject = slice_str("CN=a"),
                                .names = slice_str(b->names[i]),
                                .keys = &b->keys[i],
                                .n_keys = 1,
                                .not_before_s = 1000,
                                .evidence_sha256 = slice_of(b->tbs[i], 32),
                                .request_sha256 = slice_of(b->tbs[i], 32),
                                .issuer_key = slice_of(b->tbs[i], 32),
                                .permit_index = (uint32_t)i,
                                .intent_index = 10 + i,
                                .result_index = 20 + i};
}

void rows_make(struct rows_batch *b, uint32_t seed, size_t n, int64_t epoch)
{
    for (size_t i = 0; i < n; i++) {
        fill(b, seed, i);
    }
    derive("statement", seed, 0, b->statement, 32);
    derive("permit", seed, 0, b->permit, 32);
    b->reserve = (struct ca_reserve){
        .epoch = epoch,
        .instance = "ca-1",
        .now_s = 1500,
        .statement = {slice_of(b->statement, 32), slice_str("s"), slice_str("sig")},
        .permit = {slice_of(b->permit, 32), slice_str("p"), slice_str("sig")},
        .rows = b->rows,
        .n = n};
    b->store = (struct ca_store){.epoch = epoch,
                                 .now_s = 1600,
                                 .statement_sha256 = slice_of(b->statement, 32),
                                 .permit_sha256 = slice_of(b->permit, 32),
                                 .bundle_sha256 = slice_of(b->permit, 32),
                                 .build_id = "test",
                                 .rows = b->certificates,
                                 .n = n};
}

enum chancery_err rows_reserve(struct rows_batch *b, struct diag *diag)
{
    int64_t first = 0;
    TRY(ca_store_reserve(rows_db, &b->reserve, &first, diag));
    for (size_t i = 0; i < b->reserve.n; i++) {
        b->certificates[i].id = first + (int64_t)i;
    }
    return CH_OK;
}
