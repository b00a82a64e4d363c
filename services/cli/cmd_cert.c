/* chancery cert list, cert show. */
#include "chancery/registration/v1/registration.pb-c.h"
#include "client.h"
#include "text.h"

#define CERT_LIST_DEFAULT 50
#define CERT_LIST_MAX 100000
#define CERT_PAGE_MAX 500 /* ListCertificatesRequest.page_size */

static const struct args_option LIST_OPTIONS[] = {
    {"issuer", "ID", "only of this issuer", false},
    {"profile", "NAME", "only of this profile", false},
    {"requester", "URI", "only issued to this identity", false},
    {"name", "NAME", "exact alternative name or common name", false},
    {"status", "STATUS", "good, revoked or expired", false},
    {"expires-before", "DATE", "ends before this UTC date", false},
    {"expires-after", "DATE", "ends after this UTC date", false},
    {"spki", "HEX", "SHA-256 of the public key", false},
    {"limit", "N", "at most so many, newest first (50)", false},
};

static const struct out_column LIST_COLUMNS[] = {
    {"SERIAL", "serial", OUT_TEXT},         {"ISSUER", "issuer_id", OUT_TEXT},
    {"PROFILE", "profile", OUT_TEXT},       {"STATUS", "status", OUT_TEXT},
    {"NOT AFTER", "not_after_s", OUT_TIME}, {"NAMES", "names", OUT_TEXT},
};

static const struct out_column SHOW_FIELDS[] = {
    {"Serial", "serial", OUT_TEXT},
    {"Issuer", "issuer_id", OUT_TEXT},
    {"Status", "status", OUT_TEXT},
    {"Revoked at", "revoked_at_s", OUT_TIME},
    {"Reason", "revocation_reason", OUT_TEXT},
    {"Subject", "subject", OUT_TEXT},
    {"Names", "names", OUT_TEXT},
    {"Profile", "profile", OUT_TEXT},
    {"Not before", "not_before_s", OUT_TIME},
    {"Not after", "not_after_s", OUT_TIME},
    {"Issued at", "issued_at_s", OUT_TIME},
    {"Requester", "requester", OUT_TEXT},
    {"Tenant", "tenant", OUT_TEXT},
    {"Public key", "spki_sha256", OUT_TEXT},
    {"Request id", "request_id", OUT_TEXT},
    {"CRL shard", "shard", OUT_TEXT},
    {"Log index", "log_index", OUT_TEXT},
};

/* Sets a text filter from an option. */
static void list_text(struct cli *cli, const struct args *args, const char *option, char **field)
{
    if (args_has(args, option)) {
        *field = arena_str(&cli->arena, slice_str(args_get(args, option)));
    }
}

static enum chancery_err list_filters(struct cli *cli, const struct args *args,
                                      Chancery__Registration__V1__ListCertificatesRequest *q,
                                      struct diag *diag)
{
    static const char *const statuses[] = {"good", "revoked", "expired"};
    const char *status = args_get(args, "status");
    list_text(cli, args, "issuer", &q->issuer_id);
    list_text(cli, args, "profile", &q->profile);
    list_text(cli, args, "requester", &q->requester);
    list_text(cli, args, "name", &q->name);
    list_text(cli, args, "status", &q->status);
    bool known = status == NULL;
    for (size_t i = 0; i < 3 && !known; i++) {
        known = strcmp(status, statuses[i]) == 0;
    }
    if (!known) {
        return cli_usage(cli, diag, "--status is good, revoked or expired");
    }
    TRY(args_date_s(args, "expires-before", &q->not_after_before_s, diag));
    TRY(args_date_s(args, "expires-after", &q->not_after_after_s, diag));
    if (args_has(args, "spki")) {
        uint8_t *sha = arena_alloc(&cli->arena, 32);
        size_t len = 0;
        if (sha == NULL) {
            return CH_NOMEM;
        }
        if (hex_decode(slice_str(args_get(args, "spki")), sha, 32, &len) != CH_OK || len != 32) {
            return cli_usage(cli, diag, "--spki is 64 hex digits");
        }
        q->spki_sha256 = (ProtobufCBinaryData){.len = 32, .data = sha};
    }
    return CH_OK;
}

/* Adds pages to `rows` until the limit or the end. */
static enum chancery_err list_pages(struct cli *cli,
                                    Chancery__Registration__V1__ListCertificatesRequest *q,
                                    uint64_t limit, json_t *rows, bool *out_more, struct diag *diag)
{
    for (;;) {
        uint64_t left = limit - json_array_size(rows);
        ProtobufCMessage *answer = NULL;
        q->page_size = (uint32_t)(left > CERT_PAGE_MAX ? CERT_PAGE_MAX : left);
        TRY(client_call(cli, "registration",
                        &chancery__registration__v1__registration_service__descriptor,
                        "ListCertificates", &q->base, &answer, diag));
        const Chancery__Registration__V1__ListCertificatesResponse *r =
            (const Chancery__Registration__V1__ListCertificatesResponse *)answer;
        for (size_t i = 0; i < r->n_certificates && json_array_size(rows) < limit; i++) {
            if (json_array_append_new(rows, client_cert_json(r->certificates[i], false)) != 0) {
                return CH_NOMEM;
            }
        }
        *out_more = r->next_cursor[0] != '\0';
        if (!*out_more || json_array_size(rows) >= limit) {
            return CH_OK;
        }
        q->cursor = r->next_cursor;
    }
}

