/* The history as a stream of the service or as an exported file: the same callbacks. */
#ifndef CHANCERY_CLI_POLICY_HISTORY_H
#define CHANCERY_CLI_POLICY_HISTORY_H

#include "chancery/policy/v1/policy.pb-c.h"
#include "client.h"
#include "trial/judge.h"
#include "trial/record.h"

/* Called in this order: head once; then, in any number, bundles (of a file) and records. A message
 * or slice is valid during the call. */
struct policy_history_sink {
    void *ctx;
    enum chancery_err (*head)(void *ctx, const Chancery__Policy__V1__HistoryHead *h,
                              struct diag *diag);
    enum chancery_err (*bundle)(void *ctx, struct slice packed, struct diag *diag);
    enum chancery_err (*records)(void *ctx, struct slice body, struct diag *diag);
};

/* policy_history_stream reads from the service. tbs_sha256: 32 octets, or empty for all. */
enum chancery_err policy_history_stream(struct cli *cli, int64_t from_s, int64_t to_s,
                                        struct slice tbs_sha256,
                                        const struct policy_history_sink *sink,
                                        struct diag *diag) MUST_CHECK;

/* policy_history_file reads an exported file. CH_MALFORMED "history.file". */
enum chancery_err policy_history_file(struct cli *cli, const char *path,
                                      const struct policy_history_sink *sink,
                                      struct diag *diag) MUST_CHECK;

/* policy_history_world gives issuers and own keys of a head, copied into `arena`. */
enum chancery_err policy_history_world(const Chancery__Policy__V1__HistoryHead *h,
                                       struct arena *arena, struct trial_world *out,
                                       struct diag *diag) MUST_CHECK;

#endif
