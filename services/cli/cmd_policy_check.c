/* chancery policy check, policy test: a bundle's folder, offline. */
#include "os/os.h"
#include "policy_source.h"
#include "text.h"
#include "trial/check.h"
#include "trial/table.h"

#define ARRAY_N(a) (sizeof(a) / sizeof(a)[0])

/* ---- check ---- */

static const struct args_option CHECK_OPTIONS[] = {
    {"trust", "FILE", "trust.json of an installation: also checks issuers against it", false},
    {"strict", NULL, "warnings count as errors", false},
};

static const struct out_column WARNING_COLUMNS[] = {
    {"WHERE", "source", OUT_TEXT},
    {"RULE", "rule", OUT_TEXT},
    {"WARNING", "text", OUT_TEXT},
};

struct checked {
    struct policy_source source;
    struct trial_facts facts;
    struct trial_warnings warnings;
    struct trial_table_report tests;
};

static void checked_clear(struct checked *c)
{
    trial_table_report_clear(&c->tests);
    trial_warnings_clear(&c->warnings);
    trial_facts_clear(&c->facts);
    policy_source_clear(&c->source);
}

static enum chancery_err check_all(struct cli *cli, const struct args *args, struct checked *c,
                                   struct diag *diag)
{
    struct trial_world world;
    struct trial_check in = {.now_s = os_now_s()};
    if (args_has(args, "trust")) {
        TRY(policy_source_trust(cli, args_get(args, "trust"), &in.trust_domain, &world, diag));
        in.world = &world;
    }
    TRY(policy_source_load(cli, args->operands[0], in.trust_domain, &c->source, diag));
    TRY(trial_facts_read(c->source.files, c->source.n_files, &c->facts, diag));
    in.bundle = c->source.bundle;
    in.facts = &c->facts;
    TRY(trial_check_bundle(&in, &c->warnings));
    TRY(trial_check_tests(c->source.bundle, c->source.files, c->source.n_files, &c->warnings));
    /* The tests have to be readable; whether they hold is for `policy test` to say. */
    return trial_table_run(c->source.files, c->source.n_files, in.trust_domain, &c->tests, diag);
}

static enum chancery_err check_print(struct cli *cli, const struct checked *c)
{
    json_t *rows = json_array(), *profiles = json_array();
    for (size_t i = 0; i < c->warnings.n; i++) {
        const struct trial_warning *w = &c->warnings.list[i];
        (void)json_array_append_new(rows, json_pack("{s:o, s:s, s:o}", "source",
                                                    out_text(slice_str(w->source)), "rule", w->rule,
                                                    "text", out_text(slice_str(w->text))));
    }
    for (size_t i = 0; i < policy_profile_count(c->source.bundle); i++) {
        (void)json_array_append_new(
            profiles, out_text(slice_str(
                          policy_profile_template(policy_profile_at(c->source.bundle, i))->name)));
    }
    struct slice hash = slice_of(policy_bundle_hash(c->source.bundle), 32);
    out_note(&cli->out, "bundle    %s", text_hex(&cli->arena, hash));
    out_note(&cli->out, "profiles  %zu", policy_profile_count(c->source.bundle));
    out_note(&cli->out, "tests     %zu, %zu of them do not hold", c->tests.n_cases,
             c->tests.failed);
    out_note(&cli->out, "warnings  %zu", c->warnings.n);
    json_t *extra = json_pack("{s:o, s:o, s:I, s:I}", "bundle_sha256", out_hex(hash), "profiles",
                              profiles, "tests", (json_int_t)c->tests.n_cases, "tests_failed",
                              (json_int_t)c->tests.failed);
    if (c->warnings.n == 0 && !cli->out.json) {
        json_decref(rows);
        json_decref(extra);
        return CH_OK;
    }
    return out_table(&cli->out, "warnings", rows, extra, WARNING_COLUMNS, ARRAY_N(WARNING_COLUMNS));
}

