/* The bundles that ship: each compiles, each of its table tests holds, and the tests see most of
 * the rules of every profile both pass and fail. */
#include <stdio.h>

#include "cm.h"
#include "trial/table.h"

/* Of the rules that lines of the bundle make. What is left out is said by the report on failure. */
#define STANDARD_COVER_MIN 50

static void run(const char *dir, unsigned least)
{
    static struct trial_table_report report;
    struct policy_folder folder = {.n = 0};
    struct diag diag = {0};
    char path[256];
    (void)snprintf(path, sizeof path, TEST_SOURCE_DIR "/policy/bundles/%s", dir);
    enum chancery_err err = policy_folder_load(path, &folder, &diag);
    err = err == CH_OK ? trial_table_run(folder.files, folder.n, NULL, &report, &diag) : err;
    if (err != CH_OK) {
        fail_msg("%s: %s %s: %s", dir, diag.field, diag.rule, diag.text);
    }
    for (size_t i = 0; i < report.n_cases; i++) {
        if (!report.cases[i].passed) {
            print_error("%s: %s: %s\n", report.cases[i].source, report.cases[i].name,
                        report.cases[i].why);
        }
    }
    assert_int_equal(report.failed, 0);
    unsigned cover = trial_cover_percent(report.covered, report.counted);
    for (size_t i = 0; i < report.n_profiles && cover < least; i++) {
        const struct trial_profile_cover *p = &report.profiles[i];
        for (size_t k = 0; k < p->n_rules; k++) {
            if (!p->rules[k].engine && (p->rules[k].passing == 0 || p->rules[k].failing == 0)) {
                print_error("%s: %s passed %u, failed %u\n", p->profile, p->rules[k].rule,
                            p->rules[k].passing, p->rules[k].failing);
            }
        }
    }
    print_message("%s: %zu cases, %u %% of %zu rules covered\n", dir, report.n_cases, cover,
                  report.counted);
    assert_true(cover >= least);
    trial_table_report_clear(&report);
    policy_folder_clear(&folder);
}

static void standard_bundle_tests_hold(void **state)
{
    (void)state;
    run("standard", STANDARD_COVER_MIN);
}

static void default_bundle_compiles(void **state)
{
    (void)state;
    run("default", 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(standard_bundle_tests_hold),
        cmocka_unit_test(default_bundle_compiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
