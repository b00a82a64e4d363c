/* Merging a new CRL with the one before it. */
#include "crl.h"

#include <stdlib.h>

#define URL_MAX 2048
#define SERIAL_MAX 20
#define VANISHED_MAX 512 /* serials of one question about expiry */
#define OLD_PIECE ((size_t)64 << 10)

struct old_entry {
    uint8_t serial[SERIAL_MAX];
    uint8_t len;
    unsigned reason;
    int64_t revoked_at_s;
};

/* The CRL before: pieces are read into entries as they are needed. */
struct old {
    struct x509_crl_reader *reader;
    struct buf piece;
    struct old_entry *entries; /* of the last piece, from `at` on not yet passed */
    size_t at, n, cap;
    bool ended;
};

struct ca_crl_check {
    struct ca_crl_header header;
    struct ca_crl_sources sources;
    char url[URL_MAX];
    struct x509_crl_reader *reader;
    struct old old;
    uint64_t entries;
    uint8_t last[SERIAL_MAX];
    size_t last_len;
    struct old_entry vanished[VANISHED_MAX];
    size_t n_vanished;
};

/* ---- the CRL before ---- */

static enum chancery_err keep_old(void *ctx, const struct x509_crl_entry *e, struct diag *diag)
{
    struct ca_crl_check *c = ctx;
    struct old *o = &c->old;
    if (o->n == o->cap) {
        size_t cap = o->cap == 0 ? 1024 : o->cap * 2;
        struct old_entry *grown = realloc(o->entries, cap * sizeof *grown);
        if (grown == NULL) {
            return diag_set(diag, CH_NOMEM, "crl", "crl.memory", "out of memory");
        }
        o->entries = grown;
        o->cap = cap;
    }
    struct old_entry *to = &o->entries[o->n++];
    *to = (struct old_entry){
        .len = (uint8_t)e->serial.len, .reason = e->reason, .revoked_at_s = e->revoked_at_s};
    memcpy(to->serial, e->serial.ptr, e->serial.len);
    return CH_OK;
}

/* The next entry of the CRL before, NULL after its last. */
static enum chancery_err peek_old(struct ca_crl_check *c, const struct old_entry **out,
                                  struct diag *diag)
{
    struct old *o = &c->old;
    while (o->at == o->n && !o->ended) {
        o->at = o->n = 0;
        buf_reset(&o->piece);
        enum chancery_err err = c->sources.previous(c->sources.ctx, &o->piece, diag);
        if (err == CH_END) {
            o->ended = true;
        } else if (err == CH_OK) {
            err = x509_crl_reader_push(o->reader, buf_slice(&o->piece), diag);
        }
        if (err != CH_OK && err != CH_END) {
            return err;
        }
    }
    *out = o->at < o->n ? &o->entries[o->at] : NULL;
    return CH_OK;
}

/* ---- vanished entries ---- */

static enum chancery_err ask_expired(struct ca_crl_check *c, struct diag *diag)
{
    struct slice serials[VANISHED_MAX];
    bool all = false;
    if (c->n_vanished == 0) {
        return CH_OK;
    }
    for (size_t i = 0; i < c->n_vanished; i++) {
        serials[i] = slice_of(c->vanished[i].serial, c->vanished[i].len);
    }
    TRY(c->sources.expired(c->sources.ctx, serials, c->n_vanished, &all, diag));
    c->n_vanished = 0;
    if (!all) {
        (void)diag_set(
            diag, CH_INTEGRITY, "crl.revokedCertificates", "crl.entry.vanished",
            "an entry of the last CRL is missing although its certificate has not expired");
        return diag_ref(diag, CH_INTEGRITY, "RFC 5280 3.3");
    }
    return CH_OK;
}

static enum chancery_err pass_vanished(struct ca_crl_check *c, const struct old_entry *e,
                                       struct diag *diag)
{
    c->vanished[c->n_vanished++] = *e;
    c->old.at++;
    return c->n_vanished == VANISHED_MAX ? ask_expired(c, diag) : CH_OK;
}

/* Passes entries of the CRL before that sort below `serial`; with an equal one, compares. */
static enum chancery_err merge(struct ca_crl_check *c, const struct x509_crl_entry *e,
                               struct diag *diag)
{
    for (;;) {
        const struct old_entry *old;
        TRY(peek_old(c, &old, diag));
        int order = old == NULL ? 1 : slice_cmp(slice_of(old->serial, old->len), e->serial);
        if (order > 0) {
            return CH_OK;
        }
        if (order == 0) {
            c->old.at++;
            return old->revoked_at_s == e->revoked_at_s && old->reason == e->reason
                       ? CH_OK
                       : diag_set(diag, CH_INTEGRITY, "crl.revokedCertificates",
                                  "crl.entry.changed",
                                  "date or reason of an entry differ from the last CRL's");
        }
        TRY(pass_vanished(c, old, diag));
    }
}

