/* chancery policy submit, promote, rollback, bundles, get: the life of a bundle. */
#include <stdio.h>
#include <time.h>

#include "bundle.h"
#include "client.h"
#include "os/os.h"
#include "text.h"

#define PAGE 100

static enum chancery_err policy_call(struct cli *cli, const char *method,
                                     const ProtobufCMessage *in, ProtobufCMessage **out,
                                     struct diag *diag)
{
    return client_call(cli, "policy", &chancery__policy__v1__policy_service__descriptor, method, in,
                       out, diag);
}

/* ---- submit ---- */

static enum chancery_err submit_message(struct cli *cli, const struct policy_folder *f,
                                        Chancery__Policy__V1__SubmitBundleRequest *q)
{
    Chancery__Policy__V1__BundleFile *m = arena_alloc(&cli->arena, (f->n + 1) * sizeof *m);
    q->files = arena_alloc(&cli->arena, (f->n + 1) * sizeof *q->files);
    if (m == NULL || q->files == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < f->n; i++) {
        chancery__policy__v1__bundle_file__init(&m[i]);
        m[i].path = (char *)(uintptr_t)f->files[i].path;
        m[i].content = (ProtobufCBinaryData){f->files[i].content.len,
                                             (uint8_t *)(uintptr_t)f->files[i].content.ptr};
        q->files[q->n_files++] = &m[i];
    }
    return CH_OK;
}

static json_t *bundle_json(const Chancery__Policy__V1__Bundle *b)
{
    return json_pack("{s:o, s:s, s:o, s:I, s:I, s:I}", "bundle_sha256",
                     out_hex(rpc_slice(b->bundle_sha256)), "state", bundle_state(b->state),
                     "author", out_text(slice_str(b->author)), "submitted_at",
                     (json_int_t)b->submitted_at_s, "tests", (json_int_t)b->tests, "tests_failed",
                     (json_int_t)b->tests_failed);
}

static const struct out_column BUNDLE_FIELDS[] = {
    {"Bundle", "bundle_sha256", OUT_TEXT},
    {"State", "state", OUT_TEXT},
    {"Author", "author", OUT_TEXT},
    {"Submitted", "submitted_at", OUT_TIME},
    {"Tests", "tests", OUT_TEXT},
    {"Failed", "tests_failed", OUT_TEXT},
    {"Next number", "next_number", OUT_TEXT},
    {"In place of", "predecessor", OUT_TEXT},
    {"Approvals", "approvals", OUT_TEXT},
};
#define BUNDLE_COLUMNS 6 /* of them in listings */

static enum chancery_err submit_run(struct cli *cli, const struct args *args, struct diag *diag)
{
    struct policy_folder folder CLEANUP(policy_folder_clear) = {.n = 0};
    Chancery__Policy__V1__SubmitBundleRequest q = CHANCERY__POLICY__V1__SUBMIT_BUNDLE_REQUEST__INIT;
    ProtobufCMessage *m = NULL;
    TRY(policy_folder_load(args->operands[0], &folder, diag));
    TRY(submit_message(cli, &folder, &q));
    TRY(policy_call(cli, "SubmitBundle", &q.base, &m, diag));
    const Chancery__Policy__V1__SubmitBundleResponse *a =
        (const Chancery__Policy__V1__SubmitBundleResponse *)m;
    if (a->bundle == NULL) {
        return diag_set(diag, CH_INTEGRITY, "bundle", "bundle.answer", "the answer is empty");
    }
    if (a->existed) {
        out_note(&cli->out, "these files were submitted before");
    }
    return out_record(&cli->out, bundle_json(a->bundle), BUNDLE_FIELDS, BUNDLE_COLUMNS);
}

const struct cli_command CLI_POLICY_SUBMIT = {
    .name = "policy submit",
    .operands = "DIR",
    .n_operands = 1,
    .summary = "submit a folder as a new bundle; you are its author",
    .detail =
        "It must compile; its own tests are run. Two kinds of people follow: officers approve\n"
        "(policy approve), somebody promotes (policy promote). The author never counts.\n",
    .examples = "  chancery policy submit ./bundle\n",
    .run = submit_run,
};

/* ---- promote, rollback ---- */

static const struct args_option PROMOTE_OPTIONS[] = {
    {"at", "TIME", "from then on (UTC, 2026-11-21T10:00:00Z); else as soon as possible", false},
    {"after", "HASH", "only if that bundle is in force", false},
};
#define PROMOTE_OPTION_COUNT (sizeof PROMOTE_OPTIONS / sizeof PROMOTE_OPTIONS[0])

