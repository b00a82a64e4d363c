/* Verdicts in words. */
#include "policy_verdict.h"

#include "text.h"

#define LINE_MAX_OCTETS ((size_t)16384)

static const char *outcome_name(enum policy_outcome o)
{
    return o == POLICY_PASS   ? "pass"
           : o == POLICY_FAIL ? "fail"
           : o == POLICY_NA   ? "n/a"
                              : "unknown";
}

json_t *policy_verdict_json(const struct policy_explanation *e)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < e->n; i++) {
        const struct policy_verdict_row *r = &e->rows[i];
        (void)json_array_append_new(
            rows,
            json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "outcome", outcome_name(r->outcome), "rule",
                      out_text(slice_str(r->rule)), "field", out_text(slice_str(r->field)),
                      "observed", out_text(slice_str(r->observed)), "required",
                      out_text(slice_str(r->required)), "source", out_text(slice_str(r->source))));
    }
    return json_pack("{s:s, s:o, s:s, s:o, s:s}", "under", e->title, "bundle_sha256",
                     out_hex(e->bundle_sha256), "verdict", outcome_name(e->verdict), "rules", rows,
                     "note", e->note == NULL ? "" : e->note);
}

/* What a family of rules is about. */
static const char *family_of(const char *rule)
{
    static const struct {
        const char *prefix, *words;
    } families[] = {{"profile.", "who asks, and for what"},
                    {"caller.", "who asks, and for what"},
                    {"requester.", "who asks, and for what"},
                    {"tenant.", "who asks, and for what"},
                    {"protocol.", "who asks, and for what"},
                    {"authentication.", "who asks, and for what"},
                    {"role.", "who asks, and for what"},
                    {"binding.", "who asks, and for what"},
                    {"evidence.", "who asks, and for what"},
                    {"request.", "who asks, and for what"},
                    {"approval", "approvals"},
                    {"limit.", "limits"},
                    {"issuer.", "issuer and signature"},
                    {"signature.", "issuer and signature"},
                    {"tbs.", "form of the certificate"},
                    {"serial.", "serial"},
                    {"validity.", "how long it lives"},
                    {"key.", "key"},
                    {"subject.", "subject"},
                    {"san.", "names"},
                    {"names.", "names"},
                    {"ext.", "extensions"},
                    {"extension.", "extensions"},
                    {"lint.", "lints"},
                    {"blocklist.", "key"},
                    {"build.", "form of the certificate"}};
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        if (strncmp(rule, families[i].prefix, strlen(families[i].prefix)) == 0) {
            return families[i].words;
        }
    }
    return "other";
}

static enum chancery_err put(struct buf *line, const char *head, const char *text, const char *tail)
{
    if (text[0] == '\0') {
        return CH_OK;
    }
    TRY(buf_add_str(line, head));
    TRY(text_safe(slice_str(text), line));
    return buf_add_str(line, tail);
}

static enum chancery_err print_row(struct cli *cli, const struct policy_verdict_row *r)
{
    static const char marks[] = {
        [POLICY_NONE] = '?', [POLICY_FAIL] = 'x', [POLICY_PASS] = '+', [POLICY_NA] = '-'};
    struct buf line CLEANUP(buf_clear);
    buf_init(&line, LINE_MAX_OCTETS);
    TRY(buf_printf(&line, "  %c %-24s", marks[r->outcome], r->rule));
    TRY(put(&line, " ", r->field, ""));
    TRY(put(&line, " is \"", r->observed, "\""));
    TRY(put(&line, r->outcome == POLICY_FAIL ? ", but must be: " : ", as it must: ", r->required,
            ""));
    TRY(put(&line, "  [", r->source, "]"));
    out_note(&cli->out, "%.*s", (int)line.len, (const char *)line.ptr);
    return CH_OK;
}

/* Rows with one outcome, family by family in the order in which families appear. */
static enum chancery_err print_outcome(struct cli *cli, const struct policy_explanation *e,
                                       enum policy_outcome outcome)
{
    for (size_t i = 0; i < e->n; i++) {
        const char *family = family_of(e->rows[i].rule);
        bool first = e->rows[i].outcome == outcome;
        for (size_t k = 0; first && k < i; k++) {
            first =
                e->rows[k].outcome != outcome || strcmp(family_of(e->rows[k].rule), family) != 0;
        }
        if (!first) {
            continue;
        }
        out_note(&cli->out, "%s", family);
        for (size_t k = i; k < e->n; k++) {
            if (e->rows[k].outcome == outcome && strcmp(family_of(e->rows[k].rule), family) == 0) {
                TRY(print_row(cli, &e->rows[k]));
            }
        }
    }
    return CH_OK;
}

static size_t count(const struct policy_explanation *e, enum policy_outcome o)
{
    size_t n = 0;
    for (size_t i = 0; i < e->n; i++) {
        n += e->rows[i].outcome == o ? 1 : 0;
    }
    return n;
}

enum chancery_err policy_verdict_text(struct cli *cli, const struct policy_explanation *e, bool all)
{
    size_t failed = count(e, POLICY_FAIL), passed = count(e, POLICY_PASS),
           left = count(e, POLICY_NA);
    out_note(&cli->out, "%s %s (%s)", e->verdict == POLICY_PASS ? "PERMITTED" : "REFUSED", e->title,
             text_hex(&cli->arena, slice_sub(e->bundle_sha256, 0, 8)));
    if (e->note != NULL) {
        out_note(&cli->out, "%s", e->note);
    }
    if (failed > 0) {
        out_note(&cli->out, "\n%zu %s:", failed, failed == 1 ? "rule fails" : "rules fail");
        TRY(print_outcome(cli, e, POLICY_FAIL));
    }
    if (passed > 0) {
        out_note(&cli->out, "\n%zu pass:", passed);
        TRY(print_outcome(cli, e, POLICY_PASS));
    }
    if (left > 0 && all) {
        out_note(&cli->out, "\n%zu do not apply here:", left);
        TRY(print_outcome(cli, e, POLICY_NA));
    } else if (left > 0) {
        out_note(&cli->out, "\n%zu do not apply here (--all lists them)", left);
    }
    return CH_OK;
}
