/* Building a TBSCertList in constant memory: one REPEATABLE READ snapshot, entries streamed through
 * a server-side cursor into an unlinked file, then the whole TBS read back by the strict reader and
 * compared with a second reading of the same snapshot. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "log/log.h"
#include "os/os.h"
#include "revocation.h"

#define PIECE_MAX ((size_t)64 << 10) /* ca takes chunks of at most 64 KiB */
#define ENTRY_MAX 128                /* an entry has under 64 octets */

struct build {
    struct revocation *rv;
    struct revocation_crl *crl;
    struct buf pending; /* encoded entries not yet in the file */
    struct crypto_hasher *hash;
    uint64_t n;
    int64_t now_s;
    int64_t newest_s; /* latest revocation date among the entries */
};

static enum chancery_err write_all(int fd, struct slice s)
{
    while (s.len > 0) {
        ssize_t n = write(fd, s.ptr, s.len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return CH_IO;
        }
        s = slice_sub(s, (size_t)n, s.len);
    }
    return CH_OK;
}

static enum chancery_err flush(struct build *b)
{
    TRY(write_all(b->crl->entries_fd, buf_slice(&b->pending)));
    b->crl->entries_len += b->pending.len;
    buf_reset(&b->pending);
    return CH_OK;
}

static void hash_entry(struct crypto_hasher *h, const struct x509_crl_entry *e)
{
    uint8_t fixed[18] = {(uint8_t)e->serial.len, (uint8_t)e->reason};
    uint64_t at = (uint64_t)e->revoked_at_s;
    for (int i = 0; i < 8; i++) {
        fixed[2 + i] = (uint8_t)(at >> (56 - 8 * i));
    }
    crypto_hasher_update(h, slice_of(fixed, sizeof(fixed)));
    crypto_hasher_update(h, e->serial);
}

static void entry_of(const struct db_result *r, size_t row, struct x509_crl_entry *out)
{
    *out = (struct x509_crl_entry){.serial = db_bytes(r, row, 0),
                                   .revoked_at_s = db_int(r, row, 1),
                                   .reason = (unsigned)db_int(r, row, 2)};
}

static enum chancery_err on_row(void *ctx, const struct db_result *r, size_t row)
{
    struct build *b = ctx;
    struct x509_crl_entry e;
    entry_of(r, row, &e);
    TRY(x509_crl_entry_write(&e, &b->pending));
    b->newest_s = e.revoked_at_s > b->newest_s ? e.revoked_at_s : b->newest_s;
    b->n++;
    return b->pending.len + ENTRY_MAX > PIECE_MAX ? flush(b) : CH_OK;
}

static enum chancery_err on_row_again(void *ctx, const struct db_result *r, size_t row)
{
    struct build *b = ctx;
    struct x509_crl_entry e;
    entry_of(r, row, &e);
    hash_entry(b->hash, &e);
    b->n++;
    return CH_OK;
}

/* An entry leaves only after it stood on a CRL issued when its certificate had ended (RFC
 * 5280 3.3); one revoked after its end stands on one CRL. */
static const char rows_sql[] = "SELECT serial, revoked_at_s, reason FROM revocation.status WHERE "
                               "issuer_id = $1 AND shard = $2 "
                               "AND (not_after_s >= $3 OR revoked_at_s >= $3) ORDER BY serial";

static enum chancery_err read_heads(struct db_conn *conn, struct build *b, struct diag *diag)
{
    static const char sql[] =
        "SELECT d.changed, coalesce(c.number, 0), coalesce(c.this_update_s, 0) "
        "FROM revocation.dirty d LEFT JOIN LATERAL (SELECT number, this_update_s FROM "
        "revocation.crl c "
        "WHERE c.issuer_id = d.issuer_id AND c.shard = d.shard ORDER BY number DESC LIMIT 1) c ON "
        "true "
        "WHERE d.issuer_id = $1 AND d.shard = $2";
    struct revocation_crl *crl = b->crl;
    const struct db_param params[] = {DB_P_STR(crl->issuer->id), DB_P_INT4(crl->shard)};
    struct db_result *r = NULL;
    TRY(db_exec(conn, sql, params, 2, &r, diag));
    if (db_rows(r) != 1) {
        db_result_free(r);
        return diag_set(diag, CH_INTEGRITY, "dirty", "crl.series",
                        "the series has no schedule row");
    }
    crl->changed = (uint64_t)db_int(r, 0, 0);
    crl->previous = (uint64_t)db_int(r, 0, 1);
    crl->keep_from_s = db_int(r, 0, 2);
    db_result_free(r);
    crl->head.number = crl->previous + 1;
    return CH_OK;
}

