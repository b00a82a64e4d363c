/* Step 7: certificates are stored where their reservation still stands and no other attempt of the
 * request was faster; else the signature is thrown away and the log says so. The outcome of a lost
 * commit is looked up before anything is answered. */
#include "issue.h"

#include <poll.h>

#include "lease.h"
#include "log/log.h"

#define TRIES 20 /* with TRY_PAUSE_MS: as long as a fail-over of the database takes */
#define TRY_PAUSE_MS 250
#define LOG_MS 5000
#define TEXT_MAX ((size_t)64 << 10)

#ifndef CHANCERY_VERSION
#error "CHANCERY_VERSION is set by the build"
#endif

/* ---- what a row shows ---- */

/* Appends `s` in lower case, cut to what an index row takes. */
#define LOOKUP_MAX 512

static enum chancery_err lookup_name(struct arena *arena, struct slice s, struct slice *out)
{
    s = slice_sub(s, 0, LOOKUP_MAX);
    uint8_t *copy = arena_copy(arena, s);
    if (copy == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < s.len; i++) {
        copy[i] = copy[i] >= 'A' && copy[i] <= 'Z' ? (uint8_t)(copy[i] - 'A' + 'a') : copy[i];
    }
    *out = slice_of(copy, s.len);
    return slice_is_utf8(*out) ? CH_OK : CH_LIMIT; /* cut inside a character */
}

/* Adds a lookup name once: a CN is mostly one of the SANs. */
static void add_key(struct arena *arena, struct slice name, struct slice *keys, size_t *n)
{
    struct slice key;
    if (lookup_name(arena, name, &key) != CH_OK) {
        return;
    }
    for (size_t i = 0; i < *n; i++) {
        if (slice_eq(keys[i], key)) {
            return;
        }
    }
    keys[(*n)++] = key;
}

/* Names as people see them, one per line, and as they are looked up: without their kind. */
static enum chancery_err fill_names(struct ca_item *i, struct ca_certificate *c)
{
    struct buf text CLEANUP(buf_clear), one CLEANUP(buf_clear);
    buf_init(&text, TEXT_MAX);
    buf_init(&one, TEXT_MAX);
    struct slice *keys = arena_alloc(&i->arena, (i->request.n_sans + 1) * sizeof *keys);
    if (keys == NULL) {
        return CH_NOMEM;
    }
    for (size_t k = 0; k < i->request.n_sans; k++) {
        const struct x509_san san = {i->request.sans[k].type, i->request.sans[k].value};
        buf_reset(&one);
        TRY(x509_san_text(&san, &one));
        TRY(k > 0 ? buf_add_u8(&text, '\n') : CH_OK);
        TRY(buf_add(&text, buf_slice(&one)));
        const uint8_t *colon = memchr(one.ptr, ':', one.len);
        size_t kind = colon == NULL ? 0 : (size_t)(colon - one.ptr) + 1;
        add_key(&i->arena, slice_sub(buf_slice(&one), kind, one.len), keys, &c->n_keys);
    }
    struct slice cn;
    if (x509_name_attribute(i->built.subject, X509_OID_CN, &i->arena, &cn) == CH_OK) {
        add_key(&i->arena, cn, keys, &c->n_keys);
    }
    uint8_t *copy = arena_copy(&i->arena, buf_slice(&text));
    c->names = slice_of(copy, text.len);
    c->keys = keys;
    return copy == NULL ? CH_NOMEM : CH_OK;
}

static enum chancery_err fill_der(struct ca_item *i)
{
    struct buf der CLEANUP(buf_clear);
    buf_init(&der, X509_TBS_MAX + 4096);
    TRY(x509_assemble(i->built.tbs, i->profile->issuer->alg, i->signature, &der));
    uint8_t *copy = arena_copy(&i->arena, buf_slice(&der));
    i->der = slice_of(copy, der.len);
    return copy == NULL ? CH_NOMEM : CH_OK;
}

static enum chancery_err fill_evidence(struct ca_item *i, struct slice *out)
{
    uint8_t *digest = arena_alloc(&i->arena, 32);
    if (digest == NULL) {
        return CH_NOMEM;
    }
    TRY(permit_evidence_digest(&i->request.evidence, digest));
    *out = slice_of(digest, 32);
    return CH_OK;
}

