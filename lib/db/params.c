/* Parameters to PostgreSQL's binary format.
 *
 * Scalars: bytea and text are their bytes, int4 and int8 big-endian, bool one octet.
 * One-dimensional array: dimensions (1, or 0 when empty), has-null flag, element OID, then length,
 * lower bound 1, and per element its length (-1: NULL) and bytes; all integers 4 octets big-endian
 * (PostgreSQL src/backend/utils/adt/arrayfuncs.c, array_recv). */
#include "db/db_int.h"

/* OIDs are fixed in PostgreSQL's catalogue (src/include/catalog/pg_type.dat). */
enum {
    OID_BOOL = 16,
    OID_BYTEA = 17,
    OID_INT8 = 20,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_BOOL_ARRAY = 1000,
    OID_BYTEA_ARRAY = 1001,
    OID_INT4_ARRAY = 1007,
    OID_TEXT_ARRAY = 1009,
    OID_INT8_ARRAY = 1016,
};

struct kind {
    Oid oid, element;    /* element 0: scalar */
    enum db_type scalar; /* how one value is written */
};

static const struct kind kinds[] = {
    [DB_NULL] = {0, 0, DB_NULL},
    [DB_BYTES] = {OID_BYTEA, 0, DB_BYTES},
    [DB_TEXT] = {OID_TEXT, 0, DB_TEXT},
    [DB_INT4] = {OID_INT4, 0, DB_INT4},
    [DB_INT8] = {OID_INT8, 0, DB_INT8},
    [DB_BOOL] = {OID_BOOL, 0, DB_BOOL},
    [DB_BYTES_ARRAY] = {OID_BYTEA_ARRAY, OID_BYTEA, DB_BYTES},
    [DB_TEXT_ARRAY] = {OID_TEXT_ARRAY, OID_TEXT, DB_TEXT},
    [DB_INT4_ARRAY] = {OID_INT4_ARRAY, OID_INT4, DB_INT4},
    [DB_INT8_ARRAY] = {OID_INT8_ARRAY, OID_INT8, DB_INT8},
    [DB_BOOL_ARRAY] = {OID_BOOL_ARRAY, OID_BOOL, DB_BOOL},
};

static enum chancery_err check_text(struct slice s, size_t index, struct diag *diag)
{
    if (slice_has_nul(s)) {
        return diag_set(diag, CH_INVALID, "", "db.text.nul",
                        "text parameter %zu holds a NUL character", index + 1);
    }
    return CH_OK;
}

static enum chancery_err add_num(struct buf *b, enum db_type type, int64_t num, struct diag *diag)
{
    switch (type) {
    case DB_INT4:
        if (num < INT32_MIN || num > INT32_MAX) {
            return diag_set(diag, CH_INVALID, "", "db.int4.range", "value does not fit 4 octets");
        }
        return buf_add_u32be(b, (uint32_t)(int32_t)num);
    case DB_INT8:
        return buf_add_u64be(b, (uint64_t)num);
    case DB_BOOL:
        return buf_add_u8(b, num != 0 ? 1 : 0);
    default:
        return diag_set(diag, CH_INTERNAL, "", "db.type", "not a number type");
    }
}

static uint32_t num_size(enum db_type type)
{
    return type == DB_INT8 ? 8 : type == DB_INT4 ? 4 : 1;
}

static enum chancery_err add_element(struct buf *b, const struct db_param *p, enum db_type scalar,
                                     size_t i, size_t index, struct diag *diag)
{
    if (scalar != DB_BYTES && scalar != DB_TEXT) {
        TRY(buf_add_u32be(b, num_size(scalar)));
        return add_num(b, scalar, p->nums[i], diag);
    }
    struct slice s = p->slices[i];
    if (s.ptr == NULL) {
        return buf_add_u32be(b, UINT32_MAX); /* -1: NULL */
    }
    if (s.len > INT32_MAX) {
        return diag_set(diag, CH_LIMIT, "", "db.param.size", "parameter %zu is too long",
                        index + 1);
    }
    if (scalar == DB_TEXT) {
        TRY(check_text(s, index, diag));
    }
    TRY(buf_add_u32be(b, (uint32_t)s.len));
    return buf_add(b, s);
}