/* thisUpdate never falls, whatever the clock does, and no entry is dated after it. */
static void set_times(struct build *b)
{
    struct revocation_crl *crl = b->crl;
    int64_t at = b->now_s > crl->keep_from_s ? b->now_s : crl->keep_from_s;
    crl->head.this_update_s = at > b->newest_s ? at : b->newest_s;
    crl->head.next_update_s = crl->head.this_update_s + b->rv->conf.crl_validity_s;
}

static enum chancery_err reset_file(struct build *b)
{
    int fd = b->crl->entries_fd;
    buf_reset(&b->pending);
    b->crl->entries_len = 0;
    b->n = 0;
    b->newest_s = 0;
    return ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0 ? CH_OK : CH_IO;
}

/* The second reading; its result is compared with the bytes later. */
static enum chancery_err hash_rows(struct db_conn *conn, struct build *b,
                                   const struct db_param params[3], struct diag *diag)
{
    uint64_t first = b->n;
    b->n = 0;
    b->hash = crypto_hasher_new(CRYPTO_HASH_SHA256);
    if (b->hash == NULL) {
        return CH_NOMEM;
    }
    enum chancery_err err = db_each(conn, rows_sql, params, 3, on_row_again, b, diag);
    if (err == CH_OK) {
        crypto_hasher_final(b->hash, b->crl->check);
    }
    crypto_hasher_free(b->hash);
    b->hash = NULL;
    if (err == CH_OK && b->n != first) {
        err = diag_set(diag, CH_INTEGRITY, "entries", "crl.snapshot",
                       "two readings of one snapshot differ");
    }
    return err;
}

static enum chancery_err snapshot_tx(struct db_conn *conn, void *ctx, struct diag *diag)
{
    struct build *b = ctx;
    struct revocation_crl *crl = b->crl;
    TRY(reset_file(b)); /* the transaction may be tried again */
    TRY(read_heads(conn, b, diag));
    const struct db_param params[] = {DB_P_STR(crl->issuer->id), DB_P_INT4(crl->shard),
                                      DB_P_INT8(crl->keep_from_s)};
    TRY(db_each(conn, rows_sql, params, 3, on_row, b, diag));
    TRY(flush(b));
    TRY(hash_rows(conn, b, params, diag));
    crl->entries = b->n;
    set_times(b);
    return CH_OK;
}

/* ---- the check: every row of the snapshot is in the bytes, and nothing else ---- */

struct check {
    struct x509_crl_reader *reader;
    struct crypto_hasher *hash;
    uint64_t n;
};

static enum chancery_err check_head(void *ctx, const struct x509_crl_head *h, struct diag *diag)
{
    (void)ctx;
    (void)h;
    (void)diag;
    return CH_OK;
}

static enum chancery_err check_entry(void *ctx, const struct x509_crl_entry *e, struct diag *diag)
{
    struct check *c = ctx;
    (void)diag;
    hash_entry(c->hash, e);
    c->n++;
    return CH_OK;
}

static enum chancery_err check_piece(void *ctx, struct slice piece, struct diag *diag)
{
    struct check *c = ctx;
    return x509_crl_reader_push(c->reader, piece, diag);
}

static enum chancery_err check_bytes(const struct revocation_crl *crl, struct diag *diag)
{
    static const struct x509_crl_events events = {check_head, check_entry, check_head};
    struct check c = {0};
    uint8_t got[32] = {0};
    c.hash = crypto_hasher_new(CRYPTO_HASH_SHA256);
    c.reader = x509_crl_reader_new(&events, &c);
    enum chancery_err err = c.hash == NULL || c.reader == NULL ? CH_NOMEM : CH_OK;
    if (err == CH_OK) {
        err = revocation_crl_each(crl, check_piece, &c, diag);
    }
    if (err == CH_OK) {
        err = x509_crl_reader_finish(c.reader, diag);
    }
    if (err == CH_OK) {
        crypto_hasher_final(c.hash, got);
        if (c.n != crl->entries || memcmp(got, crl->check, 32) != 0) {
            err = diag_set(diag, CH_INTEGRITY, "entries", "crl.incomplete",
                           "the list differs from the revocations it must hold");
        }
    }
    crypto_hasher_free(c.hash);
    x509_crl_reader_free(c.reader);
    return err;
}

