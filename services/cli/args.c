/* Command-line options on top of getopt_long. */
#include "args.h"

#include <assert.h>
#include <getopt.h>
#include <stdlib.h>

#include "text.h"

void args_add(struct args *a, const struct args_option *options, size_t n)
{
    assert(a->n_options + n <= ARGS_OPTIONS_MAX);
    for (size_t i = 0; i < n; i++) {
        a->options[a->n_options] = &options[i];
        a->values[a->n_options++] = NULL;
    }
}

/* Edit distance (insert, delete, replace), cut off at words of 63 characters. */
static size_t args_distance(const char *a, const char *b)
{
    size_t la = strlen(a), lb = strlen(b);
    size_t row[64];
    if (la > 63 || lb > 63) {
        return SIZE_MAX;
    }
    for (size_t j = 0; j <= lb; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= la; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t above = row[j];
            size_t best = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            best = above + 1 < best ? above + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            row[j] = best;
            diagonal = above;
        }
    }
    return row[lb];
}

const char *args_nearest(const char *word, const char *const *candidates, size_t n)
{
    const char *best = NULL;
    size_t best_distance = 4;
    for (size_t i = 0; i < n; i++) {
        size_t d = args_distance(word, candidates[i]);
        if (d < best_distance && d < strlen(candidates[i])) {
            best = candidates[i];
            best_distance = d;
        }
    }
    return best;
}

static enum chancery_err args_unknown(const struct args *a, const char *word, struct diag *diag)
{
    char name[64] = "";
    const char *names[ARGS_OPTIONS_MAX];
    const char *stem = word + strspn(word, "-");
    size_t len = strcspn(stem, "=");
    memcpy(name, stem, len < sizeof name - 1 ? len : sizeof name - 1);
    for (size_t i = 0; i < a->n_options; i++) {
        names[i] = a->options[i]->name;
    }
    const char *near = args_nearest(name, names, a->n_options);
    if (near != NULL) {
        return diag_set(diag, CH_INVALID, word, "cli.option", "no option %s; did you mean --%s?",
                        word, near);
    }
    return diag_set(diag, CH_INVALID, word, "cli.option", "no option %s", word);
}

static enum chancery_err args_store(struct args *a, size_t i, const char *value, struct diag *diag)
{
    if (a->values[i] != NULL) {
        return diag_set(diag, CH_INVALID, a->options[i]->name, "cli.option",
                        "--%s is given more than once", a->options[i]->name);
    }
    a->values[i] = value == NULL ? "" : value;
    return CH_OK;
}

/* Runs getopt_long over words[1..]; words[0] stands for the program. */
static enum chancery_err args_scan(struct args *a, int n, char **words, bool stop_at_operand,
                                   struct diag *diag)
{
    struct option table[ARGS_OPTIONS_MAX + 1] = {0};
    for (size_t i = 0; i < a->n_options; i++) {
        table[i].name = a->options[i]->name;
        table[i].has_arg = a->options[i]->metavar == NULL ? no_argument : required_argument;
    }
    optind = 0; /* GNU: start afresh */
    opterr = 0;
    for (;;) {
        int index = -1;
        int before = optind == 0 ? 1 : optind;
        int c = getopt_long(n, words, stop_at_operand ? "+:" : ":", table, &index);
        if (c == -1) {
            return CH_OK;
        }
        const char *word = words[optind > 1 ? optind - 1 : before];
        if (c == ':') {
            return diag_set(diag, CH_INVALID, word, "cli.option", "%s needs a value", word);
        }
        if (c == '?' && optopt != 0) {
            char letter[3] = {'-', (char)optopt, '\0'};
            return args_unknown(a, letter[1] > ' ' ? letter : word, diag);
        }
        if (c == '?' || index < 0) {
            return args_unknown(a, word, diag);
        }
        TRY(args_store(a, (size_t)index, optarg, diag));
    }
}

enum chancery_err args_parse(struct args *a, int argc, char **argv, bool stop_at_operand,
                             int *out_used, struct diag *diag)
{
    char program[] = "chancery";
    char **words = calloc((size_t)argc + 2, sizeof *words);
    if (words == NULL) {
        return CH_NOMEM;
    }
    words[0] = program;
    memcpy(words + 1, argv, (size_t)argc * sizeof *words);
    enum chancery_err err = args_scan(a, argc + 1, words, stop_at_operand, diag);
    for (int i = optind; err == CH_OK && !stop_at_operand && i < argc + 1; i++) {
        if (a->n_operands == ARGS_OPERANDS_MAX) {
            err = diag_set(diag, CH_INVALID, words[i], "cli.operand", "too many arguments");
        } else {
            a->operands[a->n_operands++] = words[i];
        }
    }
    if (err == CH_OK && out_used != NULL) {
        *out_used = optind - 1;
    }
    free(words);
    return err;
}

enum chancery_err args_check_required(const struct args *a, struct diag *diag)
{
    for (size_t i = 0; i < a->n_options; i++) {
        if (a->options[i]->required && a->values[i] == NULL) {
            return diag_set(diag, CH_INVALID, a->options[i]->name, "cli.required",
                            "--%s %s is required", a->options[i]->name, a->options[i]->metavar);
        }
    }
    return CH_OK;
}

const char *args_get(const struct args *a, const char *name)
{
    for (size_t i = 0; i < a->n_options; i++) {
        if (strcmp(a->options[i]->name, name) == 0) {
            return a->values[i];
        }
    }
    const bool option_is_in_the_table = false;
    assert(option_is_in_the_table);
    return NULL;
}

bool args_has(const struct args *a, const char *name)
{
    return args_get(a, name) != NULL;
}

enum chancery_err args_uint(const struct args *a, const char *name, uint64_t min, uint64_t max,
                            uint64_t *out, struct diag *diag)
{
    const char *s = args_get(a, name);
    uint64_t v = 0;
    if (s == NULL) {
        return CH_OK;
    }
    if (!text_uint(s, &v) || v < min || v > max) {
        return diag_set(diag, CH_INVALID, name, "cli.value",
                        "--%s wants a number from %llu to %llu, not \"%s\"", name,
                        (unsigned long long)min, (unsigned long long)max, s);
    }
    *out = v;
    return CH_OK;
}

enum chancery_err args_duration_s(const struct args *a, const char *name, int64_t min_s,
                                  int64_t max_s, int64_t *out, struct diag *diag)
{
    const char *s = args_get(a, name);
    int64_t v = 0;
    if (s == NULL) {
        return CH_OK;
    }
    if (!text_duration(s, &v)) {
        return diag_set(diag, CH_INVALID, name, "cli.value",
                        "--%s wants a duration such as 30d, 12h or 1d12h, not \"%s\"", name, s);
    }
    if (v < min_s || v > max_s) {
        return diag_set(diag, CH_INVALID, name, "cli.value",
                        "--%s must lie between %llds and %llds", name, (long long)min_s,
                        (long long)max_s);
    }
    *out = v;
    return CH_OK;
}

enum chancery_err args_date_s(const struct args *a, const char *name, int64_t *out,
                              struct diag *diag)
{
    const char *s = args_get(a, name);
    int64_t v = 0;
    if (s == NULL) {
        return CH_OK;
    }
    if (!text_date(s, &v)) {
        return diag_set(diag, CH_INVALID, name, "cli.value",
                        "--%s wants a UTC date such as 2026-11-21 or 2026-11-21T10:00:00Z, not "
                        "\"%s\"",
                        name, s);
    }
    *out = v;
    return CH_OK;
}
