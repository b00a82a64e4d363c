/* FindCertificates and ListIssuers: reads only. */
#include "rpc.h"

#include "chancery/ca/v1/ca.pb-c.h"
#include "store.h"

#define PAGE_DEFAULT 50
#define PAGE_MAX 500
#define TEXT_FILTER_MAX 512

/* ---- certificates ---- */

static char *text(struct arena *arena, struct slice s)
{
    return arena_str(arena, s);
}

/* Splits lines; *out_n counts them. */
static char **lines(struct arena *arena, struct slice s, size_t *out_n)
{
    size_t n = s.len == 0 ? 0 : 1;
    for (size_t i = 0; i < s.len; i++) {
        n += s.ptr[i] == '\n' ? 1 : 0;
    }
    char **list = arena_alloc(arena, (n + 1) * sizeof *list);
    for (size_t i = 0; list != NULL && i < n; i++) {
        const uint8_t *end = memchr(s.ptr, '\n', s.len);
        size_t len = end == NULL ? s.len : (size_t)(end - s.ptr);
        list[i] = text(arena, slice_sub(s, 0, len));
        if (list[i] == NULL) {
            return NULL;
        }
        s = slice_sub(s, len + 1, s.len);
    }
    *out_n = n;
    return list;
}

static bool add_chain(const struct ca_issuer *issuer, struct arena *arena,
                      Chancery__Common__V1__Certificate *m)
{
    size_t n = issuer == NULL ? 0 : issuer->n_chain - (issuer->chain_has_root ? 1 : 0);
    m->chain_der = arena_alloc(arena, (n + 1) * sizeof *m->chain_der);
    for (size_t i = 0; m->chain_der != NULL && i < n; i++) {
        m->chain_der[i] =
            (ProtobufCBinaryData){issuer->chain[i].len, (uint8_t *)(uintptr_t)issuer->chain[i].ptr};
    }
    m->n_chain_der = n;
    return m->chain_der != NULL;
}

Chancery__Common__V1__Certificate *ca_rpc_certificate(struct arena *arena, const struct ca_shown *s)
{
    Chancery__Common__V1__Certificate *m = arena_alloc(arena, sizeof *m);
    if (m == NULL) {
        return NULL;
    }
    chancery__common__v1__certificate__init(m);
    m->issuer_id = text(arena, s->issuer_id);
    m->serial = rpc_bytes(arena, s->serial);
    m->der = rpc_bytes(arena, s->der);
    m->tbs_sha256 = rpc_bytes(arena, s->tbs_sha256);
    m->profile = text(arena, s->profile);
    m->requester = text(arena, s->requester);
    m->tenant = text(arena, s->tenant);
    m->request_id = rpc_bytes(arena, s->request_id);
    m->not_before_s = s->not_before_s;
    m->not_after_s = s->not_after_s;
    m->shard = s->shard;
    m->spki_sha256 = rpc_bytes(arena, s->spki_sha256);
    m->subject = text(arena, s->subject);
    m->names = lines(arena, s->names, &m->n_names);
    m->log_index = s->log_index;
    m->issued_at_s = s->issued_at_s;
    bool whole = m->issuer_id != NULL && m->serial.data != NULL && m->der.data != NULL &&
                 m->tbs_sha256.data != NULL && m->profile != NULL && m->requester != NULL &&
                 m->tenant != NULL && m->request_id.data != NULL && m->spki_sha256.data != NULL &&
                 m->subject != NULL && m->names != NULL;
    return whole && add_chain(s->issuer, arena, m) ? m : NULL;
}