/* ---- public ---- */

void revocation_crl_clear(struct revocation_crl *crl)
{
    if (crl->entries_fd > 0) {
        close(crl->entries_fd);
    }
    buf_clear(&crl->signature);
}

enum chancery_err revocation_crl_each(const struct revocation_crl *crl, revocation_piece_fn *fn,
                                      void *ctx, struct diag *diag)
{
    struct buf part CLEANUP(buf_clear) = {0};
    size_t total = 0;
    uint64_t at = 0;
    buf_init(&part, PIECE_MAX + X509_TBS_MAX);
    TRY(x509_crl_head_write(&crl->head, crl->entries_len, &part, &total));
    TRY(fn(ctx, buf_slice(&part), diag));
    buf_reset(&part);
    TRY(buf_reserve(&part, PIECE_MAX));
    while (at < crl->entries_len) {
        ssize_t n = pread(crl->entries_fd, part.ptr, PIECE_MAX, (off_t)at);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return diag_set(diag, CH_IO, "entries", "crl.file", "cannot read the entries back");
        }
        TRY(fn(ctx, slice_of(part.ptr, (size_t)n), diag));
        at += (uint64_t)n;
    }
    TRY(x509_crl_tail_write(&crl->head, &part));
    return fn(ctx, buf_slice(&part), diag);
}

static enum chancery_err tbs_length(struct revocation_crl *crl)
{
    struct buf head CLEANUP(buf_clear) = {0};
    size_t total = 0;
    buf_init(&head, X509_TBS_MAX);
    TRY(x509_crl_head_write(&crl->head, crl->entries_len, &head, &total));
    crl->tbs_len = total;
    return CH_OK;
}

/* An unlinked file on the disk that will hold the result, so that a lack of room shows early. */
static enum chancery_err open_file(const char *dir, struct revocation_crl *crl, struct diag *diag)
{
    char path[600];
    int n = snprintf(path, sizeof(path), "%s/.entries-XXXXXX", dir);
    crl->entries_fd = n < 0 || (size_t)n >= sizeof(path) ? -1 : mkostemp(path, O_CLOEXEC);
    if (crl->entries_fd < 0) {
        return diag_set(diag, CH_IO, dir, "crl.file", "cannot make a temporary file");
    }
    (void)unlink(path);
    return CH_OK;
}

enum chancery_err revocation_crl_build(struct revocation *rv, struct revocation_crl *crl,
                                       int64_t now_s, struct diag *diag)
{
    static const struct db_tx_opts snapshot = {.read_only = true};
    struct revocation_issuer *x = crl->issuer;
    struct build b = {.rv = rv, .crl = crl, .now_s = now_s};
    buf_init(&crl->signature, 4096);
    int n = snprintf(crl->url, sizeof(crl->url), "%s/%s/%u.crl", x->crl_base, x->id, crl->shard);
    if (n < 0 || (size_t)n >= sizeof(crl->url)) {
        return CH_LIMIT;
    }
    crl->head = (struct x509_crl_head){
        .alg = x->alg, .issuer = x->cert.subject, .issuer_ski = x->cert.ski, .idp_url = crl->url};
    TRY(open_file(rv->conf.www, crl, diag));
    buf_init(&b.pending, PIECE_MAX + ENTRY_MAX);
    enum chancery_err err = db_tx(rv->db, &snapshot, snapshot_tx, &b, diag);
    buf_clear(&b.pending);
    if (err != CH_OK) {
        return err == CH_UNKNOWN ? CH_UNAVAILABLE : err;
    }
    TRY(tbs_length(crl));
    TRY(check_bytes(crl, diag));
    OS_FAILPOINT("revocation.crl_built");
    return CH_OK;
}
