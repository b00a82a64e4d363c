/* Reading the history. */
#include "policy_history.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "rpc/codec.h"

#define STREAM_MS 3600000 /* a month of history over a slow line */
#define ISSUERS_MAX 256
#define OWN_KEYS_MAX 4096

/* ---- from the service ---- */

static enum chancery_err take_message(const Chancery__Policy__V1__ReadHistoryResponse *m,
                                      bool *head_seen, const struct policy_history_sink *sink,
                                      struct diag *diag)
{
    if ((m->head != NULL) == *head_seen) {
        return diag_set(diag, CH_INTEGRITY, "history", "history.stream",
                        "the answer does not begin with its head");
    }
    if (m->head != NULL) {
        *head_seen = true;
        return sink->head(sink->ctx, m->head, diag);
    }
    return sink->records(sink->ctx, rpc_slice(m->records), diag);
}

static enum chancery_err read_stream(struct rpc_stream *stream,
                                     const struct policy_history_sink *sink, struct diag *diag)
{
    struct arena arena CLEANUP(arena_clear) = {.head = NULL};
    ProtobufCMessage *m = NULL;
    bool head_seen = false;
    arena_init(&arena, (size_t)64 << 20);
    enum chancery_err err;
    while ((err = rpc_stream_recv(stream, &arena, &m)) == CH_OK) {
        TRY(take_message((const Chancery__Policy__V1__ReadHistoryResponse *)m, &head_seen, sink,
                         diag));
        arena_reset(&arena);
    }
    /* How the stream ended is told by finishing it. */
    enum chancery_err end = rpc_stream_finish(stream, &arena, &m, diag);
    return end != CH_OK ? end : err == CH_END ? CH_OK : err;
}

enum chancery_err policy_history_stream(struct cli *cli, int64_t from_s, int64_t to_s,
                                        struct slice tbs_sha256,
                                        const struct policy_history_sink *sink, struct diag *diag)
{
    Chancery__Policy__V1__ReadHistoryRequest q = CHANCERY__POLICY__V1__READ_HISTORY_REQUEST__INIT;
    struct rpc_channel *channel = NULL;
    struct rpc_stream *stream = NULL;
    q.from_s = from_s;
    q.to_s = to_s;
    q.tbs_sha256 = rpc_bytes(&cli->arena, tbs_sha256);
    TRY(client_channel(cli, "policy", &channel, diag));
    TRY(rpc_stream_open(channel, &chancery__policy__v1__policy_service__descriptor, "ReadHistory",
                        RPC_SERVER_STREAM, &q.base, STREAM_MS, &stream, diag));
    enum chancery_err err = read_stream(stream, sink, diag);
    rpc_stream_free(stream);
    return err;
}

/* ---- from a file ---- */

static enum chancery_err wrong(const char *path, const char *what, struct diag *diag)
{
    return diag_set(diag, CH_MALFORMED, path, "history.file", "%s: %s", path, what);
}

static enum chancery_err take_piece(enum trial_piece kind, struct slice content, bool first,
                                    const struct policy_history_sink *sink, struct diag *diag)
{
    struct arena arena CLEANUP(arena_clear) = {.head = NULL};
    ProtobufCMessage *m = NULL;
    arena_init(&arena, (size_t)64 << 20);
    if (first != (kind == TRIAL_PIECE_HEAD)) {
        return diag_set(diag, CH_MALFORMED, "history", "history.file",
                        "the file does not begin with its head");
    }
    switch (kind) {
    case TRIAL_PIECE_HEAD:
        TRY(rpc_unpack_bytes(content, &chancery__policy__v1__history_head__descriptor, &arena, &m,
                             diag));
        return sink->head(sink->ctx, (const Chancery__Policy__V1__HistoryHead *)m, diag);
    case TRIAL_PIECE_BUNDLE:
        return sink->bundle(sink->ctx, content, diag);
    case TRIAL_PIECE_RECORDS:
        return sink->records(sink->ctx, content, diag);
    case TRIAL_PIECE_NONE:
    default:
        return CH_MALFORMED;
    }
}

