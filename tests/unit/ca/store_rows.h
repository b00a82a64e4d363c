/* A migrated private database, a pool as chancery_ca, and batches of rows for the tests of the
 * store. */
#ifndef CHANCERY_TEST_CA_STORE_ROWS_H
#define CHANCERY_TEST_CA_STORE_ROWS_H

#include "cm.h"

#include "store.h"
#include "test_postgres.h"

#define ROWS_SHARDS 4

extern struct test_postgres rows_pg;
extern struct db_pool *rows_db;

/* rows_open starts everything and records issuer "issuing-1"; rows_close ends it. For cmocka
 * groups. */
int rows_open(void **state);
int rows_close(void **state);

/* rows_int runs a query as superuser and gives its one number. */
int64_t rows_int(const char *sql);

/* A batch whose serials, request ids and TBS digests come from `seed`; attempts are 1. */
struct rows_batch {
    struct ca_reservation rows[PERMIT_BATCH_MAX];
    struct ca_certificate certificates[PERMIT_BATCH_MAX];
    uint8_t serials[PERMIT_BATCH_MAX][16], ids[PERMIT_BATCH_MAX][16], tbs[PERMIT_BATCH_MAX][32];
    struct slice keys[PERMIT_BATCH_MAX];
    char names[PERMIT_BATCH_MAX][64], lookups[PERMIT_BATCH_MAX][64];
    uint8_t statement[32], permit[32];
    struct ca_reserve reserve;
    struct ca_store store;
};
void rows_make(struct rows_batch *b, uint32_t seed, size_t n, int64_t epoch);

/* rows_reserve reserves the batch and gives its certificates the ids of the reservations. */
enum chancery_err rows_reserve(struct rows_batch *b, struct diag *diag);

#endif
