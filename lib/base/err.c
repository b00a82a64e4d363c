/* Error names and diagnostics. */
#include "base/err.h"

#include <stdio.h>
#include <string.h>

static const char *const names[CH_ERR_COUNT] = {
    [CH_OK] = "OK",
    [CH_INVALID] = "INVALID",
    [CH_MALFORMED] = "MALFORMED",
    [CH_LIMIT] = "LIMIT",
    [CH_UNSUPPORTED] = "UNSUPPORTED",
    [CH_NOT_FOUND] = "NOT_FOUND",
    [CH_EXISTS] = "EXISTS",
    [CH_CONFLICT] = "CONFLICT",
    [CH_DENIED] = "DENIED",
    [CH_UNAUTHENTICATED] = "UNAUTHENTICATED",
    [CH_REFUSED] = "REFUSED",
    [CH_PRECONDITION] = "PRECONDITION",
    [CH_BUSY] = "BUSY",
    [CH_UNAVAILABLE] = "UNAVAILABLE",
    [CH_DEADLINE] = "DEADLINE",
    [CH_CANCELLED] = "CANCELLED",
    [CH_UNKNOWN] = "UNKNOWN",
    [CH_INTEGRITY] = "INTEGRITY",
    [CH_CRYPTO] = "CRYPTO",
    [CH_HSM] = "HSM",
    [CH_DB] = "DB",
    [CH_IO] = "IO",
    [CH_NOMEM] = "NOMEM",
    [CH_END] = "END",
    [CH_INTERNAL] = "INTERNAL",
};

const char *err_name(enum chancery_err err)
{
    if ((int)err < 0 || err >= CH_ERR_COUNT) {
        return "INTERNAL";
    }
    return names[err];
}

enum chancery_err err_from_name(const char *name)
{
    for (int i = 0; name != NULL && i < CH_ERR_COUNT; i++) {
        if (strcmp(names[i], name) == 0) {
            return (enum chancery_err)i;
        }
    }
    return CH_INTERNAL;
}

enum chancery_err diag_set(struct diag *d, enum chancery_err err, const char *field,
                           const char *rule, const char *fmt, ...)
{
    if (d == NULL) {
        return err;
    }
    diag_clear(d);
    (void)snprintf(d->field, sizeof d->field, "%s", field == NULL ? "" : field);
    (void)snprintf(d->rule, sizeof d->rule, "%s", rule == NULL ? "" : rule);
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(d->text, sizeof d->text, fmt, args);
    va_end(args);
    return err;
}

enum chancery_err diag_ref(struct diag *d, enum chancery_err err, const char *reference)
{
    if (d != NULL) {
        (void)snprintf(d->reference, sizeof d->reference, "%s", reference);
    }
    return err;
}

void diag_clear(struct diag *d)
{
    if (d != NULL) {
        memset(d, 0, sizeof *d);
    }
}
