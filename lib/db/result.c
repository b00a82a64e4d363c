/* Reading rows in binary format. Wrong row, column or type is a programmer's error and ends the
 * process: the statements and the schema are program text. */
#include "db/db_int.h"

#include <assert.h>
#include <stdlib.h>

enum { OID_BOOL = 16, OID_INT8 = 20, OID_INT2 = 21, OID_INT4 = 23, OID_OID = 26 };

static uint64_t read_be(const char *p, int n)
{
    uint64_t v = 0;
    for (int i = 0; i < n; i++) {
        v = v << 8 | (uint8_t)p[i];
    }
    return v;
}

static void check_cell(const struct db_result *r, size_t row, size_t col)
{
    assert(r != NULL && row < db_rows(r) && col < (size_t)PQnfields(r->pg));
}

size_t db_rows(const struct db_result *r)
{
    return (size_t)PQntuples(r->pg);
}

uint64_t db_affected(const struct db_result *r)
{
    return strtoull(PQcmdTuples(r->pg), NULL, 10);
}

bool db_is_null(const struct db_result *r, size_t row, size_t col)
{
    check_cell(r, row, col);
    return PQgetisnull(r->pg, (int)row, (int)col) != 0;
}

int64_t db_int(const struct db_result *r, size_t row, size_t col)
{
    check_cell(r, row, col);
    if (PQgetisnull(r->pg, (int)row, (int)col)) {
        return 0;
    }
    const char *p = PQgetvalue(r->pg, (int)row, (int)col);
    switch (PQftype(r->pg, (int)col)) {
    case OID_BOOL:
        return p[0] != 0;
    case OID_INT2:
        return (int16_t)read_be(p, 2);
    case OID_INT4:
        return (int32_t)read_be(p, 4);
    case OID_OID:
        return (int64_t)read_be(p, 4);
    case OID_INT8:
        return (int64_t)read_be(p, 8);
    default:
        assert(false && "db_int: the column is not bool, int2, int4, int8 or oid");
        return 0;
    }
}

struct slice db_bytes(const struct db_result *r, size_t row, size_t col)
{
    check_cell(r, row, col);
    if (PQgetisnull(r->pg, (int)row, (int)col)) {
        return (struct slice){NULL, 0};
    }
    return slice_of(PQgetvalue(r->pg, (int)row, (int)col),
                    (size_t)PQgetlength(r->pg, (int)row, (int)col));
}

enum chancery_err db_array(const struct db_result *r, size_t row, size_t col, struct slice *out,
                           size_t cap, size_t *out_n)
{
    struct slice v = db_bytes(r, row, col);
    if (v.ptr == NULL) {
        *out_n = 0;
        return CH_OK;
    }
    const char *p = (const char *)v.ptr;
    uint64_t dims = v.len < 12 ? UINT64_MAX : read_be(p, 4);
    if (dims == 0) {
        *out_n = 0;
        return CH_OK;
    }
    if (dims != 1 || v.len < 20) {
        return CH_INVALID;
    }
    size_t n = (size_t)read_be(p + 12, 4), at = 20;
    if (n > cap) {
        return CH_LIMIT;
    }
    for (size_t i = 0; i < n; i++) {
        if (v.len - at < 4) {
            return CH_INTEGRITY;
        }
        int32_t len = (int32_t)read_be(p + at, 4);
        at += 4;
        if (len >= 0 && (size_t)len > v.len - at) {
            return CH_INTEGRITY;
        }
        out[i] = len < 0 ? (struct slice){NULL, 0} : slice_of(p + at, (size_t)len);
        at += len < 0 ? 0 : (size_t)len;
    }
    *out_n = n;
    return CH_OK;
}

void db_result_free(struct db_result *r)
{
    if (r != NULL) {
        PQclear(r->pg);
        free(r);
    }
}
