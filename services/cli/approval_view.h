/* A request that waits for approvals, as an officer sees it: recomputed, decoded, nothing hidden.
 */
#ifndef CHANCERY_CLI_APPROVAL_VIEW_H
#define CHANCERY_CLI_APPROVAL_VIEW_H

#include "chancery/registration/v1/registration.pb-c.h"
#include "cli.h"

/* approval_view_digest recomputes the digest from the request. CH_INTEGRITY "approval.digest" when
 * registration names another one. */
enum chancery_err approval_view_digest(const Chancery__Registration__V1__PendingRequest *p,
                                       uint8_t out[32], struct diag *diag) MUST_CHECK;
/* approval_view_json: all that the digest covers, and the approvals so far; NULL when out of
 * memory. */
json_t *approval_view_json(struct cli *cli, const Chancery__Registration__V1__PendingRequest *p);
/* approval_view_print shows it as a record. */
enum chancery_err
approval_view_print(struct cli *cli,
                    const Chancery__Registration__V1__PendingRequest *p) MUST_CHECK;

#endif