static enum chancery_err list_run(struct cli *cli, const struct args *args, struct diag *diag)
{
    Chancery__Registration__V1__ListCertificatesRequest q =
        CHANCERY__REGISTRATION__V1__LIST_CERTIFICATES_REQUEST__INIT;
    uint64_t limit = CERT_LIST_DEFAULT;
    bool more = false;
    TRY(args_uint(args, "limit", 1, CERT_LIST_MAX, &limit, diag));
    TRY(list_filters(cli, args, &q, diag));
    json_t *rows = json_array();
    enum chancery_err err = list_pages(cli, &q, limit, rows, &more, diag);
    if (err != CH_OK) {
        json_decref(rows);
        return err;
    }
    TRY(out_table(&cli->out, "certificates", rows, json_pack("{s:b}", "more", more ? 1 : 0),
                  LIST_COLUMNS, sizeof LIST_COLUMNS / sizeof LIST_COLUMNS[0]));
    if (more) {
        out_note(&cli->out, "(more; raise --limit)");
    }
    return CH_OK;
}

const struct cli_command CLI_CERT_LIST = {
    .name = "cert list",
    .operands = "",
    .summary = "list certificates, newest first",
    .examples =
        "  chancery cert list --name www.example.com\n"
        "  chancery cert list --status good --expires-before 2027-01-01 --limit 500 --json\n",
    .options = LIST_OPTIONS,
    .n_options = sizeof LIST_OPTIONS / sizeof LIST_OPTIONS[0],
    .run = list_run,
};

static const struct args_option SHOW_OPTIONS[] = {
    {"issuer", "ID", "issuer of the serial, when several have it", false},
    {"pem", NULL, "print the certificate as PEM", false},
    {"chain", NULL, "with --pem or --out: also the chain", false},
    {"out", "FILE", "write the certificate (PEM) here", false},
};

static enum chancery_err show_print(struct cli *cli, const struct args *args,
                                    const Chancery__Common__V1__Certificate *c, struct diag *diag)
{
    bool pem = args_has(args, "pem") && !cli->out.json;
    if (pem || args_has(args, "out")) {
        struct buf text;
        buf_init(&text, CLIENT_FILE_MAX);
        enum chancery_err err = client_cert_pem(c, args_has(args, "chain"), &text);
        if (err == CH_OK) {
            err = client_write(cli, args_get(args, "out"), buf_slice(&text), diag);
        }
        buf_clear(&text);
        TRY(err);
    }
    if (pem) {
        return CH_OK;
    }
    return out_record(&cli->out, client_cert_json(c, true), SHOW_FIELDS,
                      sizeof SHOW_FIELDS / sizeof SHOW_FIELDS[0]);
}

static enum chancery_err show_run(struct cli *cli, const struct args *args, struct diag *diag)
{
    Chancery__Registration__V1__GetCertificateRequest q =
        CHANCERY__REGISTRATION__V1__GET_CERTIFICATE_REQUEST__INIT;
    uint8_t serial[TEXT_SERIAL_MAX];
    size_t len = 0;
    ProtobufCMessage *answer = NULL;
    enum chancery_err err = text_serial(args->operands[0], serial, &len, diag);
    if (err != CH_OK) {
        cli->usage = true;
        return err;
    }
    q.serial = rpc_bytes(&cli->arena, slice_of(serial, len));
    list_text(cli, args, "issuer", &q.issuer_id);
    TRY(client_call(cli, "registration",
                    &chancery__registration__v1__registration_service__descriptor, "GetCertificate",
                    &q.base, &answer, diag));
    const Chancery__Registration__V1__GetCertificateResponse *r =
        (const Chancery__Registration__V1__GetCertificateResponse *)answer;
    if (r->certificate == NULL) {
        return diag_set(diag, CH_NOT_FOUND, "serial", "client.answer", "no such certificate");
    }
    return show_print(cli, args, r->certificate, diag);
}

const struct cli_command CLI_CERT_SHOW = {
    .name = "cert show",
    .operands = "SERIAL",
    .n_operands = 1,
    .summary = "show one certificate and the facts of its issuance",
    .examples =
        "  chancery cert show 3f8a01c27d55e09b4466aa10c9d2e711\n"
        "  chancery cert show 3f:8a:01:c2:7d:55 --issuer issuing-1 --pem --chain > host.pem\n",
    .options = SHOW_OPTIONS,
    .n_options = sizeof SHOW_OPTIONS / sizeof SHOW_OPTIONS[0],
    .run = show_run,
};
