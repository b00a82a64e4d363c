/* Process log: one JSON object per line on stderr. Not the audit log.
 *
 * Programs log once, where something is decided; libraries return errors. A line has time, level,
 * process, event and the given key/value pairs. Values are escaped; secrets are never passed here.
 * Thread-safe: one write(2) per line. */
#ifndef CHANCERY_LOG_LOG_H
#define CHANCERY_LOG_LOG_H

#include <stdint.h>

#include "base/err.h"

enum log_level { LOG_LEVEL_ERROR = 1, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* log_init sets the process name and instance printed on each line, and the most verbose level. */
void log_init(const char *process, const char *instance, enum log_level max);

/* log_level_from_name reads "error", "warn", "info", "debug"; 0 when unknown. */
enum log_level log_level_from_name(const char *name);

struct log_kv {
    const char *key;
    const char *str; /* NULL: `num` is meant */
    int64_t num;
};
#define LOG_STR(k, v) ((struct log_kv){(k), (v) == NULL ? "" : (v), 0})
#define LOG_NUM(k, v) ((struct log_kv){(k), NULL, (int64_t)(v)})

/* log_write writes one line; use the macro log_event. */
void log_write(enum log_level level, const char *event, const struct log_kv *kv, size_t n);

/* log_event(level, "signer.refused", LOG_STR("rule", d.rule), LOG_NUM("item", i)) */
#define log_event(level, event, ...)                                                               \
    log_write((level), (event), (const struct log_kv[]){__VA_ARGS__},                              \
              sizeof((const struct log_kv[]){__VA_ARGS__}) / sizeof(struct log_kv))

/* log_diag writes an event with the error's name and the fields of `d` (may be NULL). */
void log_diag(enum log_level level, const char *event, enum chancery_err err, const struct diag *d);

#endif
