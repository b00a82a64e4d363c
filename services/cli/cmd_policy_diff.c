/* chancery policy diff: what changes between two bundles, in words. */
#include "policy_source.h"
#include "text.h"
#include "trial/diff.h"

static const struct args_option DIFF_OPTIONS[] = {
    {"exit-code", NULL, "exit code 1 when the bundles differ", false},
};

static json_t *diff_rows(const struct trial_differences *d)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < d->n; i++) {
        const struct trial_difference *x = &d->list[i];
        (void)json_array_append_new(
            rows,
            json_pack("{s:o, s:o, s:o, s:s, s:o, s:I, s:o}", "section",
                      out_text(slice_str(x->section)), "key", out_text(slice_str(x->key)), "change",
                      out_text(slice_str(x->words)), "effect", trial_effect_name(x->effect),
                      "source", out_text(slice_str(x->source)), "count", (json_int_t)x->count,
                      "sections", out_text(slice_str(x->sections))));
    }
    return rows;
}

/* People: a block for each section. + wider, - narrower. */
static enum chancery_err diff_text(struct cli *cli, const struct trial_differences *d)
{
    static const char marks[] = {
        [TRIAL_EFFECT_OTHER] = ' ', [TRIAL_EFFECT_WIDER] = '+', [TRIAL_EFFECT_NARROWER] = '-'};
    for (size_t i = 0; i < d->n; i++) {
        const struct trial_difference *x = &d->list[i];
        struct buf line CLEANUP(buf_clear);
        buf_init(&line, (size_t)1 << 20);
        if (i == 0 || strcmp(d->list[i - 1].section, x->section) != 0 || x->count > 1) {
            TRY(text_safe(slice_str(x->section), &line));
            if (x->count > 1) {
                TRY(buf_add_str(&line, " ("));
                TRY(text_safe(slice_str(x->sections), &line));
                TRY(buf_add_str(&line, ")"));
            }
            TRY(buf_add_str(&line, "\n"));
        }
        TRY(buf_printf(&line, "  %c ", marks[x->effect]));
        TRY(text_safe(slice_str(x->words), &line));
        TRY(buf_printf(&line, "  [%s]", x->source));
        out_note(&cli->out, "%.*s", (int)line.len, (const char *)line.ptr);
    }
    out_note(&cli->out, d->n == 0 ? "no difference" : "%zu differences (+ allows more, - less)",
             d->n);
    return CH_OK;
}

static enum chancery_err diff_print(struct cli *cli, const struct policy_source *was,
                                    const struct policy_source *is,
                                    const struct trial_differences *d)
{
    static const struct out_column columns[] = {{"CHANGE", "change", OUT_TEXT}};
    if (!cli->out.json) {
        return diff_text(cli, d);
    }
    json_t *extra = json_pack("{s:o, s:o}", "old_sha256",
                              out_hex(slice_of(policy_bundle_hash(was->bundle), 32)), "new_sha256",
                              out_hex(slice_of(policy_bundle_hash(is->bundle), 32)));
    return out_table(&cli->out, "differences", diff_rows(d), extra, columns, 1);
}

static enum chancery_err diff_two(struct cli *cli, const struct args *args,
                                  struct policy_source *was, struct policy_source *is,
                                  struct diag *diag)
{
    struct trial_facts a = {.n = 0}, b = {.n = 0};
    struct trial_differences d = {.n = 0};
    TRY(policy_source_load(cli, args->operands[0], NULL, was, diag));
    TRY(policy_source_load(cli, args->operands[1], NULL, is, diag));
    enum chancery_err err = trial_facts_read(was->files, was->n_files, &a, diag);
    if (err == CH_OK) {
        err = trial_facts_read(is->files, is->n_files, &b, diag);
    }
    if (err == CH_OK) {
        err = trial_diff(&a, &b, &d);
    }
    if (err == CH_OK) {
        err = diff_print(cli, was, is, &d);
    }
    if (err == CH_OK && args_has(args, "exit-code") && d.n > 0) {
        err = diag_set(diag, CH_REFUSED, "", "diff.differs", "the bundles differ");
    }
    trial_differences_clear(&d);
    trial_facts_clear(&a);
    trial_facts_clear(&b);
    return err;
}

static enum chancery_err diff_run(struct cli *cli, const struct args *args, struct diag *diag)
{
    struct policy_source was = {.bundle = NULL}, is = {.bundle = NULL};
    enum chancery_err err = diff_two(cli, args, &was, &is, diag);
    policy_source_clear(&was);
    policy_source_clear(&is);
    return err;
}

const struct cli_command CLI_POLICY_DIFF = {
    .name = "policy diff",
    .operands = "OLD NEW",
    .n_operands = 2,
    .summary = "what changes between two bundles, in words",
    .detail = "OLD and NEW are folders, hashes of bundles of the service, or \"current\". By "
              "profile and key; a change that many requesters have is told "
              "once.\n",
    .examples = "  chancery policy diff current bundle-new\n"
                "  chancery policy diff bundle bundle-new --json\n",
    .options = DIFF_OPTIONS,
    .n_options = sizeof DIFF_OPTIONS / sizeof DIFF_OPTIONS[0],
    .run = diff_run,
};