static enum chancery_err check_run(struct cli *cli, const struct args *args, struct diag *diag)
{
    struct checked c = {.source = {.bundle = NULL}};
    enum chancery_err err = check_all(cli, args, &c, diag);
    if (err == CH_OK) {
        err = check_print(cli, &c);
    }
    if (err == CH_OK && args_has(args, "strict") && c.warnings.n > 0) {
        err = diag_set(diag, CH_REFUSED, args->operands[0], "check.strict", "%zu warnings",
                       c.warnings.n);
    }
    checked_clear(&c);
    return err;
}

const struct cli_command CLI_POLICY_CHECK = {
    .name = "policy check",
    .operands = "DIR",
    .n_operands = 1,
    .summary = "compile a bundle's folder: its hash, its profiles, what is hardly meant",
    .detail =
        "Needs no service. An error names file, line and column. Exit code 1 when the bundle does "
        "not\ncompile, with --strict also when there are warnings.\n",
    .examples = "  chancery policy check bundle\n"
                "  chancery policy check bundle --trust trust.json --strict --json\n",
    .options = CHECK_OPTIONS,
    .n_options = ARRAY_N(CHECK_OPTIONS),
    .run = check_run,
};

/* ---- test ---- */

static const struct args_option TEST_OPTIONS[] = {
    {"min-coverage", "PERCENT", "fail when fewer rules have both a passing and a failing case",
     false},
    {"trust-domain", "NAME", "trust domain of the requesters (chancery.test)", false},
    {"all", NULL, "also list the cases that hold, and every rule", false},
};

static const struct out_column CASE_COLUMNS[] = {
    {"RESULT", "result", OUT_TEXT},
    {"CASE", "name", OUT_TEXT},
    {"WHERE", "source", OUT_TEXT},
    {"WHY", "why", OUT_TEXT},
};

static const struct out_column COVER_COLUMNS[] = {
    {"PROFILE", "profile", OUT_TEXT}, {"CASES", "cases", OUT_TEXT},
    {"RULES", "rules", OUT_TEXT},     {"COVERED", "covered", OUT_TEXT},
    {"PERCENT", "percent", OUT_TEXT}, {"LACKING", "lacking", OUT_TEXT},
};

static json_t *case_rows(const struct trial_table_report *r, bool all)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < r->n_cases; i++) {
        const struct trial_case_result *c = &r->cases[i];
        if (all || !c->passed) {
            (void)json_array_append_new(rows, json_pack("{s:s, s:o, s:o, s:o, s:s, s:o}", "result",
                                                        c->passed ? "holds" : "FAILS", "name",
                                                        out_text(slice_str(c->name)), "source",
                                                        out_text(slice_str(c->source)), "profile",
                                                        out_text(slice_str(c->profile)), "verdict",
                                                        c->verdict == POLICY_PASS   ? "permit"
                                                        : c->verdict == POLICY_FAIL ? "refuse"
                                                                                    : "none",
                                                        "why", out_text(slice_str(c->why))));
        }
    }
    return rows;
}

/* A rule that lacks passing (+) or failing (-) cases. */
static json_t *lacking(const struct trial_profile_cover *p)
{
    json_t *list = json_array();
    for (size_t i = 0; i < p->n_rules; i++) {
        const struct trial_rule_cover *r = &p->rules[i];
        if (!r->engine && (r->passing == 0 || r->failing == 0)) {
            (void)json_array_append_new(list, json_sprintf("%s%s%s", r->passing == 0 ? "+" : "",
                                                           r->failing == 0 ? "-" : "", r->rule));
        }
    }
    return list;
}

static json_t *rule_rows(const struct trial_profile_cover *p)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < p->n_rules; i++) {
        const struct trial_rule_cover *r = &p->rules[i];
        (void)json_array_append_new(rows, json_pack("{s:s, s:o, s:i, s:i, s:b}", "rule", r->rule,
                                                    "source", out_text(slice_str(r->source)),
                                                    "passing", (int)r->passing, "failing",
                                                    (int)r->failing, "engine", r->engine ? 1 : 0));
    }
    return rows;
}

