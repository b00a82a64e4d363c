/* chancery hsm check, hsm token-init. */
#include "cli.h"
#include "hsm/hsm.h"

static const struct args_option CHECK_OPTIONS[] = {
    {"module", "FILE", "PKCS#11 module", true},
    {"token", "URI", "pkcs11:token=LABEL", true},
    {"pin-file", "FILE", "user PIN, readable by its owner only", true},
    {"generate", NULL, "also try algorithms with temporary session keys", false},
};

static const struct out_column CHECK_COLUMNS[] = {
    {"RESULT", "result", OUT_TEXT},
    {"WHAT", "what", OUT_TEXT},
    {"DETAIL", "detail", OUT_TEXT},
};

static const char *check_level(enum hsm_check_level level)
{
    switch (level) {
    case HSM_CHECK_OK:
        return "ok";
    case HSM_CHECK_INFO:
        return "info";
    case HSM_CHECK_WARN:
        return "warn";
    case HSM_CHECK_FAIL:
    default:
        return "FAIL";
    }
}

static void check_report(void *ctx, enum hsm_check_level level, const char *what,
                         const char *detail)
{
    json_t *rows = ctx;
    (void)json_array_append_new(rows, json_pack("{s:s, s:o, s:o}", "result", check_level(level),
                                                "what", out_text(slice_str(what)), "detail",
                                                out_text(slice_str(detail))));
}

static enum chancery_err check_run(struct cli *cli, const struct args *args, struct diag *diag)
{
    struct hsm_opts opts = {
        .module = args_get(args, "module"),
        .token_uri = args_get(args, "token"),
        .pin_file = args_get(args, "pin-file"),
        .pin_fd = -1,
    };
    unsigned failed = 0;
    json_t *rows = json_array();
    enum chancery_err err =
        hsm_check(&opts, args_has(args, "generate"), check_report, rows, &failed, diag);
    enum chancery_err printed =
        out_table(&cli->out, "checks", rows, json_pack("{s:i}", "failed", (int)failed),
                  CHECK_COLUMNS, sizeof CHECK_COLUMNS / sizeof CHECK_COLUMNS[0]);
    TRY(err);
    TRY(printed);
    if (failed > 0) {
        return diag_set(diag, CH_HSM, "", "hsm.check", "%u checks failed", failed);
    }
    return CH_OK;
}

const struct cli_command CLI_HSM_CHECK = {
    .name = "hsm check",
    .operands = "",
    .summary = "diagnose a PKCS#11 module and token",
    .detail = "Mechanisms, sessions, threads, attributes of each key, stray and unusable objects,\n"
              "sign and verify per algorithm.\n",
    .examples = "  chancery hsm check --module /usr/lib/softhsm/libsofthsm2.so \\\n"
                "      --token pkcs11:token=chancery-ca --pin-file ca.pin\n",
    .options = CHECK_OPTIONS,
    .n_options = sizeof CHECK_OPTIONS / sizeof CHECK_OPTIONS[0],
    .run = check_run,
};

static const struct args_option TOKEN_INIT_OPTIONS[] = {
    {"module", "FILE", "PKCS#11 module", true},
    {"label", "LABEL", "label of the new token", true},
    {"so-pin-file", "FILE", "security officer's PIN", true},
    {"pin-file", "FILE", "user PIN", true},
};

static const struct out_column TOKEN_FIELDS[] = {
    {"Token", "token", OUT_TEXT},
};

static enum chancery_err token_init_run(struct cli *cli, const struct args *args, struct diag *diag)
{
    const char *label = args_get(args, "label");
    TRY(hsm_token_init(args_get(args, "module"), label, args_get(args, "so-pin-file"),
                       args_get(args, "pin-file"), diag));
    return out_record(&cli->out, json_pack("{s:o}", "token", out_text(slice_str(label))),
                      TOKEN_FIELDS, 1);
}

const struct cli_command CLI_HSM_TOKEN_INIT = {
    .name = "hsm token-init",
    .operands = "",
    .summary = "initialise an empty token with label and PINs",
    .examples = "  chancery hsm token-init --module /usr/lib/softhsm/libsofthsm2.so \\\n"
                "      --label chancery-ca --so-pin-file so.pin --pin-file ca.pin\n",
    .options = TOKEN_INIT_OPTIONS,
    .n_options = sizeof TOKEN_INIT_OPTIONS / sizeof TOKEN_INIT_OPTIONS[0],
    .run = token_init_run,
};
