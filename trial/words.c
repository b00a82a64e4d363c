/* Durations. */
#include "trial/words.h"

static const struct {
    char letter;
    const char *name;
    int64_t seconds;
} units[] = {{'d', "d", 86400}, {'h', "h", 3600}, {'m', "min", 60}, {'s', "s", 1}};
#define UNITS (sizeof units / sizeof units[0])

enum chancery_err trial_words_duration(int64_t seconds, struct buf *out)
{
    size_t start = out->len;
    if (seconds < 0) {
        TRY(buf_add_str(out, "-"));
        start = out->len;
        seconds = seconds == INT64_MIN ? INT64_MAX : -seconds;
    }
    for (size_t i = 0; i < UNITS; i++) {
        int64_t n = seconds / units[i].seconds;
        seconds %= units[i].seconds;
        if (n > 0 || (i == UNITS - 1 && out->len == start)) {
            TRY(buf_printf(out, "%s%lld %s", out->len == start ? "" : " ", (long long)n,
                           units[i].name));
        }
    }
    return CH_OK;
}

bool trial_words_duration_read(const char *text, int64_t *out_s)
{
    int64_t total = 0;
    size_t unit = 0;
    const char *p = text;
    while (*p != '\0') {
        int64_t n = 0;
        size_t digits = 0;
        for (; *p >= '0' && *p <= '9' && digits < 12; p++, digits++) {
            n = n * 10 + (*p - '0');
        }
        while (unit < UNITS && units[unit].letter != *p) {
            unit++;
        }
        if (digits == 0 || unit == UNITS || __builtin_mul_overflow(n, units[unit].seconds, &n) ||
            __builtin_add_overflow(total, n, &total)) {
            return false;
        }
        unit++;
        p++;
    }
    *out_s = total;
    return p != text;
}
