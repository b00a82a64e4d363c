/* SubmitBundle, GetBundle, ListBundles: bundles come in and are read. */
#include <stdlib.h>

#include "os/os.h"
#include "promote.h"
#include "service.h"
#include "trial/table.h"

#define PAGE_MAX 100
#define DAY_S ((int64_t)86400)

typedef Chancery__Policy__V1__SubmitBundleRequest submit_request;
typedef Chancery__Policy__V1__SubmitBundleResponse submit_response;
typedef Chancery__Policy__V1__GetBundleRequest get_request;
typedef Chancery__Policy__V1__GetBundleResponse get_response;

/* ---- coming in ---- */

static int by_path(const void *a, const void *b)
{
    const struct policy_file *x = a, *y = b;
    return strcmp(x->path, y->path);
}

static enum chancery_err take_files(const submit_request *in, struct arena *arena,
                                    struct policy_stored *out, struct diag *diag)
{
    size_t octets = 0;
    if (in->n_files == 0 || in->n_files > PROMOTE_FILES_MAX) {
        return diag_set(diag, CH_LIMIT, "files", "bundle.files", "a bundle has 1 to %d files",
                        PROMOTE_FILES_MAX);
    }
    out->files = arena_alloc(arena, in->n_files * sizeof *out->files);
    if (out->files == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < in->n_files; i++) {
        const Chancery__Policy__V1__BundleFile *f = in->files[i];
        octets += f->content.len;
        if (octets > PROMOTE_OCTETS_MAX || strlen(f->path) > PROMOTE_PATH_MAX) {
            return diag_set(diag, CH_LIMIT, "files", "bundle.size",
                            "a bundle has at most %zu MiB, a path %d octets",
                            PROMOTE_OCTETS_MAX >> 20, PROMOTE_PATH_MAX);
        }
        out->files[i] = (struct policy_file){f->path, rpc_slice(f->content)};
    }
    out->n_files = in->n_files;
    qsort(out->files, out->n_files, sizeof *out->files, by_path);
    TRY(policy_files_hash(out->files, out->n_files, out->sha256));
    return CH_OK;
}

enum chancery_err policy_bundle_check(const struct policy_service *s,
                                      const struct policy_file *files, size_t n,
                                      struct policy_bundle **out, struct diag *diag)
{
    struct policy_bundle *b = NULL;
    TRY(policy_bundle_compile(files, n, &b, diag));
    enum chancery_err err = policy_bundle_set_trust_domain(b, daemon_trust_domain(s->daemon));
    for (size_t i = 0; err == CH_OK && i < policy_profile_count(b); i++) {
        const struct policy_template *t = policy_profile_template(policy_profile_at(b, i));
        for (size_t k = 0; err == CH_OK && k < t->n_issuers; k++) {
            if (policy_issuers_find(&s->issuers, t->issuers[k]) == NULL) {
                err = diag_set(diag, CH_INVALID, "issuer", "profile.issuer",
                               "profile %s names issuer %s, which this installation does not have",
                               t->name, t->issuers[k]);
            }
        }
    }
    if (err != CH_OK) {
        policy_bundle_free(b);
        return err;
    }
    *out = b;
    return CH_OK;
}

struct submission {
    const struct policy_service *s;
    const struct policy_stored *stored;
    bool new;
};

/* Row, then log, then commit: a row that stands was logged, and nobody logs what lost a race. */
static enum chancery_err store_and_log(struct db_conn *conn, void *ctx, struct diag *diag)
{
    struct submission *t = ctx;
    const struct policy_stored *b = t->stored;
    int64_t drafts = 0;
    TRY(policy_store_drafts(conn, b->author, b->submitted_at_s - DAY_S, &drafts, diag));
    if (drafts >= PROMOTE_DRAFTS_MAX) {
        return diag_set(diag, CH_LIMIT, "author", "bundle.drafts",
                        "an author submits at most %d bundles in a day", PROMOTE_DRAFTS_MAX);
    }
    TRY(policy_store_put(conn, b, &t->new, diag));
    if (!t->new) {
        return CH_OK;
    }
    const struct daemon_field f[] = {DAEMON_DIGEST("bundle", slice_of(b->sha256, 32)),
                                     DAEMON_NUM("files", b->n_files),
                                     DAEMON_STR("caller", b->author)};
    TRY(daemon_audit(t->s->daemon, "bundle.submitted", f, 3, NULL, diag));
    OS_FAILPOINT("policy.submit_logged");
    return CH_OK;
}

/* Compiled for this installation, and its own tests run. */
static enum chancery_err check_submitted(const struct policy_service *s,
                                         const struct policy_stored *b,
                                         struct trial_table_report *report, struct diag *diag)
{
    struct policy_bundle *compiled = NULL;
    TRY(policy_bundle_check(s, b->files, b->n_files, &compiled, diag));
    policy_bundle_free(compiled);
    return policy_bundle_try(s, b->files, b->n_files, report, diag);
}

