/* chancery policy approve: an officer looks at what a bundle changes and signs for its place. */
#include <stdio.h>
#include <unistd.h>

#include "bundle.h"
#include "client.h"
#include "officer.h"
#include "os/os.h"
#include "text.h"
#include "trial/diff.h"

#define LIFE_DEFAULT_S                                                                             \
    ((int64_t)7 * 86400) /* an approval that nobody used by then is given again */
#define LINES_MAX 40

static const struct args_option OPTIONS[] = {
    {"key", "FILE", "the officer's private key, PEM; a pass phrase is asked for", true},
    {"reject", NULL, "sign a rejection instead", false},
    {"yes", NULL, "do not ask before signing", false},
    {"expires", "DURATION", "how long the approval may be used (7d)", false},
};

/* ---- what changes ---- */

static void print_differences(struct cli *cli, const struct trial_differences *d)
{
    out_note(&cli->out, "%zu changes:", d->n);
    for (size_t i = 0; i < d->n && i < LINES_MAX; i++) {
        const struct trial_difference *x = &d->list[i];
        out_note(&cli->out, "  %s: %s%s (%s)", x->section, x->words,
                 x->effect == TRIAL_EFFECT_WIDER      ? " [wider]"
                 : x->effect == TRIAL_EFFECT_NARROWER ? " [narrower]"
                                                      : "",
                 x->source == NULL ? "" : x->source);
    }
    if (d->n > LINES_MAX) {
        out_note(&cli->out, "  and %zu more: chancery policy get, policy diff", d->n - LINES_MAX);
    }
}

static enum chancery_err show_differences(struct cli *cli, const struct policy_file *was,
                                          size_t n_was, const struct policy_file *is, size_t n_is,
                                          struct diag *diag)
{
    struct trial_facts a CLEANUP(trial_facts_clear) = {.n = 0};
    struct trial_facts b CLEANUP(trial_facts_clear) = {.n = 0};
    struct trial_differences d CLEANUP(trial_differences_clear) = {.n = 0};
    TRY(trial_facts_read(was, n_was, &a, diag));
    TRY(trial_facts_read(is, n_is, &b, diag));
    TRY(trial_diff(&a, &b, &d));
    print_differences(cli, &d);
    return CH_OK;
}

/* Everything shown is made here from files that have the hashes named: nothing a server says. */
static enum chancery_err show(struct cli *cli, const Chancery__Policy__V1__GetBundleResponse *b,
                              const struct policy_plan *plan, struct diag *diag)
{
    const Chancery__Policy__V1__GetBundleResponse *before = NULL;
    struct policy_file *was = NULL, *is = NULL;
    struct policy_bundle *compiled = NULL;
    char hex[65];
    size_t n_was = 0, n_is = 0;
    TRY(bundle_get(cli, plan->predecessor, true, &before, diag));
    TRY(bundle_files(cli, before, &was, &n_was));
    TRY(bundle_files(cli, b, &is, &n_is));
    TRY(policy_bundle_compile(is, n_is, &compiled, diag));
    policy_bundle_free(compiled);
    hex_encode(slice_of(plan->bundle, 32), hex);
    out_note(&cli->out, "bundle       %s, %zu files, compiles", hex, n_is);
    hex_encode(slice_of(plan->predecessor, 32), hex);
    out_note(&cli->out, "in place of  %s", hex);
    out_note(&cli->out, "number       %llu", (unsigned long long)plan->sequence);
    out_note(&cli->out, "author       %.*s", (int)plan->author.len, (const char *)plan->author.ptr);
    return show_differences(cli, was, n_was, is, n_is, diag);
}

/* ---- the signature ---- */

struct signing {
    const struct args *args;
    const struct policy_plan *plan;
    int64_t life_s;
};

/* Writes the approval and its signature with the key of --key. */
static enum chancery_err make_approval(const struct signing *s, struct buf *approval,
                                       struct buf *signature, struct diag *diag)
{
    struct officer_key *key = NULL;
    struct approval a = {.purpose = APPROVAL_BUNDLE,
                         .decision =
                             args_has(s->args, "reject") ? APPROVAL_REJECT : APPROVAL_APPROVE,
                         .step = slice_str(APPROVAL_STEP_PROMOTION),
                         .issued_at_s = os_now_s(),
                         .expires_at_s = os_now_s() + s->life_s};
    TRY(policy_plan_digest(s->plan, a.subject, diag));
    TRY(officer_key_open(args_get(s->args, "key"), &key, diag));
    enum chancery_err err = officer_sign(key, &a, approval, signature, diag);
    officer_key_free(key);
    return err;
}