/* ---- the new CRL ---- */

static enum chancery_err bad(struct diag *diag, const char *field, const char *rule,
                             const char *text)
{
    return diag_set(diag, CH_INVALID, field, rule, "%s", text);
}

static enum chancery_err on_head(void *ctx, const struct x509_crl_head *h, struct diag *diag)
{
    const struct ca_crl_check *c = ctx;
    if (h->alg != c->header.issuer->alg || !slice_eq(h->issuer, c->header.issuer->cert.subject)) {
        return bad(diag, "crl.issuer", "crl.issuer",
                   "issuer name or algorithm are not this issuer's");
    }
    if (h->this_update_s != c->header.this_update_s ||
        h->next_update_s != c->header.next_update_s) {
        return bad(diag, "crl.thisUpdate", "crl.times", "the times are not those of the header");
    }
    return CH_OK;
}

static enum chancery_err on_entry(void *ctx, const struct x509_crl_entry *e, struct diag *diag)
{
    struct ca_crl_check *c = ctx;
    if (c->last_len > 0 && slice_cmp(slice_of(c->last, c->last_len), e->serial) >= 0) {
        return bad(diag, "crl.revokedCertificates", "crl.entry.order",
                   "entries must ascend by serial");
    }
    memcpy(c->last, e->serial.ptr, e->serial.len);
    c->last_len = e->serial.len;
    if (x509_shard(e->serial, c->header.issuer->shards) != c->header.shard) {
        return bad(diag, "crl.revokedCertificates", "crl.entry.shard",
                   "an entry belongs to another shard");
    }
    if (e->revoked_at_s > c->header.this_update_s) {
        return bad(diag, "crl.revokedCertificates", "crl.entry.date",
                   "an entry is dated after thisUpdate");
    }
    c->entries++;
    return merge(c, e, diag);
}

static enum chancery_err on_tail(void *ctx, const struct x509_crl_head *h, struct diag *diag)
{
    struct ca_crl_check *c = ctx;
    if (h->number != c->header.number) {
        return bad(diag, "crl.cRLNumber", "crl.number", "the CRL number is not that of the header");
    }
    if (!slice_eq(h->issuer_ski, c->header.issuer->cert.ski)) {
        return bad(diag, "crl.authorityKeyIdentifier", "crl.aki",
                   "the key id is not this issuer's");
    }
    if (h->idp_url == NULL || strcmp(h->idp_url, c->url) != 0) {
        return bad(diag, "crl.issuingDistributionPoint", "crl.idp",
                   "the distribution point is not this shard's URL");
    }
    for (;;) {
        const struct old_entry *old;
        TRY(peek_old(c, &old, diag));
        if (old == NULL) {
            return ask_expired(c, diag);
        }
        TRY(pass_vanished(c, old, diag));
    }
}

enum chancery_err ca_crl_check_new(const struct ca_crl_header *header,
                                   const struct ca_crl_sources *sources, struct ca_crl_check **out)
{
    static const struct x509_crl_events new_events = {on_head, on_entry, on_tail};
    static const struct x509_crl_events old_events = {NULL, keep_old, NULL};
    struct ca_crl_check *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return CH_NOMEM;
    }
    c->header = *header;
    c->sources = *sources;
    buf_init(&c->old.piece, OLD_PIECE);
    c->reader = x509_crl_reader_new(&new_events, c);
    c->old.reader = x509_crl_reader_new(&old_events, c);
    enum chancery_err err =
        c->reader == NULL || c->old.reader == NULL
            ? CH_NOMEM
            : tbs_crl_url(header->issuer->crl_url_base, header->issuer->issuer_id, header->shard,
                          c->url, sizeof c->url);
    if (err != CH_OK) {
        ca_crl_check_free(c);
        return err;
    }
    *out = c;
    return CH_OK;
}

void ca_crl_check_free(struct ca_crl_check *c)
{
    if (c != NULL) {
        x509_crl_reader_free(c->reader);
        x509_crl_reader_free(c->old.reader);
        buf_clear(&c->old.piece);
        free(c->old.entries);
        free(c);
    }
}

enum chancery_err ca_crl_check_push(struct ca_crl_check *c, struct slice bytes, struct diag *diag)
{
    return x509_crl_reader_push(c->reader, bytes, diag);
}

enum chancery_err ca_crl_check_finish(struct ca_crl_check *c, uint64_t *out_entries,
                                      struct diag *diag)
{
    TRY(x509_crl_reader_finish(c->reader, diag));
    *out_entries = c->entries;
    return CH_OK;
}
