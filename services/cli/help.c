/* Help texts, made from the table of commands. */
#include <stdio.h>

#include "cli.h"

static const char HELP_HEAD[] =
    "chancery - certificates, revocation, audit log, ceremonies and identities of a Chancery CA\n"
    "\n"
    "Usage: chancery [--config FILE] [--json] [--timeout SECONDS] COMMAND ...\n"
    "\n"
    "Commands:\n";

static const char HELP_TAIL[] =
    "\n"
    "Options for every command:\n"
    "  --config FILE      client configuration; else $CHANCERY_CONFIG, else\n"
    "                     ~/.config/chancery/client.yaml\n"
    "  --json             print JSON instead of tables\n"
    "  --timeout SECONDS  longest wait for an answer (30)\n"
    "  --help, --version\n"
    "\n"
    "Exit codes: 0 done, 1 refused or failed, 2 usage, 3 unavailable (try again).\n"
    "\n"
    "Examples:\n"
    "  chancery issue --profile web --csr host.csr --out host.pem --chain\n"
    "  chancery cert list --status revoked --json\n"
    "  chancery help cert list\n";

static void help_line(FILE *f, const struct cli_command *c)
{
    char head[64];
    (void)snprintf(head, sizeof head, "%s %s", c->name, c->operands);
    (void)fprintf(f, "  %-28s %s\n", head, c->summary);
}

void cli_help_all(FILE *f)
{
    size_t n = 0;
    const struct cli_command *const *all = cli_commands(&n);
    (void)fputs(HELP_HEAD, f);
    for (size_t i = 0; i < n; i++) {
        help_line(f, all[i]);
    }
    (void)fputs(HELP_TAIL, f);
}

static bool help_in_group(const struct cli_command *c, const char *group)
{
    size_t len = strlen(group);
    return strncmp(c->name, group, len) == 0 && c->name[len] == ' ';
}

bool cli_is_group(const char *word)
{
    size_t n = 0;
    const struct cli_command *const *all = cli_commands(&n);
    for (size_t i = 0; i < n; i++) {
        if (help_in_group(all[i], word)) {
            return true;
        }
    }
    return false;
}

void cli_help_group(FILE *f, const char *group)
{
    size_t n = 0;
    const struct cli_command *const *all = cli_commands(&n);
    (void)fprintf(f, "Commands of chancery %s:\n", group);
    for (size_t i = 0; i < n; i++) {
        if (help_in_group(all[i], group)) {
            help_line(f, all[i]);
        }
    }
    (void)fprintf(f, "\nMore: chancery help %s COMMAND\n", group);
}

void cli_help_command(FILE *f, const struct cli_command *c)
{
    (void)fprintf(f, "Usage: chancery %s%s%s%s\n\n%s\n", c->name, c->operands[0] == '\0' ? "" : " ",
                  c->operands, c->n_options == 0 ? "" : " [options]", c->summary);
    if (c->detail != NULL) {
        (void)fprintf(f, "\n%s", c->detail);
    }
    if (c->n_options > 0) {
        (void)fputs("\nOptions:\n", f);
    }
    for (size_t i = 0; i < c->n_options; i++) {
        const struct args_option *o = &c->options[i];
        char head[64];
        (void)snprintf(head, sizeof head, "--%s%s%s", o->name, o->metavar == NULL ? "" : " ",
                       o->metavar == NULL ? "" : o->metavar);
        (void)fprintf(f, "  %-24s %s%s\n", head, o->help, o->required ? " (required)" : "");
    }
    (void)fprintf(f, "\nExamples:\n%s", c->examples);
}
