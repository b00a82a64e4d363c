/* The table of commands and the run of one of them. */
#include <stdarg.h>
#include <stdlib.h>

#include "cli.h"
#include "client.h"

static const struct cli_command *const CLI_ALL[] = {
    &CLI_ISSUE,          &CLI_CERT_LIST,        &CLI_CERT_SHOW,       &CLI_REVOKE,
    &CLI_CRL_LIST,       &CLI_ISSUER_LIST,      &CLI_ISSUER_SHOW,     &CLI_AUDIT_LOG,
    &CLI_AUDIT_PROOF,    &CLI_AUDIT_CHECKPOINT, &CLI_APPROVAL_LIST,   &CLI_APPROVAL_SHOW,
    &CLI_APPROVAL_SIGN,  &CLI_APPROVAL_KEY,     &CLI_POLICY_EXPLAIN,  &CLI_POLICY_CHECK,
    &CLI_POLICY_TEST,    &CLI_POLICY_DIFF,      &CLI_POLICY_REPLAY,   &CLI_POLICY_HISTORY,
    &CLI_POLICY_BUNDLE,  &CLI_POLICY_BUNDLES,   &CLI_POLICY_GET,      &CLI_POLICY_SUBMIT,
    &CLI_POLICY_APPROVE, &CLI_POLICY_PROMOTE,   &CLI_POLICY_ROLLBACK, &CLI_LINT,
    &CLI_STATUS,         &CLI_MIGRATE,          &CLI_HSM_CHECK,       &CLI_HSM_TOKEN_INIT,
    &CLI_IDENTITY_INIT,  &CLI_IDENTITY_ISSUE,   &CLI_IDENTITY_RENEW,  &CLI_CEREMONY_CHECK,
    &CLI_CEREMONY_RUN,
};
#define CLI_COUNT (sizeof CLI_ALL / sizeof CLI_ALL[0])

static const struct args_option CLI_GLOBAL[] = {
    {"config", "FILE", "client configuration", false},
    {"json", NULL, "print JSON", false},
    {"timeout", "SECONDS", "longest wait for an answer", false},
    {"help", NULL, "show help", false},
    {"version", NULL, "show the version", false},
};
#define CLI_GLOBAL_COUNT (sizeof CLI_GLOBAL / sizeof CLI_GLOBAL[0])

const struct cli_command *const *cli_commands(size_t *out_n)
{
    *out_n = CLI_COUNT;
    return CLI_ALL;
}

const struct cli_command *cli_command_find(int argc, char *const *argv, int *out_words)
{
    for (int words = argc < 2 ? argc : 2; words > 0; words--) {
        for (size_t i = 0; i < CLI_COUNT; i++) {
            const char *name = CLI_ALL[i]->name;
            size_t first = strlen(argv[0]);
            bool same = words == 1 ? strcmp(name, argv[0]) == 0
                                   : strncmp(name, argv[0], first) == 0 && name[first] == ' ' &&
                                         strcmp(name + first + 1, argv[1]) == 0;
            if (same) {
                *out_words = words;
                return CLI_ALL[i];
            }
        }
    }
    return NULL;
}

enum chancery_err cli_usage(struct cli *cli, struct diag *diag, const char *fmt, ...)
{
    char text[sizeof diag->text];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    cli->usage = true;
    return diag_set(diag, CH_INVALID, "", "cli.usage", "%s", text);
}

int cli_exit_code(enum chancery_err err, bool usage)
{
    switch (err) {
    case CH_OK:
        return 0;
    case CH_UNAVAILABLE:
    case CH_DEADLINE:
    case CH_BUSY:
        return 3;
    default:
        return usage ? 2 : 1;
    }
}

/* Applies the options that every command takes. Given twice (before and after the command):
 * refused. */
static enum chancery_err cli_globals(struct cli *cli, const struct args *args, struct diag *diag)
{
    uint64_t timeout_s = cli->timeout_ms / 1000;
    enum chancery_err err = args_uint(args, "timeout", 1, 3600, &timeout_s, diag);
    if (err != CH_OK) {
        cli->usage = true;
        return err;
    }
    cli->timeout_ms = (unsigned)timeout_s * 1000;
    cli->out.json = cli->out.json || args_has(args, "json");
    if (args_has(args, "config")) {
        if (cli->config_path != NULL) {
            return cli_usage(cli, diag, "--config is given more than once");
        }
        cli->config_path = args_get(args, "config");
    }
    return CH_OK;
}

