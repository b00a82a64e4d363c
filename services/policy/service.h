/* What the RPC handlers of chancery-policy share. Immutable once opened. */
#ifndef CHANCERY_POLICY_SERVICE_SERVICE_H
#define CHANCERY_POLICY_SERVICE_SERVICE_H

#include "bundles.h"
#include "decide.h"
#include "history.h"
#include "hsm/hsm.h"
#include "limiter.h"

struct policy_service {
    struct daemon *daemon;
    struct db_pool *db; /* schema policy; the daemon's */
    struct policy_bundles *bundles;
    struct policy_issuers issuers;
    struct policy_decider decider; /* its bundle is that of the call */
    struct hsm_key *permit_key;
    enum crypto_alg alg; /* of permit signatures: the default of the key's type */
    struct policy_limiter *limiter;
    struct rpc_channel *audit;   /* followed for what frees places under limits */
    struct policy_follow follow; /* of that task alone */
    enum chancery_err follow_last, sweep_last;
    struct policy_history *history;
    const char *history_readers[POLICY_HISTORY_READERS_MAX + 1]; /* NULL-terminated */
    uint64_t history_dropped;                                    /* as the log was last told */
    int64_t history_line_ms;
};

/* policy_service_open loads bundle and issuers, opens the permit key, registers PolicyService.
 * s->daemon is set; `s` must outlive the daemon. policy_service_close after it; half-open is fine.
 */
enum chancery_err policy_service_open(struct policy_service *s, struct diag *diag) MUST_CHECK;
void policy_service_close(struct policy_service *s);

/* policy_history_open reads `history_days` and `history_readers` and starts the tasks that write
 * and purge; s->db is open. policy_history_keep hands a judged batch over. */
enum chancery_err policy_history_open(struct policy_service *s, struct diag *diag) MUST_CHECK;
void policy_history_keep(const struct policy_service *s,
                         const Chancery__Policy__V1__PermitRequest *in,
                         const struct policy_decision *items, const uint8_t bundle_sha256[32],
                         int64_t now_s);

/* policy_limits_open makes the limiter and starts its tasks; s->db is open. policy_limits_decide
 * ends every open decision of a batch; CH_NOMEM alone. policy_limits_explain ends an open verdict
 * without taking anything. */
enum chancery_err policy_limits_open(struct policy_service *s, struct diag *diag) MUST_CHECK;
void policy_limits_close(struct policy_service *s);
enum chancery_err policy_limits_decide(const struct policy_service *s,
                                       const struct policy_decider *d,
                                       struct policy_decision *items, size_t n, int64_t now_s,
                                       struct arena *arena) MUST_CHECK;
void policy_limits_explain(const struct policy_service *s, const struct policy_decider *d,
                           struct policy_open *o);

/* policy_bundle_check compiles a bundle for this installation: its profiles' issuers are known.
 * CH_INVALID "profile.issuer", or what the compiler says. */
enum chancery_err policy_bundle_check(const struct policy_service *s,
                                      const struct policy_file *files, size_t n,
                                      struct policy_bundle **out, struct diag *diag) MUST_CHECK;
/* policy_bundle_tell logs `err` of a step, if it is a refusal, with the call's diagnostics. */
void policy_bundle_tell(const struct policy_service *s, struct rpc_call *call, const char *step,
                        struct slice sha256, enum chancery_err err);

/* policy_bundle_try runs a bundle's own tests (one run at a time); policy_bundle_tried records it.
 */
struct trial_table_report;
enum chancery_err policy_bundle_try(const struct policy_service *s, const struct policy_file *files,
                                    size_t n, struct trial_table_report *out,
                                    struct diag *diag) MUST_CHECK;
enum chancery_err policy_bundle_tried(const struct policy_service *s, const uint8_t sha256[32],
                                      const struct trial_table_report *r,
                                      struct diag *diag) MUST_CHECK;

/* RPC handlers; ctx is struct policy_service. */
rpc_handler policy_rpc_permit, policy_rpc_evaluate, policy_rpc_read_history, policy_rpc_get_bundle,
    policy_rpc_list_bundles, policy_rpc_submit_bundle, policy_rpc_approve_bundle,
    policy_rpc_test_bundle, policy_rpc_promote_bundle, policy_rpc_rollback_bundle,
    policy_rpc_get_chain;

#endif
