/* Bundles as the command line sees them: by hash, never by what a server says about it. */
#ifndef CHANCERY_CLI_BUNDLE_H
#define CHANCERY_CLI_BUNDLE_H

#include "chancery/policy/v1/policy.pb-c.h"
#include "cli.h"
#include "policy/chain.h"

/* bundle_name reads 64 hex digits into `out`. CH_INVALID "cli.bundle". */
enum chancery_err bundle_name(struct cli *cli, const char *text, uint8_t out[32],
                              struct diag *diag) MUST_CHECK;

/* bundle_get asks for one bundle (NULL: the one in force). With files, they are those that the hash
 * stands for: else CH_INTEGRITY "bundle.altered". */
enum chancery_err bundle_get(struct cli *cli, const uint8_t *sha256, bool with_files,
                             const Chancery__Policy__V1__GetBundleResponse **out,
                             struct diag *diag) MUST_CHECK;

/* bundle_files gives the files of an answer, in the run's arena. */
enum chancery_err bundle_files(struct cli *cli, const Chancery__Policy__V1__GetBundleResponse *b,
                               struct policy_file **out, size_t *out_n) MUST_CHECK;

/* bundle_plan reads the bundle's next place in the chain. CH_INTEGRITY "bundle.plan". */
enum chancery_err bundle_plan(const Chancery__Policy__V1__GetBundleResponse *b,
                              const uint8_t sha256[32], struct policy_plan *out,
                              struct diag *diag) MUST_CHECK;

const char *bundle_state(Chancery__Policy__V1__BundleState s);

#endif
