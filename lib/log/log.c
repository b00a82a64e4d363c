/* JSON lines on stderr. */
#include "log/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOG_LINE_MAX 4096
#define LOG_TAIL                                                                                   \
    512 /* values are cut this far before the end, so that later short pairs still fit */

static char log_process[64] = "?";
static char log_instance[64];
static enum log_level log_max = LOG_LEVEL_INFO;

struct line {
    char text[LOG_LINE_MAX];
    size_t len;
};

void log_init(const char *process, const char *instance, enum log_level max)
{
    (void)snprintf(log_process, sizeof log_process, "%s", process);
    (void)snprintf(log_instance, sizeof log_instance, "%s", instance == NULL ? "" : instance);
    log_max = max;
}

enum log_level log_level_from_name(const char *name)
{
    static const char *const level_names[] = {NULL, "error", "warn", "info", "debug"};
    for (int i = 1; i <= 4; i++) {
        if (name != NULL && strcmp(name, level_names[i]) == 0) {
            return (enum log_level)i;
        }
    }
    return (enum log_level)0;
}

/* Room for the closing brace and newline is always kept: a long value is cut, the line stays JSON.
 */
static void line_raw(struct line *l, const char *s, size_t n)
{
    size_t room = sizeof l->text - 8 - l->len;
    if (n > room) {
        return;
    }
    memcpy(l->text + l->len, s, n);
    l->len += n;
}

static void line_json_string(struct line *l, const char *s, size_t limit)
{
    line_raw(l, "\"", 1);
    for (; *s != '\0' && l->len < limit; s++) {
        unsigned char c = (unsigned char)*s;
        char escape[8];
        if (c == '"' || c == '\\') {
            escape[0] = '\\';
            escape[1] = (char)c;
            line_raw(l, escape, 2);
        } else if (c < 0x20 || c >= 0x7f) {
            int n = snprintf(escape, sizeof escape, "\\u%04x", c);
            line_raw(l, escape, (size_t)n);
        } else {
            line_raw(l, (const char *)&c, 1);
        }
    }
    line_raw(l, "\"", 1);
}

static void line_pair(struct line *l, const char *key, const struct log_kv *kv)
{
    if (l->len + strlen(key) > sizeof l->text - 64) {
        return; /* a pair is left out whole rather than broken */
    }
    line_raw(l, ",", 1);
    line_json_string(l, key, sizeof l->text - 48);
    line_raw(l, ":", 1);
    if (kv->str != NULL) {
        line_json_string(l, kv->str, sizeof l->text - LOG_TAIL);
    } else {
        char num[32];
        int n = snprintf(num, sizeof num, "%" PRId64, kv->num);
        line_raw(l, num, (size_t)n);
    }
}

void log_write(enum log_level level, const char *event, const struct log_kv *kv, size_t n)
{
    static const char *const level_names[] = {"?", "error", "warn", "info", "debug"};
    if (level > log_max || (int)level < 1) {
        return;
    }
    struct line l = {.len = 0};
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    struct tm tm;
    (void)gmtime_r(&now.tv_sec, &tm);
    char stamp[64];
    size_t k = strftime(stamp, sizeof stamp, "{\"time\":\"%Y-%m-%dT%H:%M:%S", &tm);
    line_raw(&l, stamp, k);
    int m = snprintf(stamp, sizeof stamp, ".%03ldZ\"", now.tv_nsec / 1000000);
    line_raw(&l, stamp, (size_t)m);
    line_pair(&l, "level", &LOG_STR("", level_names[level]));
    line_pair(&l, "process", &LOG_STR("", log_process));
    if (log_instance[0] != '\0') {
        line_pair(&l, "instance", &LOG_STR("", log_instance));
    }
    line_pair(&l, "event", &LOG_STR("", event));
    for (size_t i = 0; i < n; i++) {
        line_pair(&l, kv[i].key, &kv[i]);
    }
    l.text[l.len++] = '}';
    l.text[l.len++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, l.text, l.len);
    (void)ignored; /* nowhere left to report it */
}

void log_diag(enum log_level level, const char *event, enum chancery_err err, const struct diag *d)
{
    static const struct diag none;
    const struct diag *use = d == NULL ? &none : d;
    log_event(level, event, LOG_STR("error", err_name(err)), LOG_STR("field", use->field),
              LOG_STR("rule", use->rule), LOG_STR("text", use->text),
              LOG_STR("reference", use->reference));
}
