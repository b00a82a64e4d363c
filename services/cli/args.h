/* Command-line options, on top of getopt_long: a table in, values by name out.
 *
 * An option is given at most once. Values are borrowed from argv. Single-threaded (getopt's state).
 */
#ifndef CHANCERY_CLI_ARGS_H
#define CHANCERY_CLI_ARGS_H

#include "base/bytes.h"

#define ARGS_OPTIONS_MAX 24
#define ARGS_OPERANDS_MAX 64

struct args_option {
    const char *name;    /* long name without dashes */
    const char *metavar; /* name of the value in help; NULL: a flag without value */
    const char *help;
    bool required;
};

struct args {
    const struct args_option *options[ARGS_OPTIONS_MAX];
    const char *values[ARGS_OPTIONS_MAX]; /* "" for a flag that was given, NULL when not given */
    size_t n_options;
    const char *operands[ARGS_OPERANDS_MAX];
    size_t n_operands;
};

/* args_add registers a table; all tables together hold at most ARGS_OPTIONS_MAX rows (asserted). */
void args_add(struct args *a, const struct args_option *options, size_t n);

/* args_parse reads argv[0..argc) (argv[0] is the first word, not the program). stop_at_operand:
 * stop at the first operand; *out_used then says how many words were taken. Errors (CH_INVALID,
 * rule "cli.option"): unknown option (with the nearest known name), missing or superfluous value,
 * an option given twice, too many operands. */
enum chancery_err args_parse(struct args *a, int argc, char **argv, bool stop_at_operand,
                             int *out_used, struct diag *diag) MUST_CHECK;

/* args_check_required: CH_INVALID naming the first required option without value. */
enum chancery_err args_check_required(const struct args *a, struct diag *diag) MUST_CHECK;

/* args_get returns an option's value, NULL when not given. The name must be in the table
 * (asserted). */
const char *args_get(const struct args *a, const char *name);
bool args_has(const struct args *a, const char *name);

/* Typed values. Absent: *out keeps its value. Wrong: CH_INVALID with the option as field. */
enum chancery_err args_uint(const struct args *a, const char *name, uint64_t min, uint64_t max,
                            uint64_t *out, struct diag *diag) MUST_CHECK;
/* Durations "30d", "12h", "1d12h", "90s". */
enum chancery_err args_duration_s(const struct args *a, const char *name, int64_t min_s,
                                  int64_t max_s, int64_t *out, struct diag *diag) MUST_CHECK;
/* Dates "2026-11-21", "2026-11-21T10:00:00Z" (UTC). */
enum chancery_err args_date_s(const struct args *a, const char *name, int64_t *out,
                              struct diag *diag) MUST_CHECK;

/* args_nearest returns the candidate closest to `word` (edit distance at most 3 and less than its
 * length), NULL when none is. */
const char *args_nearest(const char *word, const char *const *candidates, size_t n);

#endif
