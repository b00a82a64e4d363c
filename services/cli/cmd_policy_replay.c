/* chancery policy history export, policy replay. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bundle.h"
#include "os/os.h"
#include "policy_history.h"
#include "policy_source.h"
#include "rpc/codec.h"
#include "text.h"
#include "trial/replay.h"

#define DAYS_DEFAULT 30
#define DAYS_MAX 3660
#define EXAMPLES 10 /* of a group, unless --all */
#define LINE_MAX_OCTETS ((size_t)16384)
#define ARRAY_N(a) (sizeof(a) / sizeof(a)[0])

static enum chancery_err span_of(struct cli *cli, const struct args *args, int64_t *from_s,
                                 int64_t *to_s, struct diag *diag)
{
    uint64_t days = DAYS_DEFAULT;
    enum chancery_err err = args_uint(args, "days", 1, DAYS_MAX, &days, diag);
    cli->usage = cli->usage || err != CH_OK;
    *to_s = os_now_s();
    *from_s = *to_s - (int64_t)days * 86400;
    return err;
}

/* ---- bundles that judged ---- */

struct seen {
    uint8_t sha256[TRIAL_BASES_MAX][32];
    size_t n;
};

/* Whether it is met for the first time. More than the limit are not asked for. */
static bool first_time(struct seen *s, const uint8_t sha256[32])
{
    for (size_t i = s->n; i > 0; i--) {
        if (memcmp(s->sha256[i - 1], sha256, 32) == 0) {
            return false;
        }
    }
    if (s->n == TRIAL_BASES_MAX) {
        return false;
    }
    memcpy(s->sha256[s->n++], sha256, 32);
    return true;
}

/* The bundle with its files, NULL when the service does not have it. */
static enum chancery_err fetch(struct cli *cli, const uint8_t sha256[32],
                               const Chancery__Policy__V1__GetBundleResponse **out,
                               struct diag *diag)
{
    *out = NULL;
    enum chancery_err err = bundle_get(cli, sha256, true, out, diag);
    return err == CH_NOT_FOUND ? CH_OK : err;
}

/* ---- export ---- */

static const struct args_option HISTORY_OPTIONS[] = {
    {"days", "N", "how many days back (30)", false},
};

struct exporting {
    struct cli *cli;
    struct seen *seen;
    FILE *f;
    const char *path;
    struct buf piece;
    uint64_t records;
};

static enum chancery_err write_piece(struct exporting *x, enum trial_piece kind,
                                     struct slice content, struct diag *diag)
{
    buf_reset(&x->piece);
    TRY(trial_piece_write(kind, content, &x->piece));
    return fwrite(x->piece.ptr, 1, x->piece.len, x->f) == x->piece.len
               ? CH_OK
               : diag_set(diag, CH_IO, x->path, "history.export", "writing %s: %s", x->path,
                          strerror(errno));
}

static enum chancery_err export_head(void *ctx, const Chancery__Policy__V1__HistoryHead *h,
                                     struct diag *diag)
{
    struct exporting *x = ctx;
    size_t len = chancery__policy__v1__history_head__get_packed_size(h);
    uint8_t *packed = malloc(len + 1);
    if (packed == NULL) {
        return CH_NOMEM;
    }
    len = chancery__policy__v1__history_head__pack(h, packed);
    enum chancery_err err = write_piece(x, TRIAL_PIECE_HEAD, slice_of(packed, len), diag);
    free(packed);
    return err;
}

static enum chancery_err export_bundle(void *ctx, struct slice packed, struct diag *diag)
{
    return write_piece(ctx, TRIAL_PIECE_BUNDLE, packed, diag);
}

