/* chancery revoke, crl list. */
#include "chancery/registration/v1/registration.pb-c.h"
#include "chancery/revocation/v1/revocation.pb-c.h"
#include "client.h"
#include "text.h"

static const struct args_option REVOKE_OPTIONS[] = {
    {"reason", "REASON", "RFC 5280 name, such as keyCompromise", true},
    {"issuer", "ID", "issuer of the serial, when several have it", false},
    {"comment", "TEXT", "kept with the request", false},
};

static const struct out_column REVOKE_FIELDS[] = {
    {"Serial", "serial", OUT_TEXT},           {"Reason", "reason", OUT_TEXT},
    {"Revoked at", "revoked_at_s", OUT_TIME}, {"Already revoked", "already_revoked", OUT_TEXT},
    {"Log index", "log_index", OUT_TEXT},
};

/* RFC 5280 5.3.1 without certificateHold, removeFromCRL and aACompromise, which Chancery does not
 * know. */
static enum chancery_err revoke_reason(struct cli *cli, const char *reason, struct diag *diag)
{
    static const char *const reasons[] = {
        "unspecified", "keyCompromise",        "cACompromise",       "affiliationChanged",
        "superseded",  "cessationOfOperation", "privilegeWithdrawn",
    };
    const size_t n = sizeof reasons / sizeof reasons[0];
    for (size_t i = 0; i < n; i++) {
        if (strcmp(reasons[i], reason) == 0) {
            return CH_OK;
        }
    }
    const char *near = args_nearest(reason, reasons, n);
    if (near != NULL) {
        return cli_usage(cli, diag, "no reason \"%s\"; did you mean %s?", reason, near);
    }
    return cli_usage(cli, diag,
                     "no reason \"%s\"; one of unspecified, keyCompromise, cACompromise, "
                     "affiliationChanged, superseded, cessationOfOperation, privilegeWithdrawn",
                     reason);
}

static enum chancery_err revoke_run(struct cli *cli, const struct args *args, struct diag *diag)
{
    Chancery__Registration__V1__RevokeRequest q = CHANCERY__REGISTRATION__V1__REVOKE_REQUEST__INIT;
    uint8_t serial[TEXT_SERIAL_MAX];
    size_t len = 0;
    ProtobufCMessage *answer = NULL;
    enum chancery_err err = text_serial(args->operands[0], serial, &len, diag);
    if (err != CH_OK) {
        cli->usage = true;
        return err;
    }
    TRY(revoke_reason(cli, args_get(args, "reason"), diag));
    q.serial = rpc_bytes(&cli->arena, slice_of(serial, len));
    q.reason = arena_str(&cli->arena, slice_str(args_get(args, "reason")));
    if (args_has(args, "issuer")) {
        q.issuer_id = arena_str(&cli->arena, slice_str(args_get(args, "issuer")));
    }
    if (args_has(args, "comment")) {
        q.comment = arena_str(&cli->arena, slice_str(args_get(args, "comment")));
    }
    TRY(client_call(cli, "registration",
                    &chancery__registration__v1__registration_service__descriptor, "Revoke",
                    &q.base, &answer, diag));
    const Chancery__Registration__V1__RevokeResponse *r =
        (const Chancery__Registration__V1__RevokeResponse *)answer;
    json_t *v = json_pack("{s:o, s:s, s:I, s:b, s:I}", "serial", out_hex(slice_of(serial, len)),
                          "reason", args_get(args, "reason"), "revoked_at_s",
                          (json_int_t)r->revoked_at_s, "already_revoked",
                          r->already_revoked ? 1 : 0, "log_index", (json_int_t)r->log_index);
    return out_record(&cli->out, v, REVOKE_FIELDS, sizeof REVOKE_FIELDS / sizeof REVOKE_FIELDS[0]);
}

const struct cli_command CLI_REVOKE = {
    .name = "revoke",
    .operands = "SERIAL",
    .n_operands = 1,
    .summary = "revoke a certificate for good",
    .detail = "Reasons: unspecified, keyCompromise, cACompromise, affiliationChanged, superseded,\n"
              "cessationOfOperation, privilegeWithdrawn. The first revocation's date stands.\n",
    .examples = "  chancery revoke 3f8a01c27d55e09b4466aa10c9d2e711 --reason keyCompromise\n"
                "  chancery revoke 3f:8a:01:c2 --issuer issuing-1 --reason superseded --json\n",
    .options = REVOKE_OPTIONS,
    .n_options = sizeof REVOKE_OPTIONS / sizeof REVOKE_OPTIONS[0],
    .run = revoke_run,
};

static const struct out_column CRL_COLUMNS[] = {
    {"ISSUER", "issuer_id", OUT_TEXT},
    {"SHARD", "shard", OUT_TEXT},
    {"NUMBER", "number", OUT_TEXT},
    {"ENTRIES", "entries", OUT_TEXT},
    {"THIS UPDATE", "this_update_s", OUT_TIME},
    {"NEXT UPDATE", "next_update_s", OUT_TIME},
    {"URL", "url", OUT_TEXT},
};

static enum chancery_err crl_list_run(struct cli *cli, const struct args *args, struct diag *diag)
{
    Chancery__Revocation__V1__ListCrlsRequest q = CHANCERY__REVOCATION__V1__LIST_CRLS_REQUEST__INIT;
    ProtobufCMessage *answer = NULL;
    (void)args;
    TRY(client_call(cli, "revocation", &chancery__revocation__v1__revocation_service__descriptor,
                    "ListCrls", &q.base, &answer, diag));
    const Chancery__Revocation__V1__ListCrlsResponse *r =
        (const Chancery__Revocation__V1__ListCrlsResponse *)answer;
    json_t *rows = json_array();
    for (size_t i = 0; i < r->n_crls; i++) {
        const Chancery__Revocation__V1__CrlInfo *c = r->crls[i];
        (void)json_array_append_new(
            rows, json_pack("{s:o, s:i, s:I, s:I, s:I, s:I, s:o}", "issuer_id",
                            out_text(slice_str(c->issuer_id)), "shard", (int)c->shard, "number",
                            (json_int_t)c->number, "this_update_s", (json_int_t)c->this_update_s,
                            "next_update_s", (json_int_t)c->next_update_s, "entries",
                            (json_int_t)c->entries, "url", out_text(slice_str(c->url))));
    }
    return out_table(&cli->out, "crls", rows, NULL, CRL_COLUMNS,
                     sizeof CRL_COLUMNS / sizeof CRL_COLUMNS[0]);
}

const struct cli_command CLI_CRL_LIST = {
    .name = "crl list",
    .operands = "",
    .summary = "list the newest CRL of every shard",
    .examples = "  chancery crl list\n  chancery crl list --json\n",
    .run = crl_list_run,
};
