/* The HSM part of the process frame: token and key from `hsm: {module, token, pin_file, key,
 * sessions, deadline_ms}`. Library chancery_daemon_hsm. */
#ifndef CHANCERY_DAEMON_DAEMON_HSM_H
#define CHANCERY_DAEMON_DAEMON_HSM_H

#include "daemon/daemon.h"
#include "hsm/hsm.h"

/* daemon_hsm_open opens the token of the configuration (owned by the daemon, closed after the stop
 * hooks) and adds the readiness check "hsm". CH_INVALID when `hsm` is missing. Before daemon_run.
 */
enum chancery_err daemon_hsm_open(struct daemon *d, struct hsm_token **out,
                                  struct diag *diag) MUST_CHECK;

/* daemon_hsm_key opens the key named by hsm.key and checks that its public key is one of `pinned`
 * (a key list of daemon_trust; NULL: not checked). CH_INTEGRITY when it is not. */
enum chancery_err daemon_hsm_key(struct daemon *d, struct hsm_token *token,
                                 const struct daemon_keys *pinned, struct hsm_key **out,
                                 struct diag *diag) MUST_CHECK;

/* daemon_hsm_key_named does the same for the key named by hsm.<name>, for processes with several.
 */
enum chancery_err daemon_hsm_key_named(struct daemon *d, struct hsm_token *token, const char *name,
                                       const struct daemon_keys *pinned, struct hsm_key **out,
                                       struct diag *diag) MUST_CHECK;

#endif