/* ---- the command ---- */

/* A person signs what they have read. */
static enum chancery_err confirm(struct cli *cli, const struct args *args, struct diag *diag)
{
    char line[16];
    if (args_has(args, "yes")) {
        return CH_OK;
    }
    if (cli->out.json || isatty(STDIN_FILENO) != 1) {
        return diag_set(diag, CH_PRECONDITION, "", "approval.confirm",
                        "an approval is confirmed at a terminal (or give --yes)");
    }
    (void)fprintf(cli->out.err,
                  "%s this? Type yes: ", args_has(args, "reject") ? "Reject" : "Approve");
    if (fgets(line, sizeof line, stdin) == NULL || strcmp(line, "yes\n") != 0) {
        return diag_set(diag, CH_CANCELLED, "", "approval.confirm", "nothing was signed");
    }
    return CH_OK;
}

static enum chancery_err send(struct cli *cli, const uint8_t sha256[32], struct slice approval,
                              struct slice signature, struct diag *diag)
{
    static const struct out_column fields[] = {{"Approvals that count", "counted", OUT_TEXT},
                                               {"Needed", "needed", OUT_TEXT},
                                               {"Rejected", "rejected", OUT_TEXT}};
    Chancery__Policy__V1__ApproveBundleRequest q =
        CHANCERY__POLICY__V1__APPROVE_BUNDLE_REQUEST__INIT;
    Chancery__Common__V1__Approval a = CHANCERY__COMMON__V1__APPROVAL__INIT;
    ProtobufCMessage *m = NULL;
    a.approval = rpc_bytes(&cli->arena, approval);
    a.signature = rpc_bytes(&cli->arena, signature);
    q.bundle_sha256 = (ProtobufCBinaryData){32, (uint8_t *)(uintptr_t)sha256};
    q.approval = &a;
    TRY(client_call(cli, "policy", &chancery__policy__v1__policy_service__descriptor,
                    "ApproveBundle", &q.base, &m, diag));
    const Chancery__Policy__V1__ApproveBundleResponse *r =
        (const Chancery__Policy__V1__ApproveBundleResponse *)m;
    return out_record(&cli->out,
                      json_pack("{s:I, s:I, s:b}", "counted", (json_int_t)r->counted, "needed",
                                (json_int_t)r->needed, "rejected", (int)r->rejected),
                      fields, 3);
}

static enum chancery_err approve_run(struct cli *cli, const struct args *args, struct diag *diag)
{
    struct buf approval CLEANUP(buf_clear), signature CLEANUP(buf_clear);
    const Chancery__Policy__V1__GetBundleResponse *b = NULL;
    struct policy_plan plan;
    struct signing s = {args, &plan, LIFE_DEFAULT_S};
    uint8_t sha256[32];
    buf_init(&approval, APPROVAL_MAX);
    buf_init(&signature, APPROVAL_SIGNATURE_MAX);
    TRY(bundle_name(cli, args->operands[0], sha256, diag));
    TRY(args_duration_s(args, "expires", 1, APPROVAL_LIFE_MAX_S, &s.life_s, diag));
    TRY(bundle_get(cli, sha256, true, &b, diag));
    TRY(bundle_plan(b, sha256, &plan, diag));
    TRY(show(cli, b, &plan, diag));
    TRY(confirm(cli, args, diag));
    TRY(make_approval(&s, &approval, &signature, diag));
    return send(cli, sha256, buf_slice(&approval), buf_slice(&signature), diag);
}

const struct cli_command CLI_POLICY_APPROVE = {
    .name = "policy approve",
    .operands = "HASH",
    .n_operands = 1,
    .summary = "as a policy officer, sign that a bundle takes the place of the one in force",
    .detail =
        "Fetches the files, checks them against the hash, shows what changes, and signs. The\n"
        "approval holds for this one place in the chain: when another bundle comes into\n"
        "force first, look and sign again.\n",
    .examples = "  chancery policy approve 5f0c... --key officer.pem\n"
                "  chancery policy approve 5f0c... --key officer.pem --reject\n",
    .options = OPTIONS,
    .n_options = sizeof OPTIONS / sizeof OPTIONS[0],
    .run = approve_run,
};
