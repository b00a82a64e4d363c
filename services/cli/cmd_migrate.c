/* chancery migrate: bring the database schema forward. */
#include "cli.h"
#include "db/db.h"

static const struct args_option MIGRATE_OPTIONS[] = {
    {"database", "CONNINFO", "libpq connection string of role chancery_owner", true},
    {"dir", "DIR", "folder of NNNN_name.sql files", true},
};

static const struct out_column MIGRATE_FIELDS[] = {
    {"Applied", "applied", OUT_TEXT},
};

static enum chancery_err migrate_run(struct cli *cli, const struct args *args, struct diag *diag)
{
    struct db_conn *conn = NULL;
    unsigned applied = 0;
    TRY(db_connect(args_get(args, "database"), &conn, diag));
    enum chancery_err err = db_migrate(conn, args_get(args, "dir"), &applied, diag);
    db_disconnect(conn);
    TRY(err);
    return out_record(&cli->out, json_pack("{s:i}", "applied", (int)applied), MIGRATE_FIELDS, 1);
}

const struct cli_command CLI_MIGRATE = {
    .name = "migrate",
    .operands = "",
    .summary = "apply pending database migrations",
    .detail = "Forward only, each file in a transaction, under an advisory lock. A file that was\n"
              "applied and has changed since stops the run.\n",
    .examples = "  chancery migrate --database 'host=/run/postgresql dbname=chancery "
                "user=chancery_owner' --dir migrations\n",
    .options = MIGRATE_OPTIONS,
    .n_options = sizeof MIGRATE_OPTIONS / sizeof MIGRATE_OPTIONS[0],
    .run = migrate_run,
};