static Chancery__Common__V1__Certificate *found(const struct ca *ca, struct arena *arena,
                                                const struct db_result *r, size_t row)
{
    const struct ca_shown s = {.issuer = ca_issuer_find(ca, db_bytes(r, row, CA_COL_ISSUER)),
                               .issuer_id = db_bytes(r, row, CA_COL_ISSUER),
                               .serial = db_bytes(r, row, CA_COL_SERIAL),
                               .der = db_bytes(r, row, CA_COL_DER),
                               .tbs_sha256 = db_bytes(r, row, CA_COL_TBS),
                               .profile = db_bytes(r, row, CA_COL_PROFILE),
                               .requester = db_bytes(r, row, CA_COL_REQUESTER),
                               .tenant = db_bytes(r, row, CA_COL_TENANT),
                               .request_id = db_bytes(r, row, CA_COL_REQUEST),
                               .spki_sha256 = db_bytes(r, row, CA_COL_SPKI),
                               .subject = db_bytes(r, row, CA_COL_SUBJECT),
                               .names = db_bytes(r, row, CA_COL_NAMES),
                               .not_before_s = db_int(r, row, CA_COL_NOT_BEFORE),
                               .not_after_s = db_int(r, row, CA_COL_NOT_AFTER),
                               .issued_at_s = db_int(r, row, CA_COL_ISSUED),
                               .shard = (uint32_t)db_int(r, row, CA_COL_SHARD),
                               .log_index = (uint64_t)db_int(r, row, CA_COL_RESULT)};
    return ca_rpc_certificate(arena, &s);
}

/* ---- filters ---- */

static enum chancery_err bad(struct diag *diag, const char *field)
{
    return diag_set(diag, CH_INVALID, field, "find.filter", "this filter has an impossible value");
}

/* The cursor is the decimal id of the last certificate of the page before. */
static enum chancery_err read_cursor(const char *cursor, int64_t *out, struct diag *diag)
{
    int64_t v = 0;
    for (const char *p = cursor; *p != '\0'; p++) {
        if (*p < '0' || *p > '9' || p - cursor >= 18) {
            return bad(diag, "cursor");
        }
        v = v * 10 + (*p - '0');
    }
    *out = v;
    return CH_OK;
}

/* Lookup names are lower case, and cut like those that were stored. */
static struct slice lower(struct arena *arena, const char *name)
{
    char *copy = arena_str(arena, slice_str(name));
    for (char *p = copy; p != NULL && *p != '\0'; p++) {
        *p = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
    }
    return slice_str(copy);
}

static enum chancery_err read_filter(const struct ca *ca,
                                     const Chancery__Ca__V1__FindCertificatesRequest *m,
                                     struct arena *arena, struct ca_filter *f, struct diag *diag)
{
    struct slice *ids = arena_alloc(arena, CA_ISSUERS_MAX * sizeof *ids);
    if (ids == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < ca->n_issuers; i++) {
        ids[i] = slice_str(ca->issuers[i].issuer_id);
    }
    if (strlen(m->name) > TEXT_FILTER_MAX || strlen(m->requester) > TEXT_FILTER_MAX ||
        strlen(m->profile) > TEXT_FILTER_MAX || strlen(m->issuer_id) > TEXT_FILTER_MAX) {
        return bad(diag, "name");
    }
    if (m->serial.len > 20 || (m->request_id.len != 0 && m->request_id.len != 16) ||
        (m->spki_sha256.len != 0 && m->spki_sha256.len != 32)) {
        return bad(diag, "serial");
    }
    *f = (struct ca_filter){.issuer_id = slice_str(m->issuer_id),
                            .serial = rpc_slice(m->serial),
                            .request_id = rpc_slice(m->request_id),
                            .profile = slice_str(m->profile),
                            .requester = slice_str(m->requester),
                            .name = lower(arena, m->name),
                            .spki_sha256 = rpc_slice(m->spki_sha256),
                            .not_after_before_s = m->not_after_before_s,
                            .not_after_after_s = m->not_after_after_s,
                            .limit = m->page_size == 0         ? PAGE_DEFAULT
                                     : m->page_size > PAGE_MAX ? PAGE_MAX
                                                               : m->page_size,
                            .issuers = ids,
                            .n_issuers = ca->n_issuers};
    return read_cursor(m->cursor, &f->before_id, diag);
}