/* The file brings the bundles that judged, so that it can be replayed anywhere. */
static enum chancery_err export_base(struct exporting *x, const uint8_t sha256[32],
                                     struct diag *diag)
{
    const Chancery__Policy__V1__GetBundleResponse *b = NULL;
    TRY(fetch(x->cli, sha256, &b, diag));
    if (b == NULL) {
        return CH_OK;
    }
    size_t len = chancery__policy__v1__get_bundle_response__get_packed_size(b);
    uint8_t *packed = malloc(len + 1);
    if (packed == NULL) {
        return CH_NOMEM;
    }
    len = chancery__policy__v1__get_bundle_response__pack(b, packed);
    enum chancery_err err = write_piece(x, TRIAL_PIECE_BUNDLE, slice_of(packed, len), diag);
    free(packed);
    return err;
}

static enum chancery_err export_records(void *ctx, struct slice body, struct diag *diag)
{
    struct exporting *x = ctx;
    struct slice rest = body;
    struct trial_record r;
    enum chancery_err err;
    while ((err = trial_record_next(&rest, &r, diag)) == CH_OK) {
        x->records++;
        if (first_time(x->seen, r.bundle_sha256)) {
            TRY(export_base(x, r.bundle_sha256, diag));
        }
    }
    return err == CH_END ? write_piece(x, TRIAL_PIECE_RECORDS, body, diag) : err;
}

static enum chancery_err export_to(struct cli *cli, const struct args *args, struct exporting *x,
                                   struct diag *diag)
{
    int64_t from_s = 0, to_s = 0;
    const struct policy_history_sink sink = {x, export_head, export_bundle, export_records};
    if (fwrite(TRIAL_FILE_MAGIC, 1, sizeof TRIAL_FILE_MAGIC - 1, x->f) !=
        sizeof TRIAL_FILE_MAGIC - 1) {
        return diag_set(diag, CH_IO, x->path, "history.export", "writing %s: %s", x->path,
                        strerror(errno));
    }
    TRY(span_of(cli, args, &from_s, &to_s, diag));
    return policy_history_stream(cli, from_s, to_s, slice_of(NULL, 0), &sink, diag);
}

