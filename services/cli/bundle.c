/* Fetching bundles and checking that they are what their hash says. */
#include "bundle.h"

#include "client.h"

enum chancery_err bundle_name(struct cli *cli, const char *text, uint8_t out[32], struct diag *diag)
{
    size_t n = 0;
    if (hex_decode(slice_str(text), out, 32, &n) != CH_OK || n != 32) {
        return cli_usage(cli, diag, "a bundle is named by the 64 hex digits of its hash");
    }
    return CH_OK;
}

enum chancery_err bundle_files(struct cli *cli, const Chancery__Policy__V1__GetBundleResponse *b,
                               struct policy_file **out, size_t *out_n)
{
    struct policy_file *files = arena_alloc(&cli->arena, (b->n_files + 1) * sizeof *files);
    if (files == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < b->n_files; i++) {
        files[i] = (struct policy_file){b->files[i]->path, rpc_slice(b->files[i]->content)};
    }
    *out = files;
    *out_n = b->n_files;
    return CH_OK;
}

static enum chancery_err check_files(struct cli *cli, const uint8_t *sha256,
                                     const Chancery__Policy__V1__GetBundleResponse *b,
                                     struct diag *diag)
{
    struct policy_file *files = NULL;
    uint8_t hash[32];
    size_t n = 0;
    TRY(bundle_files(cli, b, &files, &n));
    TRY(policy_files_hash(files, n, hash));
    struct slice name =
        sha256 == NULL ? rpc_slice(b->bundle_sha256) : slice_of(sha256, sizeof hash);
    return slice_eq(name, slice_of(hash, sizeof hash))
               ? CH_OK
               : diag_set(diag, CH_INTEGRITY, "files", "bundle.altered",
                          "what the server sent is not the bundle of that hash");
}

enum chancery_err bundle_get(struct cli *cli, const uint8_t *sha256, bool with_files,
                             const Chancery__Policy__V1__GetBundleResponse **out, struct diag *diag)
{
    Chancery__Policy__V1__GetBundleRequest q = CHANCERY__POLICY__V1__GET_BUNDLE_REQUEST__INIT;
    ProtobufCMessage *answer = NULL;
    if (sha256 != NULL) {
        q.bundle_sha256 = (ProtobufCBinaryData){32, (uint8_t *)(uintptr_t)sha256};
    }
    q.with_files = with_files;
    TRY(client_call(cli, "policy", &chancery__policy__v1__policy_service__descriptor, "GetBundle",
                    &q.base, &answer, diag));
    const Chancery__Policy__V1__GetBundleResponse *b =
        (const Chancery__Policy__V1__GetBundleResponse *)answer;
    if (b->bundle == NULL) {
        return diag_set(diag, CH_INTEGRITY, "bundle", "bundle.answer",
                        "the server's answer lacks the bundle");
    }
    if (with_files) {
        TRY(check_files(cli, sha256, b, diag));
    }
    *out = b;
    return CH_OK;
}

static bool digest_of(ProtobufCBinaryData in, uint8_t out[32])
{
    if (in.len != 32) {
        return false;
    }
    memcpy(out, in.data, 32);
    return true;
}

enum chancery_err bundle_plan(const Chancery__Policy__V1__GetBundleResponse *b,
                              const uint8_t sha256[32], struct policy_plan *out, struct diag *diag)
{
    const Chancery__Policy__V1__Plan *p = b->next;
    if (p == NULL) {
        return diag_set(diag, CH_UNAVAILABLE, "next", "bundle.plan",
                        "the service does not know which bundle is in force; try later");
    }
    if (!digest_of(p->first_sha256, out->first) ||
        !digest_of(p->predecessor_sha256, out->predecessor) ||
        !digest_of(p->bundle_sha256, out->bundle) || memcmp(out->bundle, sha256, 32) != 0) {
        return diag_set(diag, CH_INTEGRITY, "next", "bundle.plan",
                        "the server names another bundle's place in the chain");
    }
    out->sequence = p->sequence;
    out->author = slice_str(p->author);
    return CH_OK;
}

const char *bundle_state(Chancery__Policy__V1__BundleState s)
{
    static const char *const names[] = {"unknown",   "checked",  "tested", "approved",
                                        "scheduled", "in force", "former", "tests failed"};
    size_t i = (size_t)s;
    return i < sizeof names / sizeof *names ? names[i] : names[0];
}