static json_t *cover_rows(const struct trial_table_report *r)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < r->n_profiles; i++) {
        const struct trial_profile_cover *p = &r->profiles[i];
        (void)json_array_append_new(
            rows,
            json_pack("{s:o, s:I, s:I, s:I, s:I, s:o, s:o}", "profile",
                      out_text(slice_str(p->profile)), "cases", (json_int_t)p->cases, "rules",
                      (json_int_t)p->counted, "covered", (json_int_t)p->covered, "percent",
                      (json_int_t)(p->cases == 0 ? 0 : trial_cover_percent(p->covered, p->counted)),
                      "lacking", lacking(p), "by_rule", rule_rows(p)));
    }
    return rows;
}

static enum chancery_err test_print(struct cli *cli, const struct args *args,
                                    const struct trial_table_report *r, unsigned percent)
{
    json_t *cases = case_rows(r, args_has(args, "all") || cli->out.json), *cover = cover_rows(r);
    if (cli->out.json) {
        json_t *extra =
            json_pack("{s:o, s:I, s:I, s:i}", "coverage", cover, "run", (json_int_t)r->n_cases,
                      "failed", (json_int_t)r->failed, "percent", (int)percent);
        return out_table(&cli->out, "cases", cases, extra, CASE_COLUMNS, ARRAY_N(CASE_COLUMNS));
    }
    enum chancery_err err = CH_OK;
    if (json_array_size(cases) > 0) {
        err = out_table(&cli->out, "cases", cases, NULL, CASE_COLUMNS, ARRAY_N(CASE_COLUMNS));
        out_note(&cli->out, "%s", "");
    } else {
        json_decref(cases);
    }
    if (err != CH_OK) {
        json_decref(cover);
        return err;
    }
    TRY(out_table(&cli->out, "coverage", cover, NULL, COVER_COLUMNS,
                  args_has(args, "all") ? ARRAY_N(COVER_COLUMNS) : ARRAY_N(COVER_COLUMNS) - 1));
    out_note(&cli->out, "%zu cases, %zu do not hold; %zu of %zu rules covered (%u %%)", r->n_cases,
             r->failed, r->covered, r->counted, percent);
    return CH_OK;
}

static enum chancery_err test_run(struct cli *cli, const struct args *args, struct diag *diag)
{
    struct policy_folder folder;
    struct trial_table_report report = {.n_cases = 0};
    uint64_t least = 0;
    TRY(args_uint(args, "min-coverage", 0, 100, &least, diag));
    TRY(policy_folder_load(args->operands[0], &folder, diag));
    enum chancery_err err =
        trial_table_run(folder.files, folder.n, args_get(args, "trust-domain"), &report, diag);
    policy_folder_clear(&folder);
    TRY(err);
    unsigned percent =
        report.n_cases == 0 ? 0 : trial_cover_percent(report.covered, report.counted);
    err = test_print(cli, args, &report, percent);
    if (err == CH_OK && report.failed > 0) {
        err = diag_set(diag, CH_REFUSED, args->operands[0], "test.failed",
                       "%zu of %zu cases do not hold", report.failed, report.n_cases);
    } else if (err == CH_OK && percent < least) {
        err =
            diag_set(diag, CH_REFUSED, args->operands[0], "test.coverage",
                     "%u %% of the rules are covered, %u %% are wanted", percent, (unsigned)least);
    }
    trial_table_report_clear(&report);
    return err;
}

const struct cli_command CLI_POLICY_TEST = {
    .name = "policy test",
    .operands = "DIR",
    .n_operands = 1,
    .summary = "run a bundle's table tests and say which rules they cover",
    .detail = "Needs no service. A rule is covered when some case of the profile passes it and "
              "some other "
              "fails it;\n--all lists what is lacking: + a passing case, - a failing one. Rules "
              "that hold "
              "whatever a bundle says do\nnot count. Exit code 1 when a case does not hold.\n",
    .examples = "  chancery policy test bundle\n"
                "  chancery policy test bundle --min-coverage 80 --all\n",
    .options = TEST_OPTIONS,
    .n_options = ARRAY_N(TEST_OPTIONS),
    .run = test_run,
};
