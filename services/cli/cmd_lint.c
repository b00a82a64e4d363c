/* chancery lint: checks certificates, CRLs and OCSP answers in files. Offline; knows no profile. */
#include "cli.h"
#include "client.h"
#include "policy/lint/lint.h"
#include "x509/x509.h"

#define LINT_FILE_MAX ((size_t)1 << 30) /* a CRL of 20 million entries */

static const struct args_option LINT_OPTIONS[] = {
    {"set", "NAME", "rfc5280 (default) or cabf-server", false},
    {"kind", "NAME", "certificate, crl or ocsp; for bytes that are not yet signed", false},
    {"warnings-fail", NULL, "exit code 1 for warnings, too", false},
};

static const struct out_column LINT_COLUMNS[] = {
    {"FILE", "file", OUT_TEXT},           {"SEVERITY", "severity", OUT_TEXT},
    {"LINT", "lint", OUT_TEXT},           {"FIELD", "field", OUT_TEXT},
    {"OBSERVED", "observed", OUT_TEXT},   {"REQUIRED", "required", OUT_TEXT},
    {"REFERENCE", "reference", OUT_TEXT},
};

static const char *const LINT_KINDS[] = {"", "certificate", "crl", "ocsp"};

struct lint_run {
    uint8_t severity[POLICY_LINT_MAX];
    enum policy_lint_kind kind; /* NONE: find out */
    const char *file;
    struct diag *diag;
    json_t *rows;
    size_t objects, in_file, errors, warnings;
    struct policy_lint_result results[POLICY_LINT_MAX];
};

static enum chancery_err lint_add(struct lint_run *r, const struct policy_lint *l, bool error,
                                  const struct policy_lint_seen *seen)
{
    char text[POLICY_TEXT_MAX + 1];
    policy_lint_text(seen, text);
    *(error ? &r->errors : &r->warnings) += 1;
    json_t *row = json_pack(
        "{s:o, s:i, s:s, s:s, s:s, s:o, s:s, s:s}", "file", out_text(slice_str(r->file)), "object",
        (int)r->in_file, "severity", error ? "error" : "warning", "lint", l->id, "field", l->field,
        "observed", out_text(slice_str(text)), "required", l->required, "reference", l->reference);
    return json_array_append_new(r->rows, row) == 0 ? CH_OK : CH_NOMEM;
}

static enum chancery_err lint_object(void *ctx, struct slice der)
{
    struct lint_run *r = ctx;
    size_t first;
    enum policy_lint_kind kind = r->kind == POLICY_LINT_NONE ? policy_lint_kind_of(der) : r->kind;
    r->in_file++;
    if (kind == POLICY_LINT_NONE) {
        return diag_set(r->diag, CH_MALFORMED, r->file, "lint.kind",
                        "no certificate, CRL or OCSP response; --kind says what bytes are that are "
                        "not yet signed");
    }
    r->objects++;
    policy_lint_run(kind, der, r->severity, r->results);
    size_t n = policy_lint_range(kind, &first);
    for (size_t i = first; i < first + n; i++) {
        if (r->results[i].outcome == POLICY_FAIL) {
            TRY(lint_add(r, policy_lint_at(i), r->severity[i] == POLICY_LINT_ERROR,
                         &r->results[i].seen));
        }
    }
    return CH_OK;
}

static enum chancery_err lint_file(struct lint_run *r, const char *path)
{
    static const char *const labels[] = {"CERTIFICATE", "X509 CRL", "OCSP RESPONSE"};
    struct buf file CLEANUP(buf_clear);
    buf_init(&file, LINT_FILE_MAX);
    r->file = path;
    r->in_file = 0;
    TRY(client_read(path, &file, r->diag));
    if (file.len > 0 && file.ptr[0] == DER_SEQUENCE) {
        return lint_object(r, buf_slice(&file));
    }
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
        TRY(x509_pem_each(labels[i], buf_slice(&file), lint_object, r, r->diag));
    }
    return r->in_file > 0 ? CH_OK
                          : diag_set(r->diag, CH_MALFORMED, path, "lint.file",
                                     "neither DER nor PEM of CERTIFICATE, X509 CRL or OCSP "
                                     "RESPONSE");
}

static enum chancery_err lint_options(struct cli *cli, const struct args *args, struct lint_run *r)
{
    const char *set = args_has(args, "set") ? args_get(args, "set") : "rfc5280";
    unsigned bits = policy_lint_set_named(slice_str(set));
    if (bits == 0) {
        return cli_usage(cli, r->diag, "--set is rfc5280 or cabf-server");
    }
    policy_lint_defaults(bits, r->severity);
    if (args_has(args, "kind")) {
        size_t k = 1;
        while (k < 4 && strcmp(LINT_KINDS[k], args_get(args, "kind")) != 0) {
            k++;
        }
        if (k == 4) {
            return cli_usage(cli, r->diag, "--kind is certificate, crl or ocsp");
        }
        r->kind = (enum policy_lint_kind)k;
    }
    return CH_OK;
}

static enum chancery_err lint_print(struct cli *cli, struct lint_run *r)
{
    json_t *extra = json_pack("{s:I, s:I, s:I}", "objects", (json_int_t)r->objects, "errors",
                              (json_int_t)r->errors, "warnings", (json_int_t)r->warnings);
    json_t *rows = r->rows;
    bool any = json_array_size(rows) > 0;
    r->rows = NULL; /* out_table takes it */
    if (any || cli->out.json) {
        TRY(out_table(&cli->out, "findings", rows, extra, LINT_COLUMNS,
                      sizeof LINT_COLUMNS / sizeof LINT_COLUMNS[0]));
    } else {
        json_decref(rows);
        json_decref(extra);
    }
    out_note(&cli->out, "%zu objects, %zu errors, %zu warnings", r->objects, r->errors,
             r->warnings);
    return CH_OK;
}

static enum chancery_err lint_all(struct cli *cli, const struct args *args, struct lint_run *r)
{
    TRY(lint_options(cli, args, r));
    for (size_t i = 0; i < args->n_operands; i++) {
        TRY(lint_file(r, args->operands[i]));
    }
    TRY(lint_print(cli, r));
    bool fail = r->errors > 0 || (r->warnings > 0 && args_has(args, "warnings-fail"));
    return fail ? diag_set(r->diag, CH_REFUSED, "", "lint.findings", "%zu errors, %zu warnings",
                           r->errors, r->warnings)
                : CH_OK;
}

static enum chancery_err lint_run(struct cli *cli, const struct args *args, struct diag *diag)
{
    struct lint_run *r = arena_alloc(&cli->arena, sizeof *r);
    if (r == NULL) {
        return CH_NOMEM;
    }
    r->diag = diag;
    r->rows = json_array();
    enum chancery_err err = lint_all(cli, args, r);
    json_decref(r->rows);
    return err;
}

const struct cli_command CLI_LINT = {
    .name = "lint",
    .operands = "FILE...",
    .n_operands = 1,
    .more_operands = true,
    .summary = "check certificates, CRLs, OCSP answers in files",
    .detail =
        "PEM or DER; - reads standard input. Needs no service. docs/LINTS.md lists the lints.\n"
        "Exit code 1 when an error is found.\n",
    .examples = "  chancery lint host.pem\n"
                "  chancery lint --set cabf-server chain.pem ca.crl answer.ocsp --json\n"
                "  chancery lint --kind certificate tbs.der\n",
    .options = LINT_OPTIONS,
    .n_options = sizeof LINT_OPTIONS / sizeof LINT_OPTIONS[0],
    .run = lint_run,
};
