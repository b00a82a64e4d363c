/* What the RPC handlers share. */
#ifndef CHANCERY_SIGNER_SIGNER_H
#define CHANCERY_SIGNER_SIGNER_H

#include "cycle.h"

#include "chancery/signer/v1/signer.pb-c.h"

struct signer {
    struct daemon *daemon;
    struct signer_keys keys;
    struct signer_cycle cycle;
};

/* signer_service_open opens the token of the configuration and all its keys, starts the workers and
 * registers SignerService for chancery-ca alone. s->daemon is set; `s` must outlive the daemon. */
enum chancery_err signer_service_open(struct signer *s, struct diag *diag) MUST_CHECK;

/* signer_service_close ends the workers, after daemon_run. Half-open is fine. */
void signer_service_close(struct signer *s);

/* RPC handlers; ctx is struct signer. */
rpc_handler signer_sign_batch, signer_sign_crl, signer_list_keys;

/* signer_open_permit checks the clock and opens the permit of a call. On CH_OK `out` borrows
 * `items`. */
enum chancery_err signer_open_permit(const struct signer *s, struct slice permit,
                                     struct slice signature, const struct slice *items,
                                     size_t n_items, struct signer_permit *out,
                                     struct diag *diag) MUST_CHECK;

/* signer_items copies a repeated bytes field as slices into `arena`; NULL when out of memory. */
const struct slice *signer_items(struct arena *arena, const ProtobufCBinaryData *items, size_t n,
                                 bool copy);

/* signer_request_of describes the call for the cycle. */
struct signer_request signer_request_of(const struct rpc_call *call,
                                        const struct signer_permit *permit);

/* signer_result_of makes the answer for a finished job; NULL when out of memory. */
Chancery__Signer__V1__SignResult *signer_result_of(struct arena *arena,
                                                   const struct signer_job *job);

#endif
