/* The command line's frame: context of one run, table of commands, usage errors, exit codes. */
#ifndef CHANCERY_CLI_CLI_H
#define CHANCERY_CLI_CLI_H

#include "args.h"
#include "out.h"

struct conf_doc;
struct rpc_channel;

#define CLI_PEERS_MAX 16
#define CLI_TIMEOUT_S_DEFAULT 30

struct cli_peer {
    const char *process, *address; /* owned by the configuration document */
    struct rpc_channel *channel;   /* opened on first use */
};

/* What client.yaml says. */
struct cli_config {
    struct conf_doc *doc;
    const char *trust_domain;
    char *tls_dir, *deny_list;
    struct cli_peer peers[CLI_PEERS_MAX];
    size_t n_peers;
};

/* One run of the program. */
struct cli {
    struct out out;
    struct arena arena; /* answers and texts; lives as long as the run */
    const char *config_path;
    unsigned timeout_ms;
    struct cli_config config;
    bool config_loaded, rpc_started;
    bool usage; /* the failure is the caller's command line: exit code 2 */
};

typedef enum chancery_err cli_command_fn(struct cli *cli, const struct args *args,
                                         struct diag *diag);

struct cli_command {
    const char *name;     /* "issue", "cert list" */
    const char *operands; /* "SERIAL", "" */
    size_t n_operands;    /* exactly so many; "help" apart */
    bool more_operands;   /* ... or more */
    const char *summary;  /* one line */
    const char *detail;   /* some more lines, may be NULL */
    const char *examples; /* lines, each with two leading blanks */
    const struct args_option *options;
    size_t n_options;
    cli_command_fn *run;
};

/* Tables of the command families; each cmd_*.c has its own. */
extern const struct cli_command CLI_ISSUE, CLI_CERT_LIST, CLI_CERT_SHOW, CLI_REVOKE, CLI_CRL_LIST,
    CLI_ISSUER_LIST, CLI_ISSUER_SHOW, CLI_AUDIT_LOG, CLI_AUDIT_PROOF, CLI_AUDIT_CHECKPOINT,
    CLI_APPROVAL_LIST, CLI_APPROVAL_SHOW, CLI_APPROVAL_SIGN, CLI_APPROVAL_KEY, CLI_POLICY_EXPLAIN,
    CLI_POLICY_CHECK, CLI_POLICY_TEST, CLI_POLICY_DIFF, CLI_POLICY_REPLAY, CLI_POLICY_HISTORY,
    CLI_POLICY_BUNDLE, CLI_POLICY_BUNDLES, CLI_POLICY_GET, CLI_POLICY_SUBMIT, CLI_POLICY_APPROVE,
    CLI_POLICY_PROMOTE, CLI_POLICY_ROLLBACK, CLI_LINT, CLI_STATUS, CLI_MIGRATE, CLI_HSM_CHECK,
    CLI_HSM_TOKEN_INIT, CLI_IDENTITY_INIT, CLI_IDENTITY_ISSUE, CLI_IDENTITY_RENEW,
    CLI_CEREMONY_CHECK, CLI_CEREMONY_RUN;

/* cli_commands returns the table of all commands, in the order of the help text. */
const struct cli_command *const *cli_commands(size_t *out_n);

/* cli_command_find matches the words at argv[0..]: the longest name wins. *out_words counts the
 * words it took. NULL when no command has that name. */
const struct cli_command *cli_command_find(int argc, char *const *argv, int *out_words);

/* cli_usage marks the run as wrongly called and returns CH_INVALID with that message. */
enum chancery_err cli_usage(struct cli *cli, struct diag *diag, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* cli_exit_code maps an outcome to the documented exit codes. */
int cli_exit_code(enum chancery_err err, bool usage);

/* cli_main runs the whole program; main() calls it, and so do tests. */
int cli_main(int argc, char **argv, FILE *out, FILE *err);

/* ---- help.c ---- */
void cli_help_all(FILE *f);
void cli_help_group(FILE *f, const char *group); /* commands that begin with that word */
bool cli_is_group(const char *word);
void cli_help_command(FILE *f, const struct cli_command *c);

#endif