enum chancery_err ca_rpc_find(struct rpc_call *call, const ProtobufCMessage *in,
                              ProtobufCMessage *out, void *ctx)
{
    const struct ca *ca = ctx;
    struct arena *arena = rpc_arena(call);
    Chancery__Ca__V1__FindCertificatesResponse *m =
        (Chancery__Ca__V1__FindCertificatesResponse *)out;
    struct ca_filter f;
    struct db_result *r = NULL;
    TRY(read_filter(ca, (const Chancery__Ca__V1__FindCertificatesRequest *)in, arena, &f,
                    rpc_diag(call)));
    size_t page = f.limit++; /* one more tells whether there is a next page */
    TRY(ca_store_find(ca->db, &f, &r, rpc_diag(call)));
    size_t n = db_rows(r) < page ? db_rows(r) : page;
    enum chancery_err err = CH_OK;
    m->certificates = arena_alloc(arena, (n + 1) * sizeof *m->certificates);
    for (size_t i = 0; m->certificates != NULL && i < n; i++) {
        m->certificates[i] = found(ca, arena, r, i);
        err = m->certificates[i] == NULL ? CH_NOMEM : err;
    }
    m->n_certificates = n;
    if (err == CH_OK && db_rows(r) > page) {
        m->next_cursor = arena_printf(arena, "%lld", (long long)db_int(r, n - 1, CA_COL_ID));
    }
    if (m->certificates == NULL || m->next_cursor == NULL) {
        err = CH_NOMEM;
    }
    db_result_free(r);
    return err;
}

/* ---- issuers ---- */

static ProtobufCBinaryData borrow(struct slice s)
{
    return (ProtobufCBinaryData){s.len, (uint8_t *)(uintptr_t)s.ptr};
}

static enum chancery_err show_issuer(const struct ca_issuer *i, struct arena *arena,
                                     Chancery__Common__V1__Issuer *m)
{
    chancery__common__v1__issuer__init(m);
    m->chain_der = arena_alloc(arena, CA_CHAIN_MAX * sizeof *m->chain_der);
    if (m->chain_der == NULL) {
        return CH_NOMEM;
    }
    m->issuer_id = (char *)(uintptr_t)i->issuer_id;
    m->certificate_der = borrow(i->cert.der);
    for (size_t k = 1; k < i->n_chain; k++) {
        m->chain_der[m->n_chain_der++] = borrow(i->chain[k]);
    }
    m->key_algorithm = (char *)(uintptr_t)crypto_key_type_name(crypto_public_type(i->key));
    m->shards = i->shards;
    m->crl_url_base = (char *)(uintptr_t)i->crl_url_base;
    m->ocsp_url = (char *)(uintptr_t)i->ocsp_url;
    m->spki_sha256 = borrow(slice_of(crypto_public_spki_sha256(i->key), 32));
    return CH_OK;
}

enum chancery_err ca_rpc_issuers(struct rpc_call *call, const ProtobufCMessage *in,
                                 ProtobufCMessage *out, void *ctx)
{
    const struct ca *ca = ctx;
    Chancery__Ca__V1__ListIssuersResponse *m = (Chancery__Ca__V1__ListIssuersResponse *)out;
    (void)in;
    m->issuers = arena_alloc(rpc_arena(call), ca->n_issuers * sizeof *m->issuers);
    Chancery__Common__V1__Issuer *rows = arena_alloc(rpc_arena(call), ca->n_issuers * sizeof *rows);
    if (m->issuers == NULL || rows == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < ca->n_issuers; i++) {
        TRY(show_issuer(&ca->issuers[i], rpc_arena(call), &rows[i]));
        m->issuers[i] = &rows[i];
    }
    m->n_issuers = ca->n_issuers;
    return CH_OK;
}
