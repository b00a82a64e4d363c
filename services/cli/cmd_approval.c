/* chancery approval list, show, sign, key. */
#include <stdio.h>
#include <unistd.h>

#include "approval_view.h"
#include "client.h"
#include "crypto/alg.h"
#include "officer.h"
#include "os/os.h"
#include "text.h"

typedef Chancery__Registration__V1__PendingRequest pending_request;

#define LIST_MAX 10000
#define ID_OCTETS 16
#define EXPIRES_DEFAULT_S ((int64_t)7 * 86400)

static const ProtobufCServiceDescriptor *const service =
    &chancery__registration__v1__registration_service__descriptor;

/* ---- list ---- */

static const struct args_option LIST_OPTIONS[] = {
    {"profile", "NAME", "only of this profile", false},
    {"requester", "URI", "only asked for by this identity", false},
};

static const struct out_column LIST_COLUMNS[] = {
    {"REQUEST", "request_id", OUT_TEXT}, {"SINCE", "since_s", OUT_TIME},
    {"PROFILE", "profile", OUT_TEXT},    {"REQUESTER", "requester", OUT_TEXT},
    {"NAMES", "names", OUT_TEXT},        {"MISSING", "steps", OUT_TEXT},
    {"GIVEN", "given", OUT_TEXT},
};

static enum chancery_err list_page(struct cli *cli, const char *profile, const char *requester,
                                   char **cursor, json_t *rows, struct diag *diag)
{
    Chancery__Registration__V1__ListPendingRequest q =
        CHANCERY__REGISTRATION__V1__LIST_PENDING_REQUEST__INIT;
    ProtobufCMessage *answer = NULL;
    q.profile = arena_str(&cli->arena, slice_str(profile));
    q.requester = arena_str(&cli->arena, slice_str(requester));
    q.cursor = *cursor;
    TRY(client_call(cli, "registration", service, "ListPending", &q.base, &answer, diag));
    const Chancery__Registration__V1__ListPendingResponse *r =
        (const Chancery__Registration__V1__ListPendingResponse *)answer;
    for (size_t i = 0; i < r->n_requests; i++) {
        uint8_t digest[32];
        TRY(approval_view_digest(r->requests[i], digest, diag));
        json_t *row = approval_view_json(cli, r->requests[i]);
        if (row == NULL || json_object_del(row, "approvals") != 0) {
            json_decref(row);
            return CH_NOMEM;
        }
        (void)json_object_set_new(row, "given", json_integer(r->requests[i]->approval_count));
        (void)json_array_append_new(rows, row);
    }
    *cursor = r->next_cursor;
    return CH_OK;
}

static enum chancery_err list_run(struct cli *cli, const struct args *args, struct diag *diag)
{
    const char *profile = args_get(args, "profile"), *requester = args_get(args, "requester");
    char none[] = "", *cursor = none;
    json_t *rows = json_array();
    do {
        enum chancery_err err = list_page(cli, profile == NULL ? "" : profile,
                                          requester == NULL ? "" : requester, &cursor, rows, diag);
        if (err != CH_OK) {
            json_decref(rows);
            return err;
        }
    } while (cursor[0] != '\0' && json_array_size(rows) < LIST_MAX);
    return out_table(&cli->out, "requests", rows, NULL, LIST_COLUMNS,
                     sizeof LIST_COLUMNS / sizeof LIST_COLUMNS[0]);
}

const struct cli_command CLI_APPROVAL_LIST = {
    .name = "approval list",
    .operands = "",
    .summary = "requests that wait for officers' approvals",
    .examples = "  chancery approval list\n"
                "  chancery approval list --profile wildcard --json\n",
    .options = LIST_OPTIONS,
    .n_options = sizeof LIST_OPTIONS / sizeof LIST_OPTIONS[0],
    .run = list_run,
};

/* ---- show ---- */

static enum chancery_err fetch(struct cli *cli, const char *id, const pending_request **out,
                               uint8_t digest[32], struct diag *diag)
{
    Chancery__Registration__V1__GetPendingRequest q =
        CHANCERY__REGISTRATION__V1__GET_PENDING_REQUEST__INIT;
    uint8_t octets[ID_OCTETS];
    size_t n = 0;
    ProtobufCMessage *answer = NULL;
    if (strlen(id) != 2 * sizeof octets ||
        hex_decode(slice_str(id), octets, sizeof octets, &n) != CH_OK) {
        return cli_usage(cli, diag, "a request id has %d hex digits; see chancery approval list",
                         2 * ID_OCTETS);
    }
    q.request_id = (ProtobufCBinaryData){sizeof octets, octets};
    TRY(client_call(cli, "registration", service, "GetPending", &q.base, &answer, diag));
    const pending_request *p =
        ((const Chancery__Registration__V1__GetPendingResponse *)answer)->request;
    if (p == NULL || p->request == NULL ||
        !slice_eq(rpc_slice(p->request->request_id), slice_of(octets, sizeof octets))) {
        return diag_set(diag, CH_INTEGRITY, "request", "client.answer",
                        "registration answered with another request");
    }
    TRY(approval_view_digest(p, digest, diag));
    *out = p;
    return CH_OK;
}