static enum chancery_err read_pieces(FILE *f, const char *path, uint8_t *space,
                                     const struct policy_history_sink *sink, struct diag *diag)
{
    char magic[sizeof TRIAL_FILE_MAGIC - 1];
    if (fread(magic, 1, sizeof magic, f) != sizeof magic ||
        memcmp(magic, TRIAL_FILE_MAGIC, sizeof magic) != 0) {
        return wrong(path, "this is no exported history", diag);
    }
    for (bool first = true;; first = false) {
        uint8_t header[TRIAL_PIECE_HEADER];
        enum trial_piece kind;
        size_t len = 0, n = fread(header, 1, sizeof header, f);
        if (n == 0 && feof(f) && !first) {
            return CH_OK;
        }
        if (n != sizeof header) {
            return wrong(path, "it ends in the middle", diag);
        }
        TRY(trial_piece_header(header, &kind, &len, diag));
        if (fread(space, 1, len, f) != len) {
            return wrong(path, "it ends in the middle", diag);
        }
        TRY(take_piece(kind, slice_of(space, len), first, sink, diag));
    }
}

enum chancery_err policy_history_file(struct cli *cli, const char *path,
                                      const struct policy_history_sink *sink, struct diag *diag)
{
    (void)cli;
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        return diag_set(diag, CH_NOT_FOUND, path, "history.file", "cannot open %s: %s", path,
                        strerror(errno));
    }
    uint8_t *space = malloc(TRIAL_PIECE_MAX);
    enum chancery_err err = space == NULL ? CH_NOMEM : read_pieces(f, path, space, sink, diag);
    free(space);
    (void)fclose(f);
    return err;
}

/* ---- the world of a head ---- */

static enum chancery_err copy_slice(ProtobufCBinaryData b, struct arena *arena, struct slice *out)
{
    uint8_t *copy = arena_copy(arena, rpc_slice(b));
    *out = slice_of(copy, b.len);
    return copy == NULL ? CH_NOMEM : CH_OK;
}

static enum chancery_err copy_issuer(const Chancery__Policy__V1__HistoryIssuer *m,
                                     struct arena *arena, struct policy_issuer *out,
                                     struct diag *diag)
{
    *out = (struct policy_issuer){.issuer_id = arena_str(arena, slice_str(m->issuer_id)),
                                  .key_type = crypto_key_type_from_name(m->key_type),
                                  .not_after_s = m->not_after_s,
                                  .shards = m->shards,
                                  .cas_below = m->cas_below,
                                  .crl_url_base = arena_str(arena, slice_str(m->crl_url_base)),
                                  .ocsp_url = arena_str(arena, slice_str(m->ocsp_url)),
                                  .aia_url_base = arena_str(arena, slice_str(m->aia_url_base))};
    if (m->spki_sha256.len != 32 || out->key_type == CRYPTO_KEY_NONE || m->shards == 0) {
        return diag_set(diag, CH_MALFORMED, "history", "history.head",
                        "an issuer of the head is not complete");
    }
    memcpy(out->spki_sha256, m->spki_sha256.data, 32);
    TRY(copy_slice(m->subject, arena, &out->subject));
    TRY(copy_slice(m->ski, arena, &out->ski));
    return out->issuer_id == NULL || out->crl_url_base == NULL || out->ocsp_url == NULL ||
                   out->aia_url_base == NULL
               ? CH_NOMEM
               : CH_OK;
}

enum chancery_err policy_history_world(const Chancery__Policy__V1__HistoryHead *h,
                                       struct arena *arena, struct trial_world *out,
                                       struct diag *diag)
{
    if (h->n_issuers > ISSUERS_MAX || h->n_own_keys > OWN_KEYS_MAX) {
        return diag_set(diag, CH_LIMIT, "history", "history.head", "too many issuers or keys");
    }
    struct policy_issuer *issuers = arena_alloc(arena, (h->n_issuers + 1) * sizeof *issuers);
    uint8_t(*own)[32] = arena_alloc(arena, (h->n_own_keys + 1) * sizeof *own);
    if (issuers == NULL || own == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < h->n_issuers; i++) {
        TRY(copy_issuer(h->issuers[i], arena, &issuers[i], diag));
    }
    for (size_t i = 0; i < h->n_own_keys; i++) {
        if (h->own_keys[i].len != 32) {
            return diag_set(diag, CH_MALFORMED, "history", "history.head",
                            "a digest has 32 octets");
        }
        memcpy(own[i], h->own_keys[i].data, 32);
    }
    *out = (struct trial_world){.issuers = issuers,
                                .n_issuers = h->n_issuers,
                                .own_keys = (const uint8_t(*)[32])own,
                                .n_own_keys = h->n_own_keys};
    return CH_OK;
}
