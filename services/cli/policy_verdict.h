/* A verdict for people and programs: shared by the commands that explain. */
#ifndef CHANCERY_CLI_POLICY_VERDICT_H
#define CHANCERY_CLI_POLICY_VERDICT_H

#include "client.h"
#include "policy/policy.h"

struct policy_verdict_row {
    const char *rule, *field, *observed, *required, *source;
    enum policy_outcome outcome;
};
struct policy_explanation {
    const char *title;          /* "under the bundle in force" */
    struct slice bundle_sha256; /* 32 octets */
    enum policy_outcome verdict;
    const struct policy_verdict_row *rows;
    size_t n;
    const char *note; /* one more line, NULL: none */
};

/* policy_verdict_json gives the explanation as an object. */
json_t *policy_verdict_json(const struct policy_explanation *e);

/* policy_verdict_text prints it: what fails first, then what passes by family, in plain words.
 * `all`: also what does not apply. */
enum chancery_err policy_verdict_text(struct cli *cli, const struct policy_explanation *e,
                                      bool all) MUST_CHECK;

#endif