static enum chancery_err history_run(struct cli *cli, const struct args *args, struct diag *diag)
{
    struct exporting x = {.cli = cli, .path = args->operands[1]};
    if (strcmp(args->operands[0], "export") != 0) {
        return cli_usage(cli, diag, "write: chancery policy history export FILE");
    }
    /* Names of requesters: nobody else's to read, and never half a file under its final name. */
    const char *half = arena_printf(&cli->arena, "%s.part", x.path);
    int fd = half == NULL ? -1 : open(half, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    x.f = fd < 0 ? NULL : fdopen(fd, "wb");
    if (x.f == NULL) {
        return diag_set(diag, CH_IO, x.path, "history.export", "cannot make %s.part: %s", x.path,
                        strerror(errno));
    }
    buf_init(&x.piece, TRIAL_PIECE_MAX + 16);
    x.seen = calloc(1, sizeof *x.seen);
    enum chancery_err err = x.seen == NULL ? CH_NOMEM : export_to(cli, args, &x, diag);
    free(x.seen);
    if (fclose(x.f) != 0 && err == CH_OK) {
        err = diag_set(diag, CH_IO, x.path, "history.export", "writing %s: %s", x.path,
                       strerror(errno));
    }
    buf_clear(&x.piece);
    if (err != CH_OK || rename(half, x.path) != 0) {
        (void)unlink(half);
        return err != CH_OK ? err
                            : diag_set(diag, CH_IO, x.path, "history.export", "naming %s: %s",
                                       x.path, strerror(errno));
    }
    out_note(&cli->out,
             "%llu requests in %s (holds names of requesters: keep it like the database)",
             (unsigned long long)x.records, x.path);
    return cli->out.json ? out_record(&cli->out,
                                      json_pack("{s:I}", "records", (json_int_t)x.records), NULL, 0)
                         : CH_OK;
}

const struct cli_command CLI_POLICY_HISTORY = {
    .name = "policy history",
    .operands = "export FILE",
    .n_operands = 2,
    .summary = "write the history of requests to a file, for replay elsewhere",
    .detail =
        "For those whom chancery-policy's configuration names under history_readers; each reading "
        "is in the audit\nlog. The file holds names and identities of requesters.\n",
    .examples = "  chancery policy history export last-week.history --days 7\n",
    .options = HISTORY_OPTIONS,
    .n_options = ARRAY_N(HISTORY_OPTIONS),
    .run = history_run,
};

/* ---- replay ---- */

static const struct args_option REPLAY_OPTIONS[] = {
    {"candidate", "DIR", "the bundle to try: a folder, or a hash of the service", true},
    {"days", "N", "how many days back (30)", false},
    {"from", "FILE", "an exported history instead of the service", false},
    {"base", "DIR", "folder of the bundle that judged then, where the service does not have it",
     false},
    {"threads", "N", "threads that judge (one for each core)", false},
    {"all", NULL, "list every changed request, not the first few of each kind", false},
    {"exit-code", NULL, "exit code 1 when an outcome changes", false},
};

/* A bundle that judged some of the history. */
struct base {
    struct base *next;
    struct policy_source source;
    struct trial_bundle *prepared;
};

struct replaying {
    struct cli *cli;
    const struct args *args;
    struct policy_source candidate;
    struct base *bases;
    struct seen *seen;
    struct arena arena; /* of the world */
    const char *trust_domain;
    struct trial_world world;
    struct trial_bundle *prepared;
    struct trial_replay_opts opts;
    struct trial_replay *replay;
};

static void base_free(struct base *b)
{
    trial_bundle_free(b->prepared);
    policy_source_clear(&b->source);
    free(b);
}

/* Takes what `b` holds. */
static enum chancery_err base_add(struct replaying *r, struct base *b)
{
    enum chancery_err err = trial_bundle_new(b->source.bundle, &r->world, &b->prepared);
    if (err == CH_OK) {
        err = trial_replay_base(r->replay, b->prepared);
    }
    if (err != CH_OK) {
        base_free(b);
        return err;
    }
    b->next = r->bases;
    r->bases = b;
    return CH_OK;
}

static enum chancery_err base_from_answer(struct replaying *r,
                                          const Chancery__Policy__V1__GetBundleResponse *answer,
                                          struct diag *diag)
{
    struct base *b = calloc(1, sizeof *b);
    if (b == NULL) {
        return CH_NOMEM;
    }
    enum chancery_err err = policy_source_answer(r->cli, answer, r->trust_domain, &b->source, diag);
    if (err != CH_OK) {
        free(b);
        /* A bundle in a language of before: its requests are replayed without a base. */
        return err == CH_NOMEM ? err : CH_OK;
    }
    return base_add(r, b);
}

static enum chancery_err base_from_folder(struct replaying *r, const char *where, struct diag *diag)
{
    struct base *b = calloc(1, sizeof *b);
    if (b == NULL) {
        return CH_NOMEM;
    }
    enum chancery_err err = policy_source_load(r->cli, where, r->trust_domain, &b->source, diag);
    if (err != CH_OK) {
        free(b);
        return err;
    }
    (void)first_time(r->seen, policy_bundle_hash(b->source.bundle));
    return base_add(r, b);
}

static enum chancery_err replay_head(void *ctx, const Chancery__Policy__V1__HistoryHead *h,
                                     struct diag *diag)
{
    struct replaying *r = ctx;
    uint64_t threads = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
    TRY(args_uint(r->args, "threads", 1, TRIAL_THREADS_MAX, &threads, diag));
    TRY(policy_history_world(h, &r->arena, &r->world, diag));
    r->trust_domain = arena_str(&r->arena, slice_str(h->trust_domain));
    if (r->trust_domain == NULL) {
        return CH_NOMEM;
    }
    TRY(policy_source_load(r->cli, args_get(r->args, "candidate"), r->trust_domain, &r->candidate,
                           diag));
    TRY(trial_bundle_new(r->candidate.bundle, &r->world, &r->prepared));
    r->opts = (struct trial_replay_opts){&r->world, r->prepared, (unsigned)threads};
    TRY(trial_replay_new(&r->opts, &r->replay));
    return args_has(r->args, "base") ? base_from_folder(r, args_get(r->args, "base"), diag) : CH_OK;
}

static enum chancery_err replay_bundle(void *ctx, struct slice packed, struct diag *diag)
{
    struct replaying *r = ctx;
    ProtobufCMessage *m = NULL;
    struct policy_file *files = NULL;
    size_t n = 0;
    uint8_t hash[32];
    const uint8_t *copy = arena_copy(&r->cli->arena, packed);
    if (copy == NULL) {
        return CH_NOMEM;
    }
    TRY(rpc_unpack_bytes(slice_of(copy, packed.len),
                         &chancery__policy__v1__get_bundle_response__descriptor, &r->cli->arena, &m,
                         diag));
    const Chancery__Policy__V1__GetBundleResponse *answer =
        (const Chancery__Policy__V1__GetBundleResponse *)m;
    TRY(bundle_files(r->cli, answer, &files, &n));
    TRY(policy_files_hash(files, n, hash));
    if (!slice_eq(rpc_slice(answer->bundle_sha256), slice_of(hash, sizeof hash))) {
        return diag_set(diag, CH_INTEGRITY, "history", "bundle.altered",
                        "a bundle in the file is not what its hash says");
    }
    return first_time(r->seen, hash) ? base_from_answer(r, answer, diag) : CH_OK;
}

static enum chancery_err replay_records(void *ctx, struct slice body, struct diag *diag)
{
    struct replaying *r = ctx;
    struct slice rest = body;
    struct trial_record rec;
    const Chancery__Policy__V1__GetBundleResponse *answer = NULL;
    bool file = args_has(r->args, "from"); /* brings its bundles itself */
    enum chancery_err err;
    while (!file && (err = trial_record_next(&rest, &rec, diag)) != CH_END) {
        TRY(err);
        if (first_time(r->seen, rec.bundle_sha256)) {
            TRY(fetch(r->cli, rec.bundle_sha256, &answer, diag));
            TRY(answer == NULL ? CH_OK : base_from_answer(r, answer, diag));
        }
    }
    return trial_replay_push(r->replay, body, diag);
}

/* ---- what came of it ---- */

static const char *const kind_names[TRIAL_KINDS] = {
    [TRIAL_SAME] = "same",
    [TRIAL_NOW_REFUSED] = "now_refused",
    [TRIAL_NOW_PERMITTED] = "now_permitted",
    [TRIAL_OTHER_CONTENT] = "other_content",
    [TRIAL_OTHER_RULES] = "refused_for_other_rules",
};
static const char *const kind_words[TRIAL_KINDS] = {
    [TRIAL_NOW_REFUSED] = "were permitted and would be refused",
    [TRIAL_NOW_PERMITTED] = "were refused and would be permitted",
    [TRIAL_OTHER_CONTENT] = "would get another certificate",
};

/* Changes of one kind, profile and rule stand together. */
static int by_group(const void *a, const void *b)
{
    const struct trial_change *const *x = a, *const *y = b;
    int c = (int)(*x)->kind - (int)(*y)->kind;
    c = c == 0 ? strcmp((*x)->profile, (*y)->profile) : c;
    c = c == 0 ? strcmp((*x)->rule, (*y)->rule) : c;
    return c != 0 ? c : ((*x)->sequence > (*y)->sequence) - ((*x)->sequence < (*y)->sequence);
}

static bool same_group(const struct trial_change *a, const struct trial_change *b)
{
    return a->kind == b->kind && strcmp(a->profile, b->profile) == 0 &&
           strcmp(a->rule, b->rule) == 0;
}

static json_t *change_json(const struct trial_change *c)
{
    return json_pack(
        "{s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "kind", kind_names[c->kind], "judged_at_s",
        (json_int_t)c->judged_at_s, "profile", out_text(slice_str(c->profile)), "requester",
        out_text(slice_str(c->requester)), "name", out_text(slice_str(c->name)), "rule",
        out_text(slice_str(c->rule)), "detail", out_text(slice_str(c->detail)), "request_id",
        out_hex(slice_of(c->request_id, 16)), "tbs_sha256", out_hex(slice_of(c->tbs_sha256, 32)));
}

static enum chancery_err change_text(struct cli *cli, const struct trial_change *c)
{
    char when[TEXT_TIME_SIZE];
    struct buf line CLEANUP(buf_clear);
    buf_init(&line, LINE_MAX_OCTETS);
    text_time(c->judged_at_s, when);
    TRY(buf_printf(&line, "      %s  ", when));
    TRY(text_safe(slice_str(c->requester), &line));
    TRY(buf_add_str(&line, "  "));
    TRY(text_safe(slice_str(c->name), &line));
    if (c->detail[0] != '\0') {
        TRY(buf_add_str(&line, "  "));
        TRY(text_safe(slice_str(c->detail), &line));
    }
    out_note(&cli->out, "%.*s", (int)line.len, (const char *)line.ptr);
    return CH_OK;
}

static enum chancery_err group_text(struct cli *cli, const struct trial_change *const *list,
                                    size_t n, bool all)
{
    const char *what = list[0]->kind == TRIAL_NOW_REFUSED     ? "by"
                       : list[0]->kind == TRIAL_NOW_PERMITTED ? "refused then by"
                                                              : "change:";
    out_note(&cli->out, "   %zu of profile %s, %s %s", n, list[0]->profile, what, list[0]->rule);
    for (size_t i = 0; i < n && (all || i < EXAMPLES); i++) {
        TRY(change_text(cli, list[i]));
    }
    if (!all && n > EXAMPLES) {
        out_note(&cli->out, "      ... and %zu more (--all lists them)", n - EXAMPLES);
    }
    return CH_OK;
}

static enum chancery_err groups_text(struct cli *cli, const struct trial_report *r,
                                     const struct trial_change *const *list, bool all)
{
    for (size_t i = 0; i < r->n_changes;) {
        size_t end = i + 1;
        while (end < r->n_changes && same_group(list[i], list[end])) {
            end++;
        }
        if (i == 0 || list[i]->kind != list[i - 1]->kind) {
            out_note(&cli->out, "\n%llu %s:", (unsigned long long)r->counts[list[i]->kind],
                     kind_words[list[i]->kind]);
        }
        TRY(group_text(cli, list + i, end - i, all));
        i = end;
    }
    return CH_OK;
}

static json_t *groups_json(const struct trial_report *r, const struct trial_change *const *list)
{
    json_t *groups = json_array();
    for (size_t i = 0; i < r->n_changes;) {
        size_t end = i + 1;
        while (end < r->n_changes && same_group(list[i], list[end])) {
            end++;
        }
        (void)json_array_append_new(
            groups, json_pack("{s:s, s:o, s:o, s:I}", "kind", kind_names[list[i]->kind], "profile",
                              out_text(slice_str(list[i]->profile)), "rule",
                              out_text(slice_str(list[i]->rule)), "count", (json_int_t)(end - i)));
        i = end;
    }
    return groups;
}

static enum chancery_err report_json(struct cli *cli, const struct replaying *p,
                                     const struct trial_report *r,
                                     const struct trial_change *const *list)
{
    json_t *changes = json_array(), *counts = json_object();
    for (size_t i = 0; i < r->n_changes; i++) {
        (void)json_array_append_new(changes, change_json(&r->changes[i]));
    }
    for (size_t k = 0; k < TRIAL_KINDS; k++) {
        (void)json_object_set_new(counts, kind_names[k], json_integer((json_int_t)r->counts[k]));
    }
    json_t *o = json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o}", "candidate_sha256",
                          out_hex(slice_of(policy_bundle_hash(p->candidate.bundle), 32)), "records",
                          (json_int_t)r->records, "permitted", (json_int_t)r->permitted, "refused",
                          (json_int_t)r->refused, "forged", (json_int_t)r->forged, "without_base",
                          (json_int_t)r->baseless, "counts", counts, "groups", groups_json(r, list),
                          "changes", changes);
    return out_record(&cli->out, o, NULL, 0);
}

