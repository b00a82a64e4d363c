/* chancery ceremony check, ceremony run. */
#include <stdlib.h>

#include "ceremony.h"
#include "cli.h"
#include "text.h"

static const struct out_column CHECK_COLUMNS[] = {
    {"STEP", "step", OUT_TEXT},
    {"WHAT", "title", OUT_TEXT},
};

static enum chancery_err check_print(struct cli *cli, const struct plan *plan, struct diag *diag)
{
    static struct ceremony_step steps[CEREMONY_STEPS_MAX];
    size_t n = 0;
    TRY(ceremony_steps(plan, steps, CEREMONY_STEPS_MAX, &n, diag));
    json_t *rows = json_array();
    for (size_t i = 0; i < n; i++) {
        (void)json_array_append_new(
            rows, json_pack("{s:s, s:s}", "step", steps[i].id, "title", steps[i].title));
    }
    char hex[65];
    hex_encode(slice_of(plan->sha256, 32), hex);
    json_t *extra = json_pack("{s:s, s:b, s:o}", "plan_sha256", hex, "rehearsal",
                              plan->rehearsal ? 1 : 0, "name", out_text(slice_str(plan->name)));
    TRY(out_table(&cli->out, "steps", rows, extra, CHECK_COLUMNS,
                  sizeof CHECK_COLUMNS / sizeof CHECK_COLUMNS[0]));
    out_note(&cli->out, "plan SHA-256 %s%s", hex, plan->rehearsal ? " (rehearsal)" : "");
    return CH_OK;
}

static enum chancery_err check_run(struct cli *cli, const struct args *args, struct diag *diag)
{
    struct plan *plan = NULL;
    TRY(plan_load(args->operands[0], &plan, diag));
    enum chancery_err err = check_print(cli, plan, diag);
    plan_free(plan);
    return err;
}

const struct cli_command CLI_CEREMONY_CHECK = {
    .name = "ceremony check",
    .operands = "FILE.yaml",
    .n_operands = 1,
    .summary = "check a ceremony plan and list its steps",
    .detail = "Touches no token. docs/CEREMONY.md describes the plan file.\n",
    .examples = "  chancery ceremony check rehearsal.yaml\n",
    .run = check_run,
};

static const struct args_option RUN_OPTIONS[] = {
    {"out", "DIR",
     "empty folder for the outputs, or that of an interrupted run; else \"out\" beside the plan",
     false},
    {"yes", NULL, "a real ceremony only: do not ask before each signature", false},
};

static const struct out_column RUN_FIELDS[] = {
    {"Outputs", "out", OUT_TEXT},
    {"Rehearsal", "rehearsal", OUT_TEXT},
    {"Steps", "steps", OUT_TEXT},
    {"Done before", "done_before", OUT_TEXT},
    {"Plan SHA-256", "plan_sha256", OUT_TEXT},
    {"Transcript", "transcript_sha256", OUT_TEXT},
    {"trust.json", "trust_sha256", OUT_TEXT},
};

static enum chancery_err run_print(struct cli *cli, const char *dir,
                                   const struct ceremony_result *r)
{
    json_t *v = json_pack("{s:s, s:b, s:i, s:i, s:o, s:o, s:o}", "out", dir, "rehearsal",
                          r->rehearsal ? 1 : 0, "steps", (int)r->steps, "done_before",
                          (int)r->done_before, "plan_sha256", out_hex(slice_of(r->plan_sha256, 32)),
                          "transcript_sha256", out_hex(slice_of(r->transcript_sha256, 32)),
                          "trust_sha256", out_hex(slice_of(r->trust_sha256, 32)));
    TRY(out_record(&cli->out, v, RUN_FIELDS, sizeof RUN_FIELDS / sizeof RUN_FIELDS[0]));
    out_note(&cli->out, "%s; pin trust_sha256 as above in every process's configuration",
             r->done_before == r->steps ? "already complete, checked, nothing changed"
                                        : "ceremony complete");
    return CH_OK;
}

static enum chancery_err run_run(struct cli *cli, const struct args *args, struct diag *diag)
{
    struct plan *plan = NULL;
    struct ceremony_result result = {0};
    const char *given = args_get(args, "out");
    TRY(plan_load(args->operands[0], &plan, diag));
    char *dir = given != NULL ? strdup(given) : text_path(args->operands[0], "out");
    enum chancery_err err =
        dir == NULL ? CH_NOMEM
                    : ceremony_run(plan, dir, args_has(args, "yes"), &cli->out, &result, diag);
    err = err == CH_OK ? run_print(cli, dir, &result) : err;
    free(dir);
    plan_free(plan);
    return err;
}

const struct cli_command CLI_CEREMONY_RUN = {
    .name = "ceremony run",
    .operands = "FILE.yaml",
    .n_operands = 1,
    .summary = "run or resume a key ceremony",
    .detail =
        "Makes keys in HSM tokens, signs root, issuing CAs, OCSP responders and the root's CRL,\n"
        "and writes trust.json, issuers.yaml, certificates and transcript.jsonl. Every signature\n"
        "is shown decoded first and checked by OpenSSL after. Run again after a crash, it\n"
        "resumes; run again when complete, it checks and changes nothing.\n",
    .examples = "  chancery ceremony run rehearsal.yaml --out ceremony-out\n"
                "  chancery ceremony run root-2027.yaml --out /media/ceremony/2027 --json\n",
    .options = RUN_OPTIONS,
    .n_options = sizeof RUN_OPTIONS / sizeof RUN_OPTIONS[0],
    .run = run_run,
};