static enum chancery_err show_run(struct cli *cli, const struct args *args, struct diag *diag)
{
    const pending_request *p = NULL;
    uint8_t digest[32];
    TRY(fetch(cli, args->operands[0], &p, digest, diag));
    return approval_view_print(cli, p);
}

const struct cli_command CLI_APPROVAL_SHOW = {
    .name = "approval show",
    .operands = "ID",
    .n_operands = 1,
    .summary = "one request with all that its digest covers, and its approvals",
    .detail = "The digest is computed here from what is shown, not taken from the service.\n",
    .examples = "  chancery approval show 0f6b5d1c3e8a4f0f9b7c2d1e0a9b8c7d\n",
    .run = show_run,
};

/* ---- sign ---- */

static const struct args_option SIGN_OPTIONS[] = {
    {"key", "FILE", "the officer's private key, PEM", true},
    {"reject", NULL, "reject instead of approving", false},
    {"step", "NAME", "step to sign for; else the only one that is missing", false},
    {"expires", "DURATION", "how long the approval counts, at most 30d (7d)", false},
    {"digest", "HEX", "sign only when this is the request's digest", false},
    {"yes", NULL, "do not ask on the terminal", false},
};

static enum chancery_err sign_step(struct cli *cli, const struct args *args,
                                   const pending_request *p, struct slice *out, struct diag *diag)
{
    if (args_has(args, "step")) {
        *out = slice_str(args_get(args, "step"));
        return approval_step_ok(*out)
                   ? CH_OK
                   : cli_usage(cli, diag, "a step is named by 1 to %d of a-z 0-9 - .",
                               APPROVAL_STEP_MAX);
    }
    if (p->n_steps != 1) {
        return cli_usage(cli, diag, "%zu steps are missing; name yours with --step", p->n_steps);
    }
    *out = slice_str(p->steps[0]);
    return CH_OK;
}

static enum chancery_err sign_check_digest(const struct args *args, const uint8_t digest[32],
                                           struct diag *diag)
{
    char hex[65];
    hex_encode(slice_of(digest, 32), hex);
    if (args_has(args, "digest") && strcmp(args_get(args, "digest"), hex) != 0) {
        return diag_set(diag, CH_REFUSED, "digest", "approval.digest",
                        "the request's digest is %s, not the one you named; nothing was signed",
                        hex);
    }
    return CH_OK;
}

/* On a terminal a person says yes to what was shown. */
static enum chancery_err sign_confirm(struct cli *cli, const struct args *args, const char *what,
                                      struct slice step, struct diag *diag)
{
    char line[16] = "";
    if (args_has(args, "yes")) {
        return CH_OK;
    }
    if (cli->out.json || isatty(STDIN_FILENO) != 1) {
        return diag_set(diag, CH_PRECONDITION, "", "approval.confirm",
                        "an approval is confirmed at a terminal (or give --yes)");
    }
    (void)fprintf(cli->out.err, "%s this request for step %.*s? Type yes: ", what, (int)step.len,
                  step.ptr);
    (void)fflush(cli->out.err);
    if (fgets(line, sizeof line, stdin) == NULL || strcmp(line, "yes\n") != 0) {
        return diag_set(diag, CH_CANCELLED, "", "approval.declined", "nothing was signed");
    }
    return CH_OK;
}

static const struct out_column SIGN_FIELDS[] = {
    {"Decision", "decision", OUT_TEXT},     {"Step", "step", OUT_TEXT},
    {"Digest", "digest", OUT_TEXT},         {"Approver", "approver", OUT_TEXT},
    {"Expires", "expires_at_s", OUT_TIME},  {"Log index", "log_index", OUT_TEXT},
    {"Already there", "already", OUT_TEXT},
};

static enum chancery_err sign_submit(struct cli *cli, const pending_request *p,
                                     const struct approval *a, const struct officer_key *key,
                                     struct slice bytes, struct slice signature, struct diag *diag)
{
    Chancery__Registration__V1__ApproveRequest q =
        CHANCERY__REGISTRATION__V1__APPROVE_REQUEST__INIT;
    Chancery__Common__V1__Approval paper = CHANCERY__COMMON__V1__APPROVAL__INIT;
    ProtobufCMessage *answer = NULL;
    paper.approval = rpc_bytes(&cli->arena, bytes);
    paper.signature = rpc_bytes(&cli->arena, signature);
    q.request_id = p->request->request_id;
    q.approval = &paper;
    q.approver_spki = rpc_bytes(&cli->arena, crypto_public_spki(officer_key_public(key)));
    TRY(client_call(cli, "registration", service, "Approve", &q.base, &answer, diag));
    const Chancery__Registration__V1__ApproveResponse *r =
        (const Chancery__Registration__V1__ApproveResponse *)answer;
    json_t *v =
        json_pack("{s:s, s:o, s:o, s:o, s:I}", "decision",
                  a->decision == APPROVAL_APPROVE ? "approve" : "reject", "step", out_text(a->step),
                  "digest", out_hex(slice_of(a->subject, 32)), "approver",
                  out_hex(slice_of(a->approver, 32)), "expires_at_s", (json_int_t)a->expires_at_s);
    if (v != NULL && r->already) {
        (void)json_object_set_new(v, "already", json_true());
    } else if (v != NULL) {
        (void)json_object_set_new(v, "log_index", json_integer((json_int_t)r->log_index));
    }
    return out_record(&cli->out, v, SIGN_FIELDS, sizeof SIGN_FIELDS / sizeof SIGN_FIELDS[0]);
}

