/* DER elements and times, for the judge alone. */
#include "policy/walk.h"

struct policy_walk policy_walk_of(struct slice s)
{
    static const uint8_t nothing[1];
    const uint8_t *p = s.len == 0 ? nothing : s.ptr;
    return (struct policy_walk){p, p + s.len};
}

/* Reads a length at *p (X.690 10.1: definite, fewest octets). Four length octets suffice: no CRL
 * has more than 4 GiB. */
static bool read_length(const uint8_t **p, const uint8_t *end, size_t *out)
{
    const uint8_t *q = *p;
    if (q == end) {
        return false;
    }
    size_t first = *q++;
    if (first >= 0x80) {
        size_t octets = first & 0x7f, value = 0;
        if (octets == 0 || octets > 4 || (size_t)(end - q) < octets || *q == 0) {
            return false;
        }
        for (size_t i = 0; i < octets; i++) {
            value = value << 8 | *q++;
        }
        if (value < 0x80) {
            return false;
        }
        first = value;
    }
    *p = q;
    *out = first;
    return true;
}

bool policy_walk_take(struct policy_walk *w, uint8_t tag, struct slice *content,
                      struct slice *whole)
{
    const uint8_t *p = w->at;
    size_t n = 0;
    if (p == w->end || *p++ != tag || !read_length(&p, w->end, &n) || (size_t)(w->end - p) < n) {
        return false;
    }
    *content = slice_of(p, n);
    if (whole != NULL) {
        *whole = slice_of(w->at, (size_t)(p - w->at) + n);
    }
    w->at = p + n;
    return true;
}

bool policy_walk_into(struct policy_walk *w, uint8_t tag, struct policy_walk *inside)
{
    struct slice content;
    if (!policy_walk_take(w, tag, &content, NULL)) {
        return false;
    }
    *inside = policy_walk_of(content);
    return true;
}

bool policy_walk_oid(struct policy_walk *w, struct slice *oid)
{
    struct policy_walk start = *w;
    struct slice s;
    bool ok = policy_walk_take(w, 0x06, &s, NULL) && s.len > 0 && (s.ptr[s.len - 1] & 0x80) == 0;
    for (size_t i = 0; ok && i < s.len; i++) {
        bool begins = i == 0 || (s.ptr[i - 1] & 0x80) == 0;
        ok = !(begins && s.ptr[i] == 0x80);
    }
    if (!ok) {
        *w = start;
        return false;
    }
    *oid = s;
    return true;
}

/* ---- times ---- */

static bool digits(const uint8_t *p, size_t n, int64_t min, int64_t max, int64_t *out)
{
    int64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9') {
            return false;
        }
        v = v * 10 + (p[i] - '0');
    }
    *out = v;
    return v >= min && v <= max;
}

static bool leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days from 1970-01-01 to year-month-day, any year from 1950. */
static int64_t days_to(int64_t year, int64_t month, int64_t day)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    int64_t past = year - 1;
    int64_t days = past * 365 + past / 4 - past / 100 + past / 400 - 719162;
    days += before[month - 1] + (month > 2 && leap(year) ? 1 : 0);
    return days + day - 1;
}

/* MMDDHHMMSSZ after the year. */
static bool read_rest(const uint8_t *p, int64_t year, int64_t *out_s)
{
    static const int length[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t month, day, hour, minute, second;
    if (!digits(p, 2, 1, 12, &month) || !digits(p + 2, 2, 1, 31, &day) ||
        !digits(p + 4, 2, 0, 23, &hour) || !digits(p + 6, 2, 0, 59, &minute) ||
        !digits(p + 8, 2, 0, 59, &second) || p[10] != 'Z') {
        return false;
    }
    if (day > length[month - 1] + (month == 2 && leap(year) ? 1 : 0)) {
        return false;
    }
    *out_s = days_to(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    return true;
}

bool policy_walk_time(struct policy_walk *w, int64_t *out_s)
{
    struct slice s;
    int64_t year;
    if (policy_walk_tag(w) == 0x17) {
        if (!policy_walk_take(w, 0x17, &s, NULL) || s.len != 13 ||
            !digits(s.ptr, 2, 0, 99, &year)) {
            return false;
        }
        return read_rest(s.ptr + 2, year + (year >= 50 ? 1900 : 2000), out_s);
    }
    return policy_walk_take(w, 0x18, &s, NULL) && s.len == 15 &&
           digits(s.ptr, 4, 2050, 9999, &year) && read_rest(s.ptr + 4, year, out_s);
}
