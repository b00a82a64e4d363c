/* The lease of this process and the settlement of leases that ran out.
 *
 * A lease is a row with an epoch that is never used again. It is renewed every third of its life.
 * When it could not be renewed in time any other instance may fence it; then this one takes a new
 * lease and what was reserved under the old one is void. Settlement turns open reservations into
 * "voided": a signature may exist, so they are treated as issued; the log says so before the row
 * does. */
#ifndef CHANCERY_CA_LEASE_H
#define CHANCERY_CA_LEASE_H

#include "daemon/daemon.h"
#include "store.h"

/* As daemon_audit_append: a function, so that tests need no log. */
typedef enum chancery_err ca_append_fn(void *ctx, const struct daemon_entry *entries, size_t n,
                                       unsigned timeout_ms, struct daemon_ack *acks,
                                       struct diag *diag);

struct ca_lease_opts {
    struct db_pool *db;
    const char *instance;
    int64_t lease_s;
    ca_append_fn *append;
    void *append_ctx;
    /* Recorded before the first lease is taken. */
    const struct ca_issuer_row *issuers;
    size_t n_issuers;
    void (*wake)(void *ctx); /* runs ca_lease_settle soon; may be NULL */
    void *wake_ctx;
};
struct ca_lease;
enum chancery_err ca_lease_new(const struct ca_lease_opts *opts, struct ca_lease **out) MUST_CHECK;
void ca_lease_free(struct ca_lease *l);

/* ca_lease_epoch is the current epoch, 0 while there is none. */
int64_t ca_lease_epoch(const struct ca_lease *l);

/* ca_lease_lost tells that `epoch` was found fenced. */
void ca_lease_lost(struct ca_lease *l, int64_t epoch);

/* ca_lease_keep takes or renews the lease; called every third of its life, and when it was lost.
 * CH_INTEGRITY: an issuer is recorded differently; the process must not go on. */
enum chancery_err ca_lease_keep(struct ca_lease *l, int64_t now_s, struct diag *diag) MUST_CHECK;

/* ca_lease_settle settles what was handed over by ca_lease_hand_over, and expired leases of any
 * instance. */
enum chancery_err ca_lease_settle(struct ca_lease *l, struct diag *diag) MUST_CHECK;

/* ca_lease_hand_over gives a reservation of this instance to settlement: VOIDED (a signature may
 * exist; logged as unknown) or UNSIGNED (none can). CH_NOMEM: the lease's own settlement will find
 * it. */
enum chancery_err ca_lease_hand_over(struct ca_lease *l, const struct ca_orphan *orphan,
                                     enum ca_state to) MUST_CHECK;

/* ca_lease_backlog counts reservations handed over and not settled. */
size_t ca_lease_backlog(struct ca_lease *l);

/* ca_lease_give_up ends the lease at an orderly stop, so that others settle without waiting. */
void ca_lease_give_up(struct ca_lease *l);

#endif
