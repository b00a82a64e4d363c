/* chancery issuer list, issuer show. */
#include "chancery/registration/v1/registration.pb-c.h"
#include "client.h"
#include "text.h"
#include "x509/x509.h"

static const struct out_column ISSUER_COLUMNS[] = {
    {"ISSUER", "issuer_id", OUT_TEXT},      {"KEY", "key_algorithm", OUT_TEXT},
    {"NOT AFTER", "not_after_s", OUT_TIME}, {"SHARDS", "shards", OUT_TEXT},
    {"SUBJECT", "subject", OUT_TEXT},       {"CRL", "crl_url_base", OUT_TEXT},
    {"OCSP", "ocsp_url", OUT_TEXT},
};

static json_t *issuer_json(struct cli *cli, const Chancery__Common__V1__Issuer *i)
{
    struct x509_cert cert = {0};
    struct buf subject, pem;
    buf_init(&subject, 4096);
    buf_init(&pem, CLIENT_FILE_MAX);
    json_t *v = NULL;
    if (x509_cert_read(rpc_slice(i->certificate_der), &cli->arena, &cert, NULL) == CH_OK &&
        x509_name_text(cert.subject, &subject) == CH_OK &&
        x509_pem_write("CERTIFICATE", rpc_slice(i->certificate_der), &pem) == CH_OK) {
        v = json_pack(
            "{s:o, s:o, s:o, s:o, s:I, s:I, s:i, s:o, s:o, s:o}", "issuer_id",
            out_text(slice_str(i->issuer_id)), "key_algorithm",
            out_text(slice_str(i->key_algorithm)), "subject", out_text(buf_slice(&subject)),
            "spki_sha256", out_hex(rpc_slice(i->spki_sha256)), "not_before_s",
            (json_int_t)cert.not_before_s, "not_after_s", (json_int_t)cert.not_after_s, "shards",
            (int)i->shards, "crl_url_base", out_text(slice_str(i->crl_url_base)), "ocsp_url",
            out_text(slice_str(i->ocsp_url)), "pem", out_text(buf_slice(&pem)));
    }
    buf_clear(&subject);
    buf_clear(&pem);
    return v;
}

static enum chancery_err issuer_get(struct cli *cli, const char *id,
                                    const Chancery__Registration__V1__GetIssuerResponse **out,
                                    struct diag *diag)
{
    Chancery__Registration__V1__GetIssuerRequest q =
        CHANCERY__REGISTRATION__V1__GET_ISSUER_REQUEST__INIT;
    ProtobufCMessage *answer = NULL;
    q.issuer_id = arena_str(&cli->arena, slice_str(id));
    TRY(client_call(cli, "registration",
                    &chancery__registration__v1__registration_service__descriptor, "GetIssuer",
                    &q.base, &answer, diag));
    *out = (const Chancery__Registration__V1__GetIssuerResponse *)answer;
    return CH_OK;
}

static enum chancery_err issuer_list_run(struct cli *cli, const struct args *args,
                                         struct diag *diag)
{
    const Chancery__Registration__V1__GetIssuerResponse *r = NULL;
    (void)args;
    TRY(issuer_get(cli, "", &r, diag));
    json_t *rows = json_array();
    for (size_t i = 0; i < r->n_issuers; i++) {
        if (json_array_append_new(rows, issuer_json(cli, r->issuers[i])) != 0) {
            json_decref(rows);
            return diag_set(diag, CH_INTEGRITY, "certificate_der", "client.answer",
                            "the certificate of issuer %s does not parse",
                            r->issuers[i]->issuer_id);
        }
    }
    return out_table(&cli->out, "issuers", rows, NULL, ISSUER_COLUMNS,
                     sizeof ISSUER_COLUMNS / sizeof ISSUER_COLUMNS[0]);
}

const struct cli_command CLI_ISSUER_LIST = {
    .name = "issuer list",
    .operands = "",
    .summary = "list issuing CAs",
    .examples = "  chancery issuer list\n  chancery issuer list --json\n",
    .run = issuer_list_run,
};

static const struct args_option ISSUER_SHOW_OPTIONS[] = {
    {"chain", NULL, "also its chain, up to and with the root", false},
    {"out", "FILE", "write here; else to standard output", false},
};

static enum chancery_err issuer_show_run(struct cli *cli, const struct args *args,
                                         struct diag *diag)
{
    const Chancery__Registration__V1__GetIssuerResponse *r = NULL;
    TRY(issuer_get(cli, args->operands[0], &r, diag));
    if (r->n_issuers != 1) {
        return diag_set(diag, CH_NOT_FOUND, "issuer_id", "client.answer", "no issuer \"%s\"",
                        args->operands[0]);
    }
    if (cli->out.json) {
        return out_record(&cli->out, issuer_json(cli, r->issuers[0]), NULL, 0);
    }
    struct buf pem;
    buf_init(&pem, CLIENT_FILE_MAX);
    const Chancery__Common__V1__Issuer *issuer = r->issuers[0];
    enum chancery_err err = x509_pem_write("CERTIFICATE", rpc_slice(issuer->certificate_der), &pem);
    for (size_t i = 0; err == CH_OK && args_has(args, "chain") && i < issuer->n_chain_der; i++) {
        err = x509_pem_write("CERTIFICATE", rpc_slice(issuer->chain_der[i]), &pem);
    }
    if (err == CH_OK) {
        err = client_write(cli, args_get(args, "out"), buf_slice(&pem), diag);
    }
    buf_clear(&pem);
    return err;
}

const struct cli_command CLI_ISSUER_SHOW = {
    .name = "issuer show",
    .operands = "ID",
    .n_operands = 1,
    .summary = "print an issuer's certificate (PEM)",
    .examples = "  chancery issuer show issuing-1 --chain --out ca-chain.pem\n",
    .options = ISSUER_SHOW_OPTIONS,
    .n_options = sizeof ISSUER_SHOW_OPTIONS / sizeof ISSUER_SHOW_OPTIONS[0],
    .run = issuer_show_run,
};