static enum chancery_err fill_row(struct ca_item *i, struct ca_certificate *c)
{
    struct buf subject CLEANUP(buf_clear);
    buf_init(&subject, TEXT_MAX);
    TRY(fill_der(i));
    TRY(x509_name_text(i->built.subject, &subject));
    uint8_t *text = arena_copy(&i->arena, buf_slice(&subject));
    if (text == NULL) {
        return CH_NOMEM;
    }
    *c = (struct ca_certificate){
        .reservation = &i->reservation,
        .id = i->reservation_id,
        .der = i->der,
        .tenant = i->request.tenant,
        .requester = i->request.requester,
        .profile = i->request.profile,
        .spki_sha256 = i->request.spki_sha256,
        .subject = slice_of(text, subject.len),
        .not_before_s = i->built.not_before_s,
        .request_sha256 = slice_of(i->digest, 32),
        .issuer_key = slice_of(crypto_public_spki_sha256(i->profile->issuer->key), 32),
        .permit_index = i->permit_index,
        .intent_index = i->intent_index,
        .result_index = i->result_index};
    TRY(fill_evidence(i, &c->evidence_sha256));
    return fill_names(i, c);
}

/* ---- signatures that came too late, or for a request that has its certificate ---- */

/* `to`: what settlement is to make of the reservation; CA_NONE: nothing is left to do. */
static void end_discarded(struct ca_batch *b, struct ca_item *i, enum ca_state to)
{
    struct diag diag;
    enum chancery_err why =
        i->twice
            ? diag_set(&diag, CH_EXISTS, "request", "ca.request_issued",
                       "another attempt of this request was issued; this signature was thrown away")
            : diag_set(&diag, CH_CONFLICT, "ca", "ca.discarded",
                       "the signature came after this attempt was settled and was thrown away");
    if (to == CA_NONE) {
        ca_item_end(i, CA_OUT_VOIDED, why, &diag);
    } else {
        ca_item_hand_over(b, i, to, why, &diag);
    }
}

static void discard(struct ca_batch *b, struct ca_item **items, size_t n)
{
    struct daemon_field fields[PERMIT_BATCH_MAX][5];
    struct daemon_entry entries[PERMIT_BATCH_MAX];
    struct daemon_ack acks[PERMIT_BATCH_MAX];
    struct ca_change changes[PERMIT_BATCH_MAX];
    uint8_t digests[PERMIT_BATCH_MAX][32];
    struct diag diag = {.field = ""};
    if (n == 0) {
        return;
    }
    for (size_t k = 0; k < n; k++) {
        const struct ca_item *i = items[k];
        crypto_sha256(i->signature, digests[k]);
        fields[k][0] = DAEMON_NUM("intent", i->intent_index);
        fields[k][1] = DAEMON_STR("issuer", i->reservation.issuer_id);
        fields[k][2] = DAEMON_STR("outcome", "discarded");
        fields[k][3] = DAEMON_DIGEST("signature", slice_of(digests[k], 32));
        fields[k][4] = DAEMON_DIGEST("tbs", slice_of(i->built.tbs_sha256, 32));
        entries[k] =
            (struct daemon_entry){.action = "settlement", .fields = fields[k], .n_fields = 5};
        changes[k] =
            (struct ca_change){i->reservation.issuer_id, i->reservation.serial, CA_DISCARDED};
    }
    enum chancery_err err = daemon_audit_append(b->ca->d, entries, n, LOG_MS, acks, &diag);
    enum ca_state to = err == CH_OK ? CA_DISCARDED : CA_VOIDED;
    if (err == CH_OK) {
        err = ca_store_change(b->ca->db, changes, n, &diag);
    }
    if (err != CH_OK) { /* settlement repeats it: an unlogged one as possibly signed */
        log_diag(LOG_LEVEL_ERROR, "ca.discard_put_off", err, &diag);
    }
    for (size_t k = 0; k < n; k++) {
        end_discarded(b, items[k], err == CH_OK ? CA_NONE : to);
    }
}

/* ---- storing ---- */

struct keep {
    struct ca_batch *b;
    struct ca_item *items[PERMIT_BATCH_MAX]; /* signed, not yet decided */
    struct ca_certificate rows[PERMIT_BATCH_MAX];
    size_t n;
};

/* Moves items that are decided out of the way. */
static void drop_decided(struct keep *k, const bool *decided)
{
    size_t kept = 0;
    for (size_t i = 0; i < k->n; i++) {
        if (!decided[i]) {
            k->items[kept] = k->items[i];
            k->rows[kept++] = k->rows[i];
        }
    }
    k->n = kept;
}

