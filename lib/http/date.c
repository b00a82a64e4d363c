/* IMF-fixdate (RFC 9110 5.6.7): written always, read strictly; the two obsolete forms are not read,
 * so a client that sends one simply gets the whole answer. Locale and time zone play no part. */
#include <stdio.h>
#include <time.h>

#include "http/http.h"

static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

void http_date(int64_t t_s, char out[32])
{
    struct tm tm;
    time_t t = (time_t)t_s;
    if (gmtime_r(&t, &tm) == NULL || tm.tm_year < -1900 || tm.tm_year > 8099) {
        t = 0;
        (void)gmtime_r(&t, &tm);
    }
    (void)snprintf(out, 32, "%s, %02u %s %04u %02u:%02u:%02u GMT", days[tm.tm_wday % 7],
                   (unsigned)tm.tm_mday % 100U, months[tm.tm_mon % 12],
                   (unsigned)(tm.tm_year + 1900) % 10000U, (unsigned)tm.tm_hour % 100U,
                   (unsigned)tm.tm_min % 100U, (unsigned)tm.tm_sec % 100U);
}

/* Reads `n` digits at `at`; -1 when they are not digits. */
static int digits(struct slice s, size_t at, size_t n)
{
    int v = 0;
    for (size_t i = at; i < at + n; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9') {
            return -1;
        }
        v = v * 10 + (s.ptr[i] - '0');
    }
    return v;
}

static int name_index(struct slice s, size_t at, const char (*names)[4], int n)
{
    for (int i = 0; i < n; i++) {
        if (memcmp(s.ptr + at, names[i], 3) == 0) {
            return i;
        }
    }
    return -1;
}

int64_t http_date_parse(struct slice s)
{
    static const char shape[] = "..., .. ... .... ..:..:.. GMT"; /* '.': checked below */
    if (s.len != sizeof(shape) - 1) {
        return -1;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (shape[i] != '.' && s.ptr[i] != (uint8_t)shape[i]) {
            return -1;
        }
    }
    struct tm tm = {.tm_mday = digits(s, 5, 2),
                    .tm_mon = name_index(s, 8, months, 12),
                    .tm_year = digits(s, 12, 4) - 1900,
                    .tm_hour = digits(s, 17, 2),
                    .tm_min = digits(s, 20, 2),
                    .tm_sec = digits(s, 23, 2)};
    int day = name_index(s, 0, days, 7);
    if (day < 0 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_mon < 0 || tm.tm_year < 70 ||
        tm.tm_hour < 0 || tm.tm_hour > 23 || tm.tm_min < 0 || tm.tm_min > 59 || tm.tm_sec < 0 ||
        tm.tm_sec > 60) {
        return -1;
    }
    int mday = tm.tm_mday;
    time_t t = timegm(&tm);
    return tm.tm_mday != mday || tm.tm_wday != day ? -1 : (int64_t)t;
}
