/* Looking certificates up: one statement per selective filter, so that each has its index; the
 * remaining filters narrow further. Pages go by id, newest first. */
#include "store.h"

#define SELECT                                                                                     \
    "SELECT c.id, c.issuer_id, c.serial, c.der, c.tbs_sha256, c.tenant, c.requester, c.profile, "  \
    "c.request_id, "                                                                               \
    "c.spki_sha256, c.subject, array_to_string(c.names, E'\\n'), c.not_before_s, c.not_after_s, "  \
    "c.shard, "                                                                                    \
    "c.result_index, c.issued_at_s FROM ca.certificate c WHERE "
#define NARROW                                                                                     \
    " AND ($1 = '' OR c.issuer_id = $1) AND (octet_length($2::bytea) = 0 OR c.serial = $2) "       \
    "AND (octet_length($3::bytea) = 0 OR c.request_id = $3) AND ($4 = '' OR c.profile = $4) "      \
    "AND ($5 = '' OR c.requester = $5) AND (octet_length($6::bytea) = 0 OR c.spki_sha256 = $6) "   \
    "AND ($7 = '' OR c.id IN (SELECT n.certificate_id FROM ca.certificate_name n WHERE n.name = "  \
    "$7)) "                                                                                        \
    "AND ($8 = 0 OR c.not_after_s < $8) AND ($9 = 0 OR c.not_after_s > $9) AND ($10 = 0 OR c.id "  \
    "< $10) "                                                                                      \
    "AND ($12::text[] IS NOT NULL) ORDER BY c.id DESC LIMIT $11"

static const char by_serial[] =
    SELECT "c.id IN (SELECT i.id FROM ca.issuance i WHERE i.issuer_id = ANY($12::text[]) AND "
           "i.serial = $2)" NARROW;
static const char by_request[] = SELECT "c.request_id = $3" NARROW;
static const char by_spki[] = SELECT "c.spki_sha256 = $6" NARROW;
static const char by_name[] =
    SELECT "c.id IN (SELECT n.certificate_id FROM ca.certificate_name n WHERE n.name = $7)" NARROW;
static const char by_requester[] = SELECT "c.requester = $5" NARROW;
static const char by_id[] = SELECT "true" NARROW;

static const char *statement_for(const struct ca_filter *f)
{
    return f->serial.len > 0        ? by_serial
           : f->request_id.len > 0  ? by_request
           : f->spki_sha256.len > 0 ? by_spki
           : f->name.len > 0        ? by_name
           : f->requester.len > 0   ? by_requester
                                    : by_id;
}

/* An empty value, not NULL: NULL would match nothing. */
static struct slice value(struct slice s)
{
    return s.len == 0 ? slice_of("", 0) : s;
}

enum chancery_err ca_store_find(struct db_pool *db, const struct ca_filter *f,
                                struct db_result **out, struct diag *diag)
{
    const struct db_param params[] = {
        DB_P_TEXT(value(f->issuer_id)),   DB_P_BYTES(value(f->serial)),
        DB_P_BYTES(value(f->request_id)), DB_P_TEXT(value(f->profile)),
        DB_P_TEXT(value(f->requester)),   DB_P_BYTES(value(f->spki_sha256)),
        DB_P_TEXT(value(f->name)),        DB_P_INT8(f->not_after_before_s),
        DB_P_INT8(f->not_after_after_s),  DB_P_INT8(f->before_id),
        DB_P_INT8((int64_t)f->limit),     DB_P_TEXT_ARRAY(f->issuers, f->n_issuers)};
    struct db_conn *conn = NULL;
    TRY(db_acquire(db, &conn, diag));
    enum chancery_err err =
        db_exec(conn, statement_for(f), params, sizeof params / sizeof params[0], out, diag);
    db_release(conn);
    return err;
}
