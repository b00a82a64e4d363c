/* chancery issue: one certificate from a PKCS#10 request. */
#include "chancery/registration/v1/registration.pb-c.h"
#include "client.h"
#include "os/os.h"
#include "text.h"
#include "x509/x509.h"

static const struct args_option ISSUE_OPTIONS[] = {
    {"profile", "NAME", "certificate profile of the policy bundle", true},
    {"csr", "FILE", "PKCS#10 request, PEM or DER; - reads standard input", true},
    {"out", "FILE", "write the certificate (PEM) here; else to standard output", false},
    {"chain", NULL, "also write the chain, issuer first", false},
    {"key", "KEY", "idempotency key: the same key gives the same outcome", false},
    {"validity", "DURATION", "ask for at most this life, such as 30d", false},
    {"tenant", "NAME", "tenant; else \"default\"", false},
};

static const struct out_column ISSUE_FIELDS[] = {
    {"Serial", "serial", OUT_TEXT},         {"Issuer", "issuer_id", OUT_TEXT},
    {"Subject", "subject", OUT_TEXT},       {"Names", "names", OUT_TEXT},
    {"Profile", "profile", OUT_TEXT},       {"Not before", "not_before_s", OUT_TIME},
    {"Not after", "not_after_s", OUT_TIME}, {"Log index", "log_index", OUT_TEXT},
    {"Replayed", "replayed", OUT_TEXT},     {"Written to", "out", OUT_TEXT},
};

static enum chancery_err issue_print(struct cli *cli, const struct args *args,
                                     const Chancery__Registration__V1__EnrollResponse *r,
                                     struct buf *pem, struct diag *diag)
{
    const char *out = args_get(args, "out");
    bool to_file = out != NULL && strcmp(out, "-") != 0;
    TRY(client_cert_pem(r->certificate, args_has(args, "chain"), pem));
    if (to_file || !cli->out.json) {
        TRY(client_write(cli, out, buf_slice(pem), diag));
    }
    if (!to_file && !cli->out.json) {
        return CH_OK; /* standard output holds PEM and nothing else */
    }
    json_t *v = client_cert_json(r->certificate, true);
    if (v != NULL && r->replayed) {
        (void)json_object_set_new(v, "replayed", json_true());
    }
    if (v != NULL && to_file) {
        (void)json_object_set_new(v, "out", out_text(slice_str(out)));
    }
    return out_record(&cli->out, v, ISSUE_FIELDS, sizeof ISSUE_FIELDS / sizeof ISSUE_FIELDS[0]);
}

static enum chancery_err issue_call(struct cli *cli, const struct args *args, struct slice der,
                                    struct buf *pem, struct diag *diag)
{
    uint8_t random[16];
    char key[2 * sizeof random + 1];
    int64_t validity_s = 0;
    ProtobufCMessage *answer = NULL;
    TRY(args_duration_s(args, "validity", 1, UINT32_MAX, &validity_s, diag));
    os_random(random, sizeof random);
    hex_encode(slice_of(random, sizeof random), key);
    const char *idempotency_key = args_has(args, "key") ? args_get(args, "key") : key;

    Chancery__Registration__V1__EnrollRequest q = CHANCERY__REGISTRATION__V1__ENROLL_REQUEST__INIT;
    q.profile = arena_str(&cli->arena, slice_str(args_get(args, "profile")));
    q.idempotency_key = arena_str(&cli->arena, slice_str(idempotency_key));
    q.proof_case = CHANCERY__REGISTRATION__V1__ENROLL_REQUEST__PROOF_PKCS10;
    q.pkcs10 = rpc_bytes(&cli->arena, der);
    q.max_validity_s = (uint32_t)validity_s;
    if (args_has(args, "tenant")) {
        q.tenant = arena_str(&cli->arena, slice_str(args_get(args, "tenant")));
    }
    enum chancery_err err = client_call(
        cli, "registration", &chancery__registration__v1__registration_service__descriptor,
        "Enroll", &q.base, &answer, diag);
    if (err == CH_UNAVAILABLE || err == CH_DEADLINE || err == CH_UNKNOWN) {
        (void)fprintf(cli->out.err,
                      "chancery: the outcome may be known later: repeat with --key %s\n",
                      idempotency_key);
    } else if (err == CH_PRECONDITION && strcmp(diag->rule, "approval.pending") == 0) {
        (void)fprintf(cli->out.err, "chancery: when officers have approved, repeat with --key %s\n",
                      idempotency_key);
    }
    TRY(err);
    const Chancery__Registration__V1__EnrollResponse *r =
        (const Chancery__Registration__V1__EnrollResponse *)answer;
    if (r->certificate == NULL) {
        return diag_set(diag, CH_INTEGRITY, "certificate", "client.answer",
                        "registration answered without a certificate");
    }
    return issue_print(cli, args, r, pem, diag);
}

static enum chancery_err issue_run(struct cli *cli, const struct args *args, struct diag *diag)
{
    struct buf file, der, pem;
    buf_init(&file, CLIENT_FILE_MAX);
    buf_init(&der, X509_CSR_MAX);
    buf_init(&pem, CLIENT_FILE_MAX);
    enum chancery_err err = client_read(args_get(args, "csr"), &file, diag);
    if (err == CH_OK) {
        err = x509_csr_from_pem_or_der(buf_slice(&file), &der, diag);
    }
    if (err == CH_OK) {
        err = issue_call(cli, args, buf_slice(&der), &pem, diag);
    }
    buf_clear(&file);
    buf_clear(&der);
    buf_clear(&pem);
    return err;
}

const struct cli_command CLI_ISSUE = {
    .name = "issue",
    .operands = "",
    .summary = "enrol: send a certificate request, get the certificate",
    .detail = "Without --key a random idempotency key is used; it is printed when the outcome is\n"
              "not known, so that repeating never issues twice.\n",
    .examples = "  chancery issue --profile web --csr host.csr --out host.pem --chain\n"
                "  chancery issue --profile web --csr - --validity 30d --json < host.csr\n",
    .options = ISSUE_OPTIONS,
    .n_options = sizeof ISSUE_OPTIONS / sizeof ISSUE_OPTIONS[0],
    .run = issue_run,
};
