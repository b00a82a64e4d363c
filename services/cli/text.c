/* Small readers and writers of text. */
#include "text.h"

#include <stdio.h>
#include <time.h>

bool text_uint(const char *s, uint64_t *out)
{
    uint64_t v = 0;
    if (*s == '\0') {
        return false;
    }
    for (; *s != '\0'; s++) {
        if (*s < '0' || *s > '9' || __builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v)) {
            return false;
        }
    }
    *out = v;
    return true;
}

bool text_duration(const char *s, int64_t *out_s)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};
    int64_t total = 0;
    size_t next = 0;
    if (*s == '\0') {
        return false;
    }
    while (*s != '\0') {
        int64_t v = 0;
        size_t digits = 0;
        for (; *s >= '0' && *s <= '9' && digits < 10; s++, digits++) {
            v = v * 10 + (*s - '0');
        }
        while (next < 4 && units[next].unit != *s) {
            next++;
        }
        if (digits == 0 || next == 4 || __builtin_mul_overflow(v, units[next].seconds, &v) ||
            __builtin_add_overflow(total, v, &total)) {
            return false;
        }
        next++;
        s++;
    }
    *out_s = total;
    return true;
}

/* Reads exactly n digits within [min, max]. */
static bool text_digits(const char **s, size_t n, int min, int max, int *out)
{
    int v = 0;
    for (size_t i = 0; i < n; i++, (*s)++) {
        if (**s < '0' || **s > '9') {
            return false;
        }
        v = v * 10 + (**s - '0');
    }
    *out = v;
    return v >= min && v <= max;
}

static bool text_char(const char **s, char c)
{
    if (**s != c) {
        return false;
    }
    (*s)++;
    return true;
}

bool text_date(const char *s, int64_t *out_s)
{
    struct tm tm = {0};
    int year = 0, month = 0, day = 0;
    if (!text_digits(&s, 4, 1970, 9999, &year) || !text_char(&s, '-') ||
        !text_digits(&s, 2, 1, 12, &month) || !text_char(&s, '-') ||
        !text_digits(&s, 2, 1, 31, &day)) {
        return false;
    }
    if (*s != '\0' &&
        (!text_char(&s, 'T') || !text_digits(&s, 2, 0, 23, &tm.tm_hour) || !text_char(&s, ':') ||
         !text_digits(&s, 2, 0, 59, &tm.tm_min) || !text_char(&s, ':') ||
         !text_digits(&s, 2, 0, 59, &tm.tm_sec) || !text_char(&s, 'Z') || *s != '\0')) {
        return false;
    }
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    tm.tm_mday = day;
    time_t t = timegm(&tm);
    if (tm.tm_mday != day || tm.tm_mon != month - 1) {
        return false; /* 31 April and the like were normalised */
    }
    *out_s = (int64_t)t;
    return true;
}

void text_time(int64_t t_s, char out[TEXT_TIME_SIZE])
{
    time_t t = (time_t)t_s;
    struct tm tm;
    if (t_s <= 0 || gmtime_r(&t, &tm) == NULL || tm.tm_year > 8099 ||
        strftime(out, TEXT_TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0) {
        memcpy(out, "-", 2);
    }
}

enum chancery_err text_serial(const char *s, uint8_t out[TEXT_SERIAL_MAX], size_t *out_len,
                              struct diag *diag)
{
    char hex[2 * (TEXT_SERIAL_MAX + 1) + 1];
    uint8_t bytes[TEXT_SERIAL_MAX + 1];
    size_t n = 0, len = 0;
    for (const char *p = s; *p != '\0'; p++) {
        if (*p == ':' && n % 2 == 0 && n > 0 && p[1] != '\0' && p[1] != ':') {
            continue;
        }
        if (n + 1 >= sizeof hex) {
            return diag_set(diag, CH_INVALID, "serial", "serial.length",
                            "a serial has at most %d octets", TEXT_SERIAL_MAX);
        }
        hex[n++] = *p;
    }
    if (n == 0 || hex_decode(slice_of(hex, n), bytes, sizeof bytes, &len) != CH_OK) {
        return diag_set(diag, CH_INVALID, "serial", "serial.hex",
                        "a serial is written in hex digits, two per octet, not \"%s\"", s);
    }
    size_t skip = len > 1 && bytes[0] == 0 ? 1 : 0;
    if (len - skip > TEXT_SERIAL_MAX) {
        return diag_set(diag, CH_INVALID, "serial", "serial.length",
                        "a serial has at most %d octets", TEXT_SERIAL_MAX);
    }
    memcpy(out, bytes + skip, len - skip);
    *out_len = len - skip;
    return CH_OK;
}

bool text_name_ok(const char *s, size_t max, const char *extra)
{
    size_t i = 0;
    for (; s[i] != '\0'; i++) {
        bool plain = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9');
        if (i >= max || (!plain && (i == 0 || strchr(extra, s[i]) == NULL))) {
            return false;
        }
    }
    return i > 0;
}

/* Length of the well-formed UTF-8 sequence at p (at most n bytes), 0 when there is none. */
static size_t text_sequence(const uint8_t *p, size_t n, uint32_t *out)
{
    size_t len = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (len > n || !slice_is_utf8(slice_of(p, len))) {
        return 0;
    }
    uint32_t v = len == 1 ? p[0] : p[0] & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        v = (v << 6) | (p[i] & 0x3fu);
    }
    *out = v;
    return len;
}

static bool text_is_unsafe(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x061c || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

enum chancery_err text_safe(struct slice s, struct buf *out)
{
    for (size_t i = 0; i < s.len;) {
        uint32_t c = 0;
        size_t len = text_sequence(s.ptr + i, s.len - i, &c);
        if (len == 0) {
            TRY(buf_printf(out, "\\x%02x", s.ptr[i]));
            len = 1;
        } else if (text_is_unsafe(c)) {
            TRY(buf_printf(out, "\\u{%x}", c));
        } else {
            TRY(buf_add(out, slice_of(s.ptr + i, len)));
        }
        i += len;
    }
    return CH_OK;
}

size_t text_width(struct slice s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        n += (s.ptr[i] & 0xc0) != 0x80;
    }
    return n;
}

char *text_path(const char *base, const char *path)
{
    const char *slash = strrchr(base, '/');
    char *out = NULL;
    if (path[0] == '/' || slash == NULL) {
        return strdup(path);
    }
    if (asprintf(&out, "%.*s/%s", (int)(slash - base), base, path) < 0) {
        return NULL;
    }
    return out;
}

const char *text_hex(struct arena *arena, struct slice s)
{
    char *out = arena_alloc(arena, 2 * s.len + 1);
    if (out == NULL) {
        return "";
    }
    hex_encode(s, out);
    return out;
}