static void report_text(struct cli *cli, const struct trial_report *r)
{
    out_note(&cli->out, "%llu requests, %llu of them permitted then, %llu refused",
             (unsigned long long)r->records, (unsigned long long)r->permitted,
             (unsigned long long)r->refused);
    out_note(&cli->out, "%llu with the same outcome", (unsigned long long)r->counts[TRIAL_SAME]);
    if (r->counts[TRIAL_OTHER_RULES] > 0) {
        out_note(&cli->out, "%llu refused still, by other rules",
                 (unsigned long long)r->counts[TRIAL_OTHER_RULES]);
    }
    if (r->forged > 0) {
        out_note(&cli->out,
                 "%llu of the same were refused for octets that chancery-ca does not write",
                 (unsigned long long)r->forged);
    }
    if (r->baseless > 0) {
        out_note(&cli->out,
                 "the bundle that judged %llu of the newly permitted is not at hand (--base): "
                 "some may have been refused for forged octets",
                 (unsigned long long)r->baseless);
    }
}

static enum chancery_err report_print(struct cli *cli, const struct replaying *p,
                                      const struct trial_report *r)
{
    const struct trial_change **list = calloc(r->n_changes + 1, sizeof *list);
    if (list == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < r->n_changes; i++) {
        list[i] = &r->changes[i];
    }
    qsort(list, r->n_changes, sizeof *list, by_group);
    enum chancery_err err;
    if (cli->out.json) {
        err = report_json(cli, p, r, list);
    } else {
        report_text(cli, r);
        err = groups_text(cli, r, list, args_has(p->args, "all"));
    }
    free(list);
    return err;
}