struct promotion_call {
    uint8_t bundle[32], after[32];
    bool has_after;
    int64_t at_s;
};

static enum chancery_err promotion_args(struct cli *cli, const struct args *args,
                                        struct promotion_call *out, struct diag *diag)
{
    TRY(bundle_name(cli, args->operands[0], out->bundle, diag));
    TRY(args_date_s(args, "at", &out->at_s, diag));
    out->has_after = args_has(args, "after");
    return out->has_after ? bundle_name(cli, args_get(args, "after"), out->after, diag) : CH_OK;
}

static enum chancery_err promotion_print(struct cli *cli, const char *hash, uint64_t sequence,
                                         int64_t not_before_s)
{
    static const struct out_column fields[] = {{"Bundle", "bundle_sha256", OUT_TEXT},
                                               {"Number", "number", OUT_TEXT},
                                               {"In force from", "in_force_from", OUT_TIME}};
    return out_record(&cli->out,
                      json_pack("{s:s, s:I, s:I}", "bundle_sha256", hash, "number",
                                (json_int_t)sequence, "in_force_from", (json_int_t)not_before_s),
                      fields, 3);
}

static enum chancery_err promote_run(struct cli *cli, const struct args *args, struct diag *diag)
{
    struct promotion_call p = {.at_s = 0};
    Chancery__Policy__V1__PromoteBundleRequest q =
        CHANCERY__POLICY__V1__PROMOTE_BUNDLE_REQUEST__INIT;
    ProtobufCMessage *m = NULL;
    TRY(promotion_args(cli, args, &p, diag));
    q.bundle_sha256 = (ProtobufCBinaryData){32, p.bundle};
    q.predecessor_sha256 = (ProtobufCBinaryData){p.has_after ? 32 : 0, p.after};
    q.not_before_s = p.at_s;
    TRY(policy_call(cli, "PromoteBundle", &q.base, &m, diag));
    const Chancery__Policy__V1__PromoteBundleResponse *a =
        (const Chancery__Policy__V1__PromoteBundleResponse *)m;
    return promotion_print(cli, args->operands[0], a->sequence, a->not_before_s);
}

const struct cli_command CLI_POLICY_PROMOTE = {
    .name = "policy promote",
    .operands = "HASH",
    .n_operands = 1,
    .summary = "put a bundle that has its approvals in force, now or at a time",
    .examples = "  chancery policy promote 5f0c... --at 2026-11-21T22:00:00Z\n",
    .options = PROMOTE_OPTIONS,
    .n_options = PROMOTE_OPTION_COUNT,
    .run = promote_run,
};

static enum chancery_err rollback_run(struct cli *cli, const struct args *args, struct diag *diag)
{
    struct promotion_call p = {.at_s = 0};
    Chancery__Policy__V1__RollbackBundleRequest q =
        CHANCERY__POLICY__V1__ROLLBACK_BUNDLE_REQUEST__INIT;
    ProtobufCMessage *m = NULL;
    TRY(promotion_args(cli, args, &p, diag));
    q.bundle_sha256 = (ProtobufCBinaryData){32, p.bundle};
    q.predecessor_sha256 = (ProtobufCBinaryData){p.has_after ? 32 : 0, p.after};
    q.not_before_s = p.at_s;
    TRY(policy_call(cli, "RollbackBundle", &q.base, &m, diag));
    const Chancery__Policy__V1__RollbackBundleResponse *a =
        (const Chancery__Policy__V1__RollbackBundleResponse *)m;
    return promotion_print(cli, args->operands[0], a->sequence, a->not_before_s);
}

const struct cli_command CLI_POLICY_ROLLBACK = {
    .name = "policy rollback",
    .operands = "HASH",
    .n_operands = 1,
    .summary = "put a bundle that was in force before in force again",
    .detail =
        "It takes the same quorum as a promotion, signed for this place in the chain: officers\n"
        "approve the old bundle anew (policy approve).\n",
    .examples = "  chancery policy rollback 5f0c...\n",
    .options = PROMOTE_OPTIONS,
    .n_options = PROMOTE_OPTION_COUNT,
    .run = rollback_run,
};

/* ---- bundles ---- */

