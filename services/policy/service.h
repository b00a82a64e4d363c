/* What the RPC handlers of chancery-policy share. Immutable once opened. */
#ifndef CHANCERY_POLICY_SERVICE_SERVICE_H
#define CHANCERY_POLICY_SERVICE_SERVICE_H

#include "decide.h"
#include "hsm/hsm.h"

struct policy_service {
    struct daemon *daemon;
    struct db_pool *db; /* schema policy; the daemon's */
    struct policy_bundle *bundle;
    struct policy_issuers issuers;
    struct policy_decider decider;
    struct hsm_key *permit_key;
    enum crypto_alg alg; /* of permit signatures: the default of the key's type */
};

/* policy_service_open loads bundle and issuers, opens the permit key, registers PolicyService.
 * s->daemon is set; `s` must outlive the daemon. policy_service_close after it; half-open is fine.
 */
enum chancery_err policy_service_open(struct policy_service *s, struct diag *diag) MUST_CHECK;
void policy_service_close(struct policy_service *s);

/* RPC handlers; ctx is struct policy_service. */
rpc_handler policy_rpc_permit, policy_rpc_evaluate, policy_rpc_get_bundle;

#endif