static enum chancery_err replay_all(struct replaying *r, struct diag *diag)
{
    const struct policy_history_sink sink = {r, replay_head, replay_bundle, replay_records};
    const struct trial_report *report = NULL;
    int64_t from_s = 0, to_s = 0;
    if (args_has(r->args, "from")) {
        TRY(policy_history_file(r->cli, args_get(r->args, "from"), &sink, diag));
    } else {
        TRY(span_of(r->cli, r->args, &from_s, &to_s, diag));
        TRY(policy_history_stream(r->cli, from_s, to_s, slice_of(NULL, 0), &sink, diag));
    }
    if (r->replay == NULL) {
        return diag_set(diag, CH_INTEGRITY, "history", "history.head", "the history has no head");
    }
    TRY(trial_replay_finish(r->replay, &report, diag));
    TRY(report_print(r->cli, r, report));
    bool changed = report->counts[TRIAL_NOW_REFUSED] + report->counts[TRIAL_NOW_PERMITTED] > 0;
    return changed && args_has(r->args, "exit-code")
               ? diag_set(diag, CH_REFUSED, "", "replay.changed", "outcomes change")
               : CH_OK;
}

static enum chancery_err replay_run(struct cli *cli, const struct args *args, struct diag *diag)
{
    struct replaying r = {.cli = cli, .args = args, .seen = calloc(1, sizeof *r.seen)};
    arena_init(&r.arena, 0);
    enum chancery_err err = r.seen == NULL ? CH_NOMEM : replay_all(&r, diag);
    trial_replay_free(r.replay);
    trial_bundle_free(r.prepared);
    policy_source_clear(&r.candidate);
    while (r.bases != NULL) {
        struct base *b = r.bases;
        r.bases = b->next;
        base_free(b);
    }
    free(r.seen);
    arena_clear(&r.arena);
    return err;
}

const struct cli_command CLI_POLICY_REPLAY = {
    .name = "policy replay",
    .operands = "",
    .summary = "judge the requests of the last days under another bundle; list what changes",
    .detail = "Each request is built again as chancery-ca would under the candidate and judged at "
              "the time "
              "it was judged\nthen. For those whom chancery-policy's configuration names under "
              "history_readers, or from an exported file.\n",
    .examples = "  chancery policy replay --candidate bundle-new --days 14\n"
                "  chancery policy replay --candidate bundle-new --from last-week.history --json\n",
    .options = REPLAY_OPTIONS,
    .n_options = ARRAY_N(REPLAY_OPTIONS),
    .run = replay_run,
};
