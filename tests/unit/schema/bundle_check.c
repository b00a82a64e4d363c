/* Loads a bundle's folder as the product does, tables of tests too: for test_schema.py. Prints
 * "ok", or what is wrong; exits with 1 then. */
#include <stdio.h>

#include "trial/table.h"

int main(int argc, char **argv)
{
    struct policy_folder folder CLEANUP(policy_folder_clear) = {.n = 0};
    struct trial_table_report report CLEANUP(trial_table_report_clear) = {.n_cases = 0};
    struct policy_bundle *bundle = NULL;
    struct diag d = {0};
    if (argc != 2) {
        return 2;
    }
    enum chancery_err err = policy_folder_load(argv[1], &folder, &d);
    if (err == CH_OK) {
        err = policy_bundle_compile(folder.files, folder.n, &bundle, &d);
    }
    policy_bundle_free(bundle);
    if (err == CH_OK) { /* table tests replace officers' keys, so they come second */
        err = trial_table_run(folder.files, folder.n, NULL, &report, &d);
    }
    (void)printf("%s %s %s\n", err == CH_OK ? "ok" : d.field, d.rule, d.text);
    return err == CH_OK ? 0 : 1;
}
