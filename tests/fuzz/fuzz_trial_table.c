/* trial: a test file, read and run against a small bundle. Reading never crashes, running never
 * says that nothing was judged and yet permitted. */
#include <stdlib.h>

#include "trial/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char head[] = "version: 1\nname: t\ncrl: {max_validity: 8d}\n";
    static const char profile[] =
        "name: p\nissuer: i\ncallers: ['/user/*']\nkeys: {types: [P-256, RSA-2048]}\n"
        "signature_algorithms: [ecdsa-with-SHA256]\nvalidity: {max: 1d}\n"
        "subject: {attributes: [{type: CN, from: request}], unlisted: drop}\n"
        "names: {required: false, dns: {suffixes: [a.test], wildcard_depth: 2}}\n"
        "extensions: {key_usage: [digitalSignature], extended_key_usage: [serverAuth]}\n";
    const struct policy_file files[] = {{"bundle.yaml", slice_str(head)},
                                        {"profiles/p.yaml", slice_str(profile)},
                                        {"tests/t.yaml", slice_of(data, size)}};
    struct trial_table_report report = {.n_cases = 0};
    if (size > 65536) {
        return 0;
    }
    if (trial_table_run(files, 3, NULL, &report, NULL) == CH_OK) {
        for (size_t i = 0; i < report.n_cases; i++) {
            if (report.cases[i].why == NULL ||
                (report.cases[i].passed && report.cases[i].why[0] != '\0')) {
                abort();
            }
        }
        trial_table_report_clear(&report);
    }
    return 0;
}