static enum chancery_err bundles_run(struct cli *cli, const struct args *args, struct diag *diag)
{
    Chancery__Policy__V1__ListBundlesRequest q = CHANCERY__POLICY__V1__LIST_BUNDLES_REQUEST__INIT;
    const Chancery__Policy__V1__ListBundlesResponse *a = NULL;
    json_t *rows = json_array();
    (void)args;
    q.page_size = PAGE;
    do {
        ProtobufCMessage *m = NULL;
        enum chancery_err err = policy_call(cli, "ListBundles", &q.base, &m, diag);
        if (err != CH_OK) {
            json_decref(rows);
            return err;
        }
        a = (const Chancery__Policy__V1__ListBundlesResponse *)m;
        for (size_t i = 0; i < a->n_bundles; i++) {
            (void)json_array_append_new(rows, bundle_json(a->bundles[i]));
        }
        if (a->n_bundles > 0) {
            q.after_sha256 = a->bundles[a->n_bundles - 1]->bundle_sha256;
        }
    } while (a->more && a->n_bundles > 0);
    return out_table(&cli->out, "bundles", rows,
                     json_pack("{s:o}", "in_force_sha256", out_hex(rpc_slice(a->in_force_sha256))),
                     BUNDLE_FIELDS, BUNDLE_COLUMNS);
}

const struct cli_command CLI_POLICY_BUNDLES = {
    .name = "policy bundles",
    .operands = "",
    .summary = "all bundles, newest first, and how far each has come",
    .examples = "  chancery policy bundles\n",
    .run = bundles_run,
};

/* ---- get ---- */

static const struct args_option GET_OPTIONS[] = {
    {"out", "DIR", "write its files into that folder, which must not exist", false},
};

static enum chancery_err write_files(struct cli *cli, const char *dir,
                                     const struct policy_file *files, size_t n, struct diag *diag)
{
    struct buf there CLEANUP(buf_clear);
    buf_init(&there, 1);
    const char *probe = arena_printf(&cli->arena, "%s/bundle.yaml", dir);
    if (probe == NULL || os_file_read(probe, &there, NULL) != CH_NOT_FOUND) {
        return diag_set(diag, CH_EXISTS, "out", "bundle.out", "%s holds a bundle already", dir);
    }
    for (size_t i = 0; i < n; i++) {
        const char *path = arena_printf(&cli->arena, "%s/%s", dir, files[i].path);
        char *folder = path == NULL ? NULL : arena_str(&cli->arena, slice_str(path));
        if (folder == NULL) {
            return CH_NOMEM;
        }
        if (!policy_file_known(files[i].path)) { /* nor a way out of the folder */
            return diag_set(diag, CH_INTEGRITY, "files", "policy.file",
                            "a bundle has no such file");
        }
        *strrchr(folder, '/') = '\0';
        if (os_mkdirs(folder, 0755) != CH_OK) {
            return diag_set(diag, CH_IO, "out", "bundle.out", "%s cannot be made", folder);
        }
        TRY(os_file_write_atomic(path, files[i].content, 0644, diag));
    }
    return CH_OK;
}

static enum chancery_err get_run(struct cli *cli, const struct args *args, struct diag *diag)
{
    const Chancery__Policy__V1__GetBundleResponse *b = NULL;
    struct policy_file *files = NULL;
    uint8_t sha256[32];
    size_t n = 0;
    bool out = args_has(args, "out");
    TRY(bundle_name(cli, args->operands[0], sha256, diag));
    TRY(bundle_get(cli, sha256, out, &b, diag));
    if (out) {
        TRY(bundle_files(cli, b, &files, &n));
        TRY(write_files(cli, args_get(args, "out"), files, n, diag));
    }
    json_t *o = bundle_json(b->bundle);
    if (b->next != NULL) {
        (void)json_object_set_new(o, "next_number", json_integer((json_int_t)b->next->sequence));
        (void)json_object_set_new(o, "predecessor",
                                  out_hex(rpc_slice(b->next->predecessor_sha256)));
    }
    (void)json_object_set_new(o, "approvals", json_integer((json_int_t)b->n_approvals));
    return out_record(&cli->out, o, BUNDLE_FIELDS, sizeof BUNDLE_FIELDS / sizeof *BUNDLE_FIELDS);
}

const struct cli_command CLI_POLICY_GET = {
    .name = "policy get",
    .operands = "HASH",
    .n_operands = 1,
    .summary = "how far a bundle has come; its files, checked against the hash",
    .examples = "  chancery policy get 5f0c... --out ./old\n",
    .options = GET_OPTIONS,
    .n_options = sizeof GET_OPTIONS / sizeof GET_OPTIONS[0],
    .run = get_run,
};
