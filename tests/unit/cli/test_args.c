/* services/cli: options, commands, exit codes, help. */
#include "cm.h"

#include <stdlib.h>

#include "cli.h"

static const struct args_option OPTIONS[] = {
    {"profile", "NAME", "", true}, {"limit", "N", "", false},  {"validity", "DURATION", "", false},
    {"until", "DATE", "", false},  {"force", NULL, "", false},
};

static enum chancery_err parse(struct args *a, struct diag *d, int n, ...)
{
    char *words[16];
    va_list list;
    va_start(list, n);
    for (int i = 0; i < n; i++) {
        words[i] = va_arg(list, char *);
    }
    va_end(list);
    memset(a, 0, sizeof *a);
    args_add(a, OPTIONS, sizeof OPTIONS / sizeof OPTIONS[0]);
    return args_parse(a, n, words, false, NULL, d);
}

static void args_options_and_operands_in_any_order(void **state)
{
    (void)state;
    struct args a;
    struct diag d = {0};
    assert_int_equal(parse(&a, &d, 5, "one", "--profile=web", "--force", "--limit", "7"), CH_OK);
    assert_string_equal(args_get(&a, "profile"), "web");
    assert_true(args_has(&a, "force"));
    assert_int_equal(a.n_operands, 1);
    assert_string_equal(a.operands[0], "one");
    uint64_t limit = 0;
    assert_int_equal(args_uint(&a, "limit", 1, 10, &limit, &d), CH_OK);
    assert_int_equal(limit, 7);
}

static void args_value_may_begin_with_dashes_after_double_dash(void **state)
{
    (void)state;
    struct args a;
    struct diag d = {0};
    assert_int_equal(parse(&a, &d, 4, "--profile", "web", "--", "--x"), CH_OK);
    assert_string_equal(a.operands[0], "--x");
}

static void args_unknown_option_names_the_nearest(void **state)
{
    (void)state;
    struct args a;
    struct diag d = {0};
    assert_int_equal(parse(&a, &d, 1, "--profil-=web"), CH_INVALID);
    assert_non_null(strstr(d.text, "--profile?"));
    assert_int_equal(parse(&a, &d, 1, "-x"), CH_INVALID);
    assert_int_equal(parse(&a, &d, 1, "--force=yes"), CH_INVALID);
}

static void args_missing_value_and_repetition_are_refused(void **state)
{
    (void)state;
    struct args a;
    struct diag d = {0};
    assert_int_equal(parse(&a, &d, 1, "--profile"), CH_INVALID);
    assert_non_null(strstr(d.text, "needs a value"));
    assert_int_equal(parse(&a, &d, 2, "--profile=a", "--profile=b"), CH_INVALID);
    assert_non_null(strstr(d.text, "more than once"));
    assert_int_equal(parse(&a, &d, 1, "--limit=3"), CH_OK);
    assert_int_equal(args_check_required(&a, &d), CH_INVALID);
    assert_string_equal(d.field, "profile");
}

static void args_too_many_operands_are_refused(void **state)
{
    (void)state;
    struct args a;
    struct diag d = {0};
    char word[] = "1";
    char *words[ARGS_OPERANDS_MAX + 1];
    for (size_t i = 0; i < ARGS_OPERANDS_MAX + 1; i++) {
        words[i] = word;
    }
    for (int more = 0; more < 2; more++) {
        memset(&a, 0, sizeof a);
        args_add(&a, OPTIONS, sizeof OPTIONS / sizeof OPTIONS[0]);
        assert_int_equal(args_parse(&a, ARGS_OPERANDS_MAX + more, words, false, NULL, &d),
                         more == 0 ? CH_OK : CH_INVALID);
    }
}

static void args_typed_values_are_checked(void **state)
{
    (void)state;
    struct args a;
    struct diag d = {0};
    uint64_t n = 5;
    int64_t s = 5;
    assert_int_equal(parse(&a, &d, 3, "--limit=11", "--validity=1d12h", "--until=2026-02-29"),
                     CH_OK);
    assert_int_equal(args_uint(&a, "limit", 1, 10, &n, &d), CH_INVALID);
    assert_int_equal(n, 5);
    assert_int_equal(args_duration_s(&a, "validity", 1, 200000, &s, &d), CH_OK);
    assert_int_equal(s, 129600);
    assert_int_equal(args_duration_s(&a, "validity", 1, 10, &s, &d), CH_INVALID);
    assert_int_equal(args_date_s(&a, "until", &s, &d), CH_INVALID);
    assert_int_equal(s, 129600);
}