static enum chancery_err submit(const struct policy_service *s, struct rpc_call *call,
                                const submit_request *in, struct policy_stored *b,
                                submit_response *out)
{
    struct trial_table_report report CLEANUP(trial_table_report_clear) = {.n_cases = 0};
    struct submission t = {s, b, false};
    const struct db_tx_opts opts = {.retries = 0};
    TRY(take_files(in, rpc_arena(call), b, rpc_diag(call)));
    TRY(check_submitted(s, b, &report, rpc_diag(call)));
    TRY(policy_promote_outcome(db_tx(s->db, &opts, store_and_log, &t, rpc_diag(call)),
                               rpc_diag(call)));
    OS_FAILPOINT("policy.submit_stored");
    out->existed = !t.new;
    return policy_bundle_tried(s, b->sha256, &report, rpc_diag(call));
}

/* Everything that refused for a reason of its own; parts that are away are no refusal. */
static bool worth_logging(enum chancery_err err)
{
    return err != CH_OK && err != CH_UNAVAILABLE && err != CH_UNKNOWN && err != CH_DEADLINE &&
           err != CH_BUSY && err != CH_NOMEM && err != CH_CANCELLED;
}

void policy_bundle_tell(const struct policy_service *s, struct rpc_call *call, const char *step,
                        struct slice sha256, enum chancery_err err)
{
    if (worth_logging(err)) {
        policy_bundles_refused(s->bundles, step, sha256.len == 32 ? sha256.ptr : NULL,
                               rpc_caller(call), err, rpc_diag(call));
    }
}

static enum chancery_err describe(const struct policy_service *s, struct rpc_call *call,
                                  const struct policy_stored *stored, struct policy_standing *st,
                                  Chancery__Policy__V1__Bundle **out)
{
    TRY(policy_promote_enter(s->bundles, s->db, stored, os_now_s(), rpc_arena(call), st,
                             rpc_diag(call)));
    *out = policy_promote_bundle(rpc_arena(call), stored, policy_promote_state(s->bundles, st));
    return *out == NULL ? CH_NOMEM : CH_OK;
}

enum chancery_err policy_rpc_submit_bundle(struct rpc_call *call, const ProtobufCMessage *in,
                                           ProtobufCMessage *out, void *ctx)
{
    const struct policy_service *s = ctx;
    submit_response *answer = (submit_response *)out;
    struct policy_stored stored, b = {.author = rpc_caller(call), .submitted_at_s = os_now_s()};
    struct policy_standing st = {.at_s = 0};
    enum chancery_err err = submit(s, call, (const submit_request *)in, &b, answer);
    policy_bundle_tell(s, call, "submit",
                       b.n_files > 0 ? slice_of(b.sha256, 32) : slice_of(NULL, 0), err);
    TRY(err);
    TRY(policy_store_get(s->db, policy_bundles_first(s->bundles), b.sha256, os_now_s(), false,
                         rpc_arena(call), &stored, rpc_diag(call)));
    err = describe(s, call, &stored, &st, &answer->bundle);
    policy_promote_leave(s->bundles, &st);
    return err;
}

/* ---- reading ---- */

static enum chancery_err answer_files(struct arena *arena, const struct policy_stored *b,
                                      get_response *out)
{
    Chancery__Policy__V1__BundleFile *m = arena_alloc(arena, (b->n_files + 1) * sizeof *m);
    out->files = arena_alloc(arena, (b->n_files + 1) * sizeof *out->files);
    if (m == NULL || out->files == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < b->n_files; i++) {
        chancery__policy__v1__bundle_file__init(&m[i]);
        m[i].path = (char *)(uintptr_t)b->files[i].path; /* both live in the call's arena */
        m[i].content = (ProtobufCBinaryData){b->files[i].content.len,
                                             (uint8_t *)(uintptr_t)b->files[i].content.ptr};
        out->files[out->n_files++] = &m[i];
    }
    return CH_OK;
}

static enum chancery_err answer_profiles(struct arena *arena, const struct policy_stored *b,
                                         get_response *out)
{
    static const char head[] = "profiles/", tail[] = ".yaml";
    out->profiles = arena_alloc(arena, (b->n_files + 1) * sizeof *out->profiles);
    if (out->profiles == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < b->n_files; i++) {
        struct slice p = slice_str(b->files[i].path);
        size_t cut = sizeof head - 1;
        if (p.len > cut + sizeof tail - 1 && memcmp(p.ptr, head, cut) == 0) {
            char *name = arena_str(arena, slice_sub(p, cut, p.len - cut - (sizeof tail - 1)));
            if (name == NULL) {
                return CH_NOMEM;
            }
            out->profiles[out->n_profiles++] = name;
        }
    }
    return CH_OK;
}

/* Files are shown only if they are those that the name stands for. */
static enum chancery_err check_content(const struct policy_stored *b, struct diag *diag)
{
    uint8_t hash[32];
    TRY(policy_files_hash(b->files, b->n_files, hash));
    return memcmp(hash, b->sha256, 32) == 0
               ? CH_OK
               : diag_set(diag, CH_INTEGRITY, "bundle", "bundle.altered",
                          "the stored files are not those of the bundle");
}