static enum chancery_err cli_unknown(struct cli *cli, int argc, char **argv, struct diag *diag)
{
    const char *names[CLI_COUNT];
    char word[128];
    for (size_t i = 0; i < CLI_COUNT; i++) {
        names[i] = CLI_ALL[i]->name;
    }
    (void)snprintf(word, sizeof word, "%s%s%s", argv[0], argc > 1 && argv[1][0] != '-' ? " " : "",
                   argc > 1 && argv[1][0] != '-' ? argv[1] : "");
    const char *near = args_nearest(word, names, CLI_COUNT);
    near = near == NULL ? args_nearest(argv[0], names, CLI_COUNT) : near;
    if (near != NULL) {
        return cli_usage(cli, diag, "no command \"%s\"; did you mean \"%s\"?", word, near);
    }
    return cli_usage(cli, diag, "no command \"%s\"; see chancery --help", word);
}

static enum chancery_err cli_help(struct cli *cli, int argc, char **argv, struct diag *diag)
{
    int words = 0;
    if (argc == 0) {
        cli_help_all(cli->out.f);
        return CH_OK;
    }
    const struct cli_command *c = cli_command_find(argc, argv, &words);
    if (c != NULL) {
        cli_help_command(cli->out.f, c);
        return CH_OK;
    }
    if (cli_is_group(argv[0]) && argc == 1) {
        cli_help_group(cli->out.f, argv[0]);
        return CH_OK;
    }
    return cli_unknown(cli, argc, argv, diag);
}

static enum chancery_err cli_run(struct cli *cli, const struct cli_command *c, int argc,
                                 char **argv, struct diag *diag)
{
    struct args args = {0};
    args_add(&args, c->options, c->n_options);
    args_add(&args, CLI_GLOBAL, CLI_GLOBAL_COUNT);
    enum chancery_err err = args_parse(&args, argc, argv, false, NULL, diag);
    if (err == CH_OK && args_has(&args, "help")) {
        cli_help_command(cli->out.f, c);
        return CH_OK;
    }
    err = err == CH_OK ? args_check_required(&args, diag) : err;
    if (err != CH_OK) {
        cli->usage = err == CH_INVALID;
        return err;
    }
    if (args.n_operands < c->n_operands || (args.n_operands > c->n_operands && !c->more_operands)) {
        return cli_usage(cli, diag, "usage: chancery %s %s; see chancery help %s", c->name,
                         c->operands, c->name);
    }
    TRY(cli_globals(cli, &args, diag));
    return c->run(cli, &args, diag);
}

static enum chancery_err cli_dispatch(struct cli *cli, int argc, char **argv, struct diag *diag)
{
    struct args globals = {0};
    int used = 0, words = 0;
    args_add(&globals, CLI_GLOBAL, CLI_GLOBAL_COUNT);
    enum chancery_err err = args_parse(&globals, argc, argv, true, &used, diag);
    if (err != CH_OK) {
        cli->usage = err == CH_INVALID;
        return err;
    }
    TRY(cli_globals(cli, &globals, diag));
    argc -= used;
    argv += used;
    if (args_has(&globals, "version")) {
        (void)fprintf(cli->out.f, "chancery %s\n", CHANCERY_VERSION);
        return CH_OK;
    }
    if (argc > 0 && strcmp(argv[0], "help") == 0) {
        return cli_help(cli, argc - 1, argv + 1, diag);
    }
    if (args_has(&globals, "help")) {
        return cli_help(cli, argc, argv, diag);
    }
    if (argc == 0) {
        return cli_usage(cli, diag, "no command; see chancery --help");
    }
    const struct cli_command *c = cli_command_find(argc, argv, &words);
    if (c != NULL) {
        return cli_run(cli, c, argc - words, argv + words, diag);
    }
    if (cli_is_group(argv[0]) && (argc == 1 || strcmp(argv[1], "--help") == 0)) {
        cli_help_group(argc == 1 ? cli->out.err : cli->out.f, argv[0]);
        return argc == 1 ? cli_usage(cli, diag, "chancery %s needs a command", argv[0]) : CH_OK;
    }
    return cli_unknown(cli, argc, argv, diag);
}

int cli_main(int argc, char **argv, FILE *out, FILE *err)
{
    struct cli cli = {.out = {.f = out, .err = err}, .timeout_ms = CLI_TIMEOUT_S_DEFAULT * 1000};
    struct diag diag = {0};
    arena_init(&cli.arena, 0);
    for (int i = 1; i < argc; i++) { /* so that even a wrong command line is answered in JSON */
        cli.out.json = cli.out.json || strcmp(argv[i], "--json") == 0;
    }
    enum chancery_err e = cli_dispatch(&cli, argc - 1, argv + 1, &diag);
    if (e != CH_OK) {
        out_error(&cli.out, e, &diag);
    }
    client_close(&cli);
    arena_clear(&cli.arena);
    return cli_exit_code(e, cli.usage);
}