static bool has_null(const struct db_param *p, enum db_type scalar)
{
    if (scalar != DB_BYTES && scalar != DB_TEXT) {
        return false;
    }
    for (size_t i = 0; i < p->count; i++) {
        if (p->slices[i].ptr == NULL) {
            return true;
        }
    }
    return false;
}

static enum chancery_err add_array(struct buf *b, const struct db_param *p, size_t index,
                                   struct diag *diag)
{
    const struct kind *k = &kinds[p->type];
    if (p->count > INT32_MAX) {
        return diag_set(diag, CH_LIMIT, "", "db.param.size", "parameter %zu is too long",
                        index + 1);
    }
    TRY(buf_add_u32be(b, p->count == 0 ? 0 : 1));
    TRY(buf_add_u32be(b, has_null(p, k->scalar) ? 1 : 0));
    TRY(buf_add_u32be(b, k->element));
    if (p->count == 0) {
        return CH_OK;
    }
    TRY(buf_add_u32be(b, (uint32_t)p->count));
    TRY(buf_add_u32be(b, 1));
    for (size_t i = 0; i < p->count; i++) {
        TRY(add_element(b, p, k->scalar, i, index, diag));
    }
    return CH_OK;
}

/* Parameters that need encoding go to scratch; their addresses are set when it no longer grows. */
static enum chancery_err encode_one(struct db_conn *conn, const struct db_param *p, size_t i,
                                    struct diag *diag)
{
    if ((unsigned)p->type >= sizeof kinds / sizeof kinds[0]) {
        return diag_set(diag, CH_INTERNAL, "", "db.type", "unknown parameter type");
    }
    const struct kind *k = &kinds[p->type];
    conn->types[i] = k->oid;
    conn->formats[i] = 1;
    conn->values[i] = NULL;
    conn->lengths[i] = 0;
    size_t start = conn->scratch.len;
    if (p->type == DB_NULL) {
        return CH_OK;
    }
    if (k->element != 0) {
        TRY(add_array(&conn->scratch, p, i, diag));
    } else if (p->type == DB_BYTES || p->type == DB_TEXT) {
        if (p->bytes.len > INT32_MAX) {
            return diag_set(diag, CH_LIMIT, "", "db.param.size", "parameter %zu is too long",
                            i + 1);
        }
        if (p->type == DB_TEXT) {
            TRY(check_text(p->bytes, i, diag));
        }
        conn->values[i] = p->bytes.ptr == NULL ? "" : (const char *)p->bytes.ptr;
        conn->lengths[i] = (int)p->bytes.len;
        return CH_OK;
    } else {
        TRY(add_num(&conn->scratch, p->type, p->num, diag));
    }
    if (conn->scratch.len - start > INT32_MAX) {
        return diag_set(diag, CH_LIMIT, "", "db.param.size", "parameter %zu is too long", i + 1);
    }
    conn->lengths[i] = (int)(conn->scratch.len - start);
    return CH_OK;
}

enum chancery_err db_encode(struct db_conn *conn, const struct db_param *params, size_t n,
                            struct diag *diag)
{
    if (n > DB_MAX_PARAMS) {
        return diag_set(diag, CH_LIMIT, "", "db.params", "more than %d parameters", DB_MAX_PARAMS);
    }
    buf_reset(&conn->scratch);
    for (size_t i = 0; i < n; i++) {
        TRY(encode_one(conn, &params[i], i, diag));
    }
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        if (conn->types[i] != 0 && conn->values[i] == NULL) {
            conn->values[i] = (const char *)conn->scratch.ptr + at;
            at += (size_t)conn->lengths[i];
        }
    }
    return CH_OK;
}
