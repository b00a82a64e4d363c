/* chancery status: grpc.health.v1 of every configured process. */
#include <poll.h>

#include "client.h"
#include "os/os.h"

#define STATUS_CHECK_MS 3000 /* per process: a healthy one answers in milliseconds */
#define STATUS_POLL_MS 200   /* between rounds of --wait */

static const struct args_option STATUS_OPTIONS[] = {
    {"wait", "SECONDS", "wait until all serve, at most so long", false},
};

static const struct out_column STATUS_COLUMNS[] = {
    {"PROCESS", "process", OUT_TEXT},
    {"ADDRESS", "address", OUT_TEXT},
    {"STATUS", "status", OUT_TEXT},
    {"REASON", "reason", OUT_TEXT},
};

static enum chancery_err status_one(struct cli *cli, const struct cli_peer *p, json_t *rows,
                                    bool *all, struct diag *diag)
{
    struct rpc_channel *channel = NULL;
    struct diag why = {0};
    bool ready = false;
    TRY(client_channel(cli, p->process, &channel, diag));
    enum chancery_err err = rpc_health_check(channel, STATUS_CHECK_MS, &ready, &why);
    const char *status = err == CH_OK ? (ready ? "serving" : "not serving") : err_name(err);
    const char *reason = why.text;
    if (err == CH_OK && !ready && why.text[0] == '\0') {
        reason = "it waits for something it needs; its log says for what";
    } else if (err != CH_OK && why.text[0] == '\0') {
        reason = "no answer, or another identity than expected";
    }
    *all = *all && err == CH_OK && ready;
    json_t *row =
        json_pack("{s:s, s:s, s:s, s:o, s:b}", "process", p->process, "address", p->address,
                  "status", status, "reason", out_text(slice_str(reason)), "ready", ready ? 1 : 0);
    return json_array_append_new(rows, row) == 0 ? CH_OK : CH_NOMEM;
}

static enum chancery_err status_round(struct cli *cli, json_t **out_rows, bool *out_all,
                                      struct diag *diag)
{
    json_t *rows = json_array();
    *out_all = true;
    for (size_t i = 0; i < cli->config.n_peers; i++) {
        enum chancery_err err = status_one(cli, &cli->config.peers[i], rows, out_all, diag);
        if (err != CH_OK) {
            json_decref(rows);
            return err;
        }
    }
    *out_rows = rows;
    return CH_OK;
}

static enum chancery_err status_run(struct cli *cli, const struct args *args, struct diag *diag)
{
    uint64_t wait_s = 0;
    json_t *rows = NULL;
    bool all = false;
    TRY(args_uint(args, "wait", 1, 86400, &wait_s, diag));
    TRY(client_config(cli, diag));
    int64_t until_ms = os_mono_ms() + (int64_t)wait_s * 1000;
    for (;;) {
        TRY(status_round(cli, &rows, &all, diag));
        if (all || os_mono_ms() + STATUS_POLL_MS > until_ms) {
            break;
        }
        json_decref(rows);
        (void)poll(NULL, 0, STATUS_POLL_MS);
    }
    TRY(out_table(&cli->out, "processes", rows, json_pack("{s:b}", "ready", all ? 1 : 0),
                  STATUS_COLUMNS, sizeof STATUS_COLUMNS / sizeof STATUS_COLUMNS[0]));
    if (!all) {
        return diag_set(diag, CH_UNAVAILABLE, "", "status.unready", "not every process serves");
    }
    return CH_OK;
}

const struct cli_command CLI_STATUS = {
    .name = "status",
    .operands = "",
    .summary = "health of every process of the configuration",
    .detail = "Exit code 3 unless every process serves.\n",
    .examples = "  chancery status\n  chancery status --wait 30\n",
    .options = STATUS_OPTIONS,
    .n_options = sizeof STATUS_OPTIONS / sizeof STATUS_OPTIONS[0],
    .run = status_run,
};