static enum chancery_err fill_get(const struct policy_service *s, struct rpc_call *call,
                                  const struct policy_stored *b, struct policy_standing *st,
                                  get_response *out)
{
    struct arena *arena = rpc_arena(call);
    enum chancery_err err = describe(s, call, b, st, &out->bundle);
    if (err == CH_UNAVAILABLE) {
        /* Nobody knows its place now, but bundles stay readable: ca verifies by them. */
        out->bundle = policy_promote_bundle(
            arena, b, CHANCERY__POLICY__V1__BUNDLE_STATE__BUNDLE_STATE_UNSPECIFIED);
        out->bundle_sha256 = rpc_bytes(arena, slice_of(b->sha256, 32));
        return out->bundle == NULL || out->bundle_sha256.data == NULL ? CH_NOMEM : CH_OK;
    }
    TRY(err);
    out->bundle_sha256 = out->bundle->bundle_sha256;
    out->next = policy_promote_plan(arena, &st->plan);
    if (out->next == NULL) {
        return CH_NOMEM;
    }
    return policy_promote_approvals(arena, st->approvals, st->n_approvals, &out->approvals,
                                    &out->n_approvals);
}

enum chancery_err policy_rpc_get_bundle(struct rpc_call *call, const ProtobufCMessage *in_message,
                                        ProtobufCMessage *out_message, void *ctx)
{
    const struct policy_service *s = ctx;
    const get_request *in = (const get_request *)in_message;
    get_response *out = (get_response *)out_message;
    struct policy_stored b;
    struct policy_standing st = {.at_s = 0};
    uint8_t sha256[32];
    if (in->bundle_sha256.len == 32) {
        memcpy(sha256, in->bundle_sha256.data, sizeof sha256);
    } else {
        const struct policy_life_item *i = NULL;
        if (in->bundle_sha256.len != 0) {
            return diag_set(rpc_diag(call), CH_INVALID, "bundle_sha256", "bundle.name",
                            "a bundle is named by 32 octets");
        }
        TRY(policy_bundles_take(s->bundles, slice_of(NULL, 0), os_now_s(), &i, rpc_diag(call)));
        memcpy(sha256, i->sha256, sizeof sha256);
        policy_bundles_drop(s->bundles, i);
    }
    TRY(policy_store_get(s->db, policy_bundles_first(s->bundles), sha256, os_now_s(), true,
                         rpc_arena(call), &b, rpc_diag(call)));
    TRY(check_content(&b, rpc_diag(call)));
    TRY(answer_profiles(rpc_arena(call), &b, out));
    if (in->with_files) {
        TRY(answer_files(rpc_arena(call), &b, out));
    }
    enum chancery_err err = fill_get(s, call, &b, &st, out);
    policy_promote_leave(s->bundles, &st);
    return err;
}

static enum chancery_err fill_list(const struct policy_service *s, struct rpc_call *call,
                                   const struct policy_stored *list, size_t n,
                                   Chancery__Policy__V1__ListBundlesResponse *out)
{
    for (size_t i = 0; i < n; i++) {
        struct policy_standing st = {.at_s = 0};
        enum chancery_err err = describe(s, call, &list[i], &st, &out->bundles[i]);
        policy_promote_leave(s->bundles, &st);
        TRY(err);
        out->n_bundles++;
    }
    return CH_OK;
}

enum chancery_err policy_rpc_list_bundles(struct rpc_call *call, const ProtobufCMessage *in_message,
                                          ProtobufCMessage *out_message, void *ctx)
{
    const struct policy_service *s = ctx;
    const Chancery__Policy__V1__ListBundlesRequest *in =
        (const Chancery__Policy__V1__ListBundlesRequest *)in_message;
    Chancery__Policy__V1__ListBundlesResponse *out =
        (Chancery__Policy__V1__ListBundlesResponse *)out_message;
    struct policy_stored *list = NULL;
    const struct policy_life_item *now = NULL;
    size_t n = 0, page = in->page_size == 0 ? PAGE_MAX : in->page_size;
    if (page > PAGE_MAX || (in->after_sha256.len != 0 && in->after_sha256.len != 32)) {
        return diag_set(rpc_diag(call), CH_INVALID, "page", "bundle.page",
                        "a page has 1 to %d bundles, and begins after a bundle of 32 octets",
                        PAGE_MAX);
    }
    TRY(policy_bundles_take(s->bundles, slice_of(NULL, 0), os_now_s(), &now, rpc_diag(call)));
    out->in_force_sha256 = rpc_bytes(rpc_arena(call), slice_of(now->sha256, 32));
    policy_bundles_drop(s->bundles, now);
    TRY(policy_store_list(s->db, policy_bundles_first(s->bundles),
                          in->after_sha256.len == 0 ? NULL : in->after_sha256.data, os_now_s(),
                          page + 1, rpc_arena(call), &list, &n, rpc_diag(call)));
    out->more = n > page;
    n = n > page ? page : n;
    out->bundles = arena_alloc(rpc_arena(call), (n + 1) * sizeof *out->bundles);
    if (out->bundles == NULL || out->in_force_sha256.data == NULL) {
        return CH_NOMEM;
    }
    return fill_list(s, call, list, n, out);
}
