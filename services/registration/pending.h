/* Requests that wait for officers' approvals.
 *
 * When the judge says that nothing but approvals is missing, the request is *held*: row state
 * pending, and beside it the message as it was first stated. Asking again with the same idempotency
 * key states exactly that message again, so that its digest, which officers sign, never changes:
 * the evidence in it stays that of the first call, also when the caller's client certificate has
 * been renewed since. Approvals are stored as they come and travel with the next attempt;
 * registration believes none of them. */
#ifndef CHANCERY_REGISTRATION_PENDING_H
#define CHANCERY_REGISTRATION_PENDING_H

#include "registration.h"

/* The judge is asked again when approvals have come, else at most once in so many seconds: another
 * bundle may want fewer. */
#define REGISTRATION_ASK_AGAIN_S 60
/* What is not approved in so many days is forgotten: no approval lives longer. */
#define REGISTRATION_PENDING_KEEP_S (30 * 86400)
#define REGISTRATION_APPROVALS_MAX 64 /* of one request, as many as the judge reads */
#define REGISTRATION_APPROVALS_OF_ONE                                                              \
    8 /* of one submitter and request: nobody may take all the places alone */
#define REGISTRATION_STEPS_TEXT 1024

/* ---- pending.c ---- */
/* registration_pending_hold takes the judge's "approval.pending": the row becomes pending and the
 * item is finished with that error, CH_PRECONDITION. */
void registration_pending_hold(struct registration *r, struct registration_item *item,
                               const Chancery__Ca__V1__IssueResult *result,
                               const struct diag *judge);
/* registration_pending_restore makes the item of a request that was held once the request it was,
 * with the approvals there are. Returns REGISTRATION_FINISHED when it was finished (nothing new to
 * ask about, or a failure), else REGISTRATION_DRIVE. Items never held stay as they are. */
enum registration_next registration_pending_restore(struct registration *r,
                                                    struct registration_item *item,
                                                    const struct registration_row *row);

/* ---- store_pending.c ---- */
struct registration_held {
    struct slice request_id, digest;
    struct slice request; /* packed chancery.common.v1.Request */
    int64_t since_s, asked_at_s;
    int64_t seen, approvals; /* approvals that went along last time; that there are */
    const char *waits_for, *steps;
    const char *requester, *profile;
    int state;
};
/* registration_store_hold writes a held request and makes its open row pending. *recorded is false
 * when the row was not open any more. */
enum chancery_err registration_store_hold(struct registration *r,
                                          const struct registration_item *item,
                                          struct slice request, const char *waits_for,
                                          const char *steps, bool *recorded,
                                          struct diag *diag) MUST_CHECK;
/* registration_store_held finds by request id; texts and octets live in `arena`. CH_NOT_FOUND. */
enum chancery_err registration_store_held(struct registration *r, struct slice request_id,
                                          struct arena *arena, struct registration_held *out,
                                          struct diag *diag) MUST_CHECK;
/* registration_store_list pages through requests that are pending now, oldest first, after
 * (since_s, id); empty filters do not filter. *out_n is at most `max`. */
struct registration_list {
    const char *profile, *requester;
    int64_t after_s;
    struct slice after_id;
    size_t max;
};
enum chancery_err registration_store_list(struct registration *r, const struct registration_list *q,
                                          struct arena *arena, struct registration_held *out,
                                          size_t *out_n, struct diag *diag) MUST_CHECK;

struct registration_paper {
    struct slice approval, signature;
    const char *submitter;
    int64_t submitted_at_s;
};
/* registration_store_papers reads the approvals of a request in the order of coming, at most
 * REGISTRATION_APPROVALS_MAX. */
enum chancery_err registration_store_papers(struct registration *r, struct slice request_id,
                                            struct arena *arena, struct registration_paper **out,
                                            size_t *out_n, struct diag *diag) MUST_CHECK;
/* registration_store_paper_known says whether this approval is stored already, and how many there
 * are, in all and of this submitter. */
enum chancery_err registration_store_paper_known(struct registration *r, struct slice request_id,
                                                 const uint8_t sha256[32], const char *submitter,
                                                 bool *known, int64_t *all, int64_t *own,
                                                 struct diag *diag) MUST_CHECK;
/* registration_store_paper_add stores one approval; the same again is fine. */
enum chancery_err registration_store_paper_add(struct registration *r, struct slice request_id,
                                               const uint8_t sha256[32],
                                               const struct registration_paper *p,
                                               struct diag *diag) MUST_CHECK;

/* ---- rpc_pending.c, rpc_approve.c ---- */
rpc_handler registration_rpc_list_pending, registration_rpc_get_pending, registration_rpc_approve;

#endif
