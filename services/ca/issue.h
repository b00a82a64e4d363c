/* One batch from statement to stored certificates: the order of steps and what each failure means.
 *
 * Items fail one by one: REFUSED (final), VOIDED (this attempt is over; another may succeed). A
 * stage that is away as a whole ends the batch with CH_UNAVAILABLE. Whatever may have been signed
 * is stored, or handed over to settlement. */
#ifndef CHANCERY_CA_ISSUE_H
#define CHANCERY_CA_ISSUE_H

#include "bundles.h"
#include "chancery/ca/v1/ca.pb-c.h"
#include "chancery/policy/v1/policy.pb-c.h"
#include "store.h"

enum ca_outcome { CA_OPEN = 0, CA_ISSUED, CA_OUT_REFUSED, CA_OUT_VOIDED };

struct ca_item {
    const Chancery__Ca__V1__IssueItem *in;
    struct permit_request request;
    uint8_t digest[PERMIT_DIGEST];
    const struct ca_member *profile; /* under the issuer that was chosen */
    struct crypto_public *key;
    uint8_t serial[CA_SERIAL];
    struct tbs_built built;
    struct arena arena; /* of this item: items are worked on side by side */

    struct slice permit_item; /* canonical octets */
    uint32_t permit_index;
    struct ca_reservation reservation;
    int64_t reservation_id;
    struct slice signature, der;
    uint64_t intent_index, result_index;
    bool twice; /* another attempt of the request has a certificate: this signature is not kept */

    enum ca_outcome outcome;
    enum chancery_err err;
    struct diag diag;
    Chancery__Common__V1__RuleResult **rules; /* of a refusal; in the batch's arena */
    size_t n_rules;
};

struct ca_batch {
    struct ca *ca;
    const struct policy_life_item *bundle; /* that it is built under: a struct ca_bundle */
    struct slice statement_bytes, statement_signature;
    uint8_t statement_sha256[32], permit_sha256[32];
    struct permit_statement statement;
    struct slice permit_bytes, permit_signature;
    struct permit permit;
    struct slice permit_items[PERMIT_BATCH_MAX]; /* every item of the permit, in order */
    size_t n_permit_items;
    int64_t now_s, epoch, deadline_mono_ms;
    struct arena *arena; /* answers of peers; the response */
    struct ca_item *items;
    size_t n;
};

/* ca_batch_open checks the statement and prepares items. Rules "batch.*", "statement.*". */
enum chancery_err ca_batch_open(struct ca *ca, const Chancery__Ca__V1__IssueBatchRequest *in,
                                struct arena *arena, int64_t now_s, int64_t time_left_ms,
                                struct ca_batch *out, struct diag *diag) MUST_CHECK;
/* ca_batch_run takes every item to its outcome. An error means that no item has one. */
enum chancery_err ca_batch_run(struct ca_batch *b, struct diag *diag) MUST_CHECK;
void ca_batch_clear(struct ca_batch *b);

/* ---- steps, in order ---- */

/* prepare.c: proof of possession and TBS of every item, on all cores. */
void ca_batch_build(struct ca_batch *b);
/* permit.c: verdicts of policy. */
enum chancery_err ca_batch_permit(struct ca_batch *b, struct diag *diag) MUST_CHECK;
/* reserve.c */
enum chancery_err ca_batch_reserve(struct ca_batch *b, struct diag *diag) MUST_CHECK;
/* sign.c */
enum chancery_err ca_batch_sign(struct ca_batch *b, struct diag *diag) MUST_CHECK;
/* keep.c: certificates into the database, or signatures thrown away. */
void ca_batch_store(struct ca_batch *b);

/* ca_item_end gives an item its outcome, with an error and its detail. */
void ca_item_end(struct ca_item *i, enum ca_outcome outcome, enum chancery_err err,
                 const struct diag *diag);

/* ca_item_hand_over gives the item's reservation to settlement and voids the item. */
void ca_item_hand_over(struct ca_batch *b, struct ca_item *i, enum ca_state to,
                       enum chancery_err err, const struct diag *diag);

/* ca_batch_wait is the time for one call: what is left, at most `most`; 0 when too little is left.
 */
unsigned ca_batch_wait(const struct ca_batch *b, unsigned most);

#endif
