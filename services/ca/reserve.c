/* Step 5: reservations are durable before the signer hears of the items. */
#include "issue.h"

#include "lease.h"
#include "log/log.h"

/* Reserves some items with one statement. */
static enum chancery_err reserve(struct ca_batch *b, struct ca_item **items, size_t n,
                                 struct diag *diag)
{
    struct ca_reservation rows[PERMIT_BATCH_MAX];
    for (size_t k = 0; k < n; k++) {
        rows[k] = items[k]->reservation;
    }
    const struct ca_reserve r = {
        .epoch = b->epoch,
        .instance = daemon_instance(b->ca->d),
        .now_s = b->now_s,
        .statement = {slice_of(b->statement_sha256, 32), b->statement_bytes,
                      b->statement_signature},
        .permit = {slice_of(b->permit_sha256, 32), b->permit_bytes, b->permit_signature},
        .rows = rows,
        .n = n,
    };
    int64_t first_id = 0;
    TRY(ca_store_reserve(b->ca->db, &r, &first_id, diag));
    for (size_t k = 0; k < n; k++) {
        items[k]->reservation_id = first_id + (int64_t)k;
    }
    return CH_OK;
}

/* The request id with this attempt, or the serial, stands there already. An attempt is never used
 * twice: whatever became of it, registration finds a certificate by request id, and otherwise tries
 * again with the next one. */
static void reserve_alone(struct ca_batch *b, struct ca_item *i)
{
    struct diag diag = {.field = ""};
    enum chancery_err err = reserve(b, &i, 1, &diag);
    if (err == CH_EXISTS) {
        ca_item_end(i, CA_OUT_VOIDED, CH_CONFLICT, &diag);
    } else if (err == CH_UNKNOWN) {
        ca_item_hand_over(b, i, CA_UNSIGNED, err, &diag);
    } else if (err != CH_OK) {
        ca_item_end(i, CA_OUT_VOIDED, err, &diag);
    }
}

static struct ca_reservation reservation_of(const struct ca_item *i)
{
    return (struct ca_reservation){.issuer_id = i->profile->issuer->issuer_id,
                                   .serial = slice_of(i->serial, CA_SERIAL),
                                   .tbs_sha256 = slice_of(i->built.tbs_sha256, 32),
                                   .request_id = i->request.request_id,
                                   .not_after_s = i->built.not_after_s,
                                   .shard = i->built.shard,
                                   .attempt = i->in->attempt};
}

enum chancery_err ca_batch_reserve(struct ca_batch *b, struct diag *diag)
{
    struct ca_item *items[PERMIT_BATCH_MAX];
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++) {
        if (b->items[i].outcome == CA_OPEN) {
            b->items[i].reservation = reservation_of(&b->items[i]);
            items[n++] = &b->items[i];
        }
    }
    enum chancery_err err = reserve(b, items, n, diag);
    switch (err) {
    case CH_OK:
        return CH_OK;
    case CH_EXISTS:
        for (size_t k = 0; k < n; k++) {
            reserve_alone(b, items[k]);
        }
        return CH_OK;
    case CH_UNKNOWN:
        /* Nothing was signed: should the rows be there, they are closed as unsigned. */
        for (size_t k = 0; k < n; k++) {
            ca_item_hand_over(b, items[k], CA_UNSIGNED, err, diag);
        }
        return CH_OK;
    case CH_PRECONDITION:
        ca_lease_lost(b->ca->lease, b->epoch);
        return diag_set(diag, CH_UNAVAILABLE, "ca", "ca.lease",
                        "the lease of this instance was fenced; try later");
    default:
        return err;
    }
}