/* Whether the reservations are stored (issued), still open (to be stored again), or over (to be
 * discarded). After an error those that were not reached are still open. */
static enum chancery_err look_up(struct keep *k, struct ca_item **late, size_t *n_late,
                                 struct diag *diag)
{
    bool decided[PERMIT_BATCH_MAX] = {false};
    enum chancery_err err = CH_OK;
    for (size_t i = 0; err == CH_OK && i < k->n; i++) {
        enum ca_state state = CA_RESERVED;
        const struct ca_reservation *r = &k->items[i]->reservation;
        err = ca_store_state(k->b->ca->db, r->issuer_id, r->serial, &state, diag);
        if (state == CA_STORED) {
            ca_item_end(k->items[i], CA_ISSUED, CH_OK, NULL);
            decided[i] = true;
        } else if (state != CA_RESERVED) {
            late[(*n_late)++] = k->items[i];
            decided[i] = true;
        }
    }
    drop_decided(k, decided);
    return err;
}

static enum chancery_err store_once(struct keep *k, struct ca_item **late, size_t *n_late,
                                    struct diag *diag)
{
    bool stored[PERMIT_BATCH_MAX], twice[PERMIT_BATCH_MAX];
    const struct ca_batch *b = k->b;
    const struct ca_store s = {.epoch = b->epoch,
                               .now_s = b->now_s,
                               .statement_sha256 = slice_of(b->statement_sha256, 32),
                               .permit_sha256 = slice_of(b->permit_sha256, 32),
                               .bundle_sha256 = slice_of(b->permit.bundle_sha256, 32),
                               .build_id = "chancery-ca " CHANCERY_VERSION,
                               .rows = k->rows,
                               .n = k->n};
    TRY(ca_store_certificates(b->ca->db, &s, stored, twice, diag));
    for (size_t i = 0; i < k->n; i++) {
        if (stored[i]) {
            ca_item_end(k->items[i], CA_ISSUED, CH_OK, NULL);
        } else {
            k->items[i]->twice = twice[i];
            late[(*n_late)++] = k->items[i];
        }
    }
    k->n = 0;
    return CH_OK;
}

/* Tries until each item is stored or late, or the database stays away. */
static void keep_all(struct keep *k, struct ca_item **late, size_t *n_late)
{
    struct diag diag = {.field = ""};
    enum chancery_err err = CH_OK;
    for (int attempt = 0; k->n > 0 && attempt < TRIES; attempt++) {
        if (attempt > 0) {
            (void)poll(NULL, 0, TRY_PAUSE_MS);
        }
        err = attempt == 0 ? CH_OK : look_up(k, late, n_late, &diag);
        if (err == CH_OK && k->n > 0) {
            err = store_once(k, late, n_late, &diag);
        }
        if (err != CH_OK) {
            log_diag(LOG_LEVEL_WARN, "ca.store_failed", err, &diag);
        }
    }
    for (size_t i = 0; i < k->n; i++) {
        ca_item_hand_over(k->b, k->items[i], CA_VOIDED, err, &diag);
    }
}

void ca_batch_store(struct ca_batch *b)
{
    struct keep *k = arena_alloc(b->arena, sizeof *k);
    struct ca_item *late[PERMIT_BATCH_MAX];
    struct diag diag = {.field = ""};
    size_t n_late = 0;
    bool fenced = false;
    for (size_t i = 0; i < b->n; i++) {
        struct ca_item *item = &b->items[i];
        if (item->outcome != CA_OPEN) {
            continue;
        }
        enum chancery_err err = k == NULL ? CH_NOMEM : fill_row(item, &k->rows[k->n]);
        if (err != CH_OK) {
            (void)diag_set(&diag, err, "ca", "ca.store",
                           "the certificate could not be prepared for storing");
            ca_item_hand_over(b, item, CA_VOIDED, err, &diag);
            continue;
        }
        k->items[k->n++] = item;
    }
    if (k != NULL) {
        k->b = b;
        keep_all(k, late, &n_late);
        discard(b, late, n_late);
        for (size_t i = 0; i < n_late; i++) {
            fenced = fenced || !late[i]->twice;
        }
        if (fenced) {
            ca_lease_lost(b->ca->lease, b->epoch);
        }
    }
}