static enum chancery_err sign_with(struct cli *cli, const struct args *args,
                                   const struct officer_key *key, struct diag *diag)
{
    struct buf bytes CLEANUP(buf_clear), signature CLEANUP(buf_clear);
    const pending_request *p = NULL;
    int64_t life_s = EXPIRES_DEFAULT_S;
    bool reject = args_has(args, "reject");
    struct approval a = {.purpose = APPROVAL_REQUEST,
                         .decision = reject ? APPROVAL_REJECT : APPROVAL_APPROVE};
    buf_init(&bytes, APPROVAL_MAX);
    buf_init(&signature, APPROVAL_SIGNATURE_MAX);
    TRY(args_duration_s(args, "expires", 1, APPROVAL_LIFE_MAX_S, &life_s, diag));
    TRY(fetch(cli, args->operands[0], &p, a.subject, diag));
    TRY(sign_step(cli, args, p, &a.step, diag));
    TRY(sign_check_digest(args, a.subject, diag));
    if (!cli->out.json) {
        TRY(approval_view_print(cli, p));
    }
    TRY(sign_confirm(cli, args, reject ? "Reject" : "Approve", a.step, diag));
    a.issued_at_s = os_now_s();
    a.expires_at_s = a.issued_at_s + life_s;
    TRY(officer_sign(key, &a, &bytes, &signature, diag));
    return sign_submit(cli, p, &a, key, buf_slice(&bytes), buf_slice(&signature), diag);
}

static enum chancery_err sign_run(struct cli *cli, const struct args *args, struct diag *diag)
{
    struct officer_key *key = NULL;
    TRY(officer_key_open(args_get(args, "key"), &key, diag));
    enum chancery_err err = sign_with(cli, args, key, diag);
    officer_key_free(key);
    return err;
}

const struct cli_command CLI_APPROVAL_SIGN = {
    .name = "approval sign",
    .operands = "ID",
    .n_operands = 1,
    .summary = "approve or reject a request with your own key",
    .detail = "Shows the request, computes its digest from what it shows, signs that digest here\n"
              "and submits the signature. The key never leaves this program.\n",
    .examples = "  chancery approval sign 0f6b5d1c3e8a4f0f9b7c2d1e0a9b8c7d --key officer.key\n"
                "  chancery approval sign 0f6b5d1c3e8a4f0f9b7c2d1e0a9b8c7d --key officer.key "
                "--step owner --reject\n",
    .options = SIGN_OPTIONS,
    .n_options = sizeof SIGN_OPTIONS / sizeof SIGN_OPTIONS[0],
    .run = sign_run,
};

/* ---- key ---- */

static const struct args_option KEY_OPTIONS[] = {
    {"new", "TYPE", "make the file: P-256, P-384 or Ed25519", false},
};

static const struct out_column KEY_FIELDS[] = {
    {"Type", "type", OUT_TEXT},
    {"SHA-256", "spki_sha256", OUT_TEXT},
    {"officers.yaml", "key", OUT_TEXT},
};

static enum chancery_err key_run(struct cli *cli, const struct args *args, struct diag *diag)
{
    struct officer_key *key = NULL;
    const char *file = args->operands[0];
    TRY(args_has(args, "new") ? officer_key_make(file, args_get(args, "new"), &key, diag)
                              : officer_key_open(file, &key, diag));
    const struct crypto_public *public = officer_key_public(key);
    json_t *v =
        json_pack("{s:s, s:o, s:o}", "type", crypto_key_type_name(crypto_public_type(public)),
                  "spki_sha256", out_hex(slice_of(crypto_public_spki_sha256(public), 32)), "key",
                  out_base64(crypto_public_spki(public)));
    officer_key_free(key);
    return out_record(&cli->out, v, KEY_FIELDS, sizeof KEY_FIELDS / sizeof KEY_FIELDS[0]);
}

const struct cli_command CLI_APPROVAL_KEY = {
    .name = "approval key",
    .operands = "FILE",
    .n_operands = 1,
    .summary = "an officer's key: make it, and show what officers.yaml needs",
    .detail = "The file holds the private key and stays with the officer. A key on a smart card\n"
              "needs no file: any tool that signs chancery/approval/v1 will do.\n",
    .examples = "  chancery approval key officer.key --new P-256\n"
                "  chancery approval key officer.key --json\n",
    .options = KEY_OPTIONS,
    .n_options = sizeof KEY_OPTIONS / sizeof KEY_OPTIONS[0],
    .run = key_run,
};