/* Runs the program; returns its exit code; output and errors land in the buffers. */
static int run(char *out, char *err, size_t cap, int n, ...)
{
    char program[] = "chancery";
    char *words[16] = {program};
    va_list list;
    va_start(list, n);
    for (int i = 0; i < n; i++) {
        words[i + 1] = va_arg(list, char *);
    }
    va_end(list);
    memset(out, 0, cap);
    memset(err, 0, cap);
    FILE *o = fmemopen(out, cap - 1, "w"), *e = fmemopen(err, cap - 1, "w");
    int code = cli_main(n + 1, words, o, e);
    (void)fclose(o);
    (void)fclose(e);
    return code;
}

static char out[32768], err[32768];

static void cli_every_command_has_help_with_examples(void **state)
{
    (void)state;
    size_t n = 0;
    const struct cli_command *const *all = cli_commands(&n);
    for (size_t i = 0; i < n; i++) {
        char first[32], *second;
        (void)snprintf(first, sizeof first, "%s", all[i]->name);
        second = strchr(first, ' ');
        if (second != NULL) {
            *second++ = '\0';
        }
        assert_int_equal(run(out, err, sizeof out, second == NULL ? 2 : 3, first,
                             second == NULL ? "--help" : second, "--help"),
                         0);
        assert_non_null(strstr(out, "\nExamples:\n  chancery "));
        assert_non_null(strstr(out, all[i]->summary));
        assert_string_equal(err, "");
    }
    assert_int_equal(run(out, err, sizeof out, 1, "--help"), 0);
    for (size_t i = 0; i < n; i++) {
        assert_non_null(strstr(out, all[i]->summary));
    }
}

static void cli_wrong_command_line_exits_2(void **state)
{
    (void)state;
    assert_int_equal(run(out, err, sizeof out, 0), 2);
    assert_int_equal(run(out, err, sizeof out, 1, "cert"), 2);
    assert_non_null(strstr(err, "cert list"));
    assert_int_equal(run(out, err, sizeof out, 2, "cert", "lst"), 2);
    assert_non_null(strstr(err, "did you mean \"cert list\"?"));
    assert_int_equal(run(out, err, sizeof out, 2, "cert", "show"), 2);
    assert_int_equal(run(out, err, sizeof out, 2, "issue", "--json"), 2);
    assert_non_null(strstr(err, "\"code\":\"INVALID\""));
    assert_int_equal(run(out, err, sizeof out, 4, "revoke", "12", "--reason", "certificateHold"),
                     2);
    assert_int_equal(run(out, err, sizeof out, 4, "revoke", "xyz", "--reason", "superseded"), 2);
    assert_int_equal(run(out, err, sizeof out, 3, "status", "--timeout", "0"), 2);
    assert_int_equal(run(out, err, sizeof out, 3, "--config", "/nonexistent", "status"), 2);
    assert_string_equal(out, "");
}

static void cli_global_options_stand_anywhere(void **state)
{
    (void)state;
    assert_int_equal(run(out, err, sizeof out, 1, "--version"), 0);
    assert_memory_equal(out, "chancery ", 9);
    assert_int_equal(run(out, err, sizeof out, 4, "--json", "ceremony", "check", "/nonexistent"),
                     1);
    assert_non_null(strstr(err, "\"code\":\"NOT_FOUND\""));
    assert_int_equal(run(out, err, sizeof out, 4, "ceremony", "check", "/nonexistent", "--json"),
                     1);
    assert_non_null(strstr(err, "\"code\":\"NOT_FOUND\""));
}

static void cli_exit_codes_are_as_documented(void **state)
{
    (void)state;
    assert_int_equal(cli_exit_code(CH_OK, false), 0);
    assert_int_equal(cli_exit_code(CH_REFUSED, false), 1);
    assert_int_equal(cli_exit_code(CH_INVALID, true), 2);
    assert_int_equal(cli_exit_code(CH_UNAVAILABLE, false), 3);
    assert_int_equal(cli_exit_code(CH_DEADLINE, false), 3);
    assert_int_equal(cli_exit_code(CH_UNKNOWN, false), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(args_options_and_operands_in_any_order),
        cmocka_unit_test(args_value_may_begin_with_dashes_after_double_dash),
        cmocka_unit_test(args_unknown_option_names_the_nearest),
        cmocka_unit_test(args_missing_value_and_repetition_are_refused),
        cmocka_unit_test(args_too_many_operands_are_refused),
        cmocka_unit_test(args_typed_values_are_checked),
        cmocka_unit_test(cli_every_command_has_help_with_examples),
        cmocka_unit_test(cli_wrong_command_line_exits_2),
        cmocka_unit_test(cli_global_options_stand_anywhere),
        cmocka_unit_test(cli_exit_codes_are_as_documented),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
