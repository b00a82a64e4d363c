/* UTCTime and GeneralizedTime in the one form that RFC 5280 4.1.2.5 allows: Zulu, with seconds, no
 * fractions; UTCTime through 2049, GeneralizedTime from 2050. Times are seconds since 1970. */
#include "der/der.h"

#define UTC_LEN 13         /* YYMMDDHHMMSSZ */
#define GENERALIZED_LEN 15 /* YYYYMMDDHHMMSSZ */
#define YEAR_SWITCH 2050

/* Days since 1970-01-01 of a proleptic Gregorian date (H. Hinnant's days_from_civil). */
static int64_t days_from_civil(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2 ? 1 : 0;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year =
        (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + (int64_t)day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

struct civil {
    int64_t year;
    unsigned month, day;
};

static struct civil civil_from_days(int64_t days)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t doe = days - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    unsigned month = (unsigned)(mp < 10 ? mp + 3 : mp - 9);
    return (struct civil){yoe + era * 400 + (month <= 2 ? 1 : 0), month,
                          (unsigned)(doy - (153 * mp + 2) / 5 + 1)};
}

static unsigned days_in_month(int64_t year, unsigned month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap ? 1U : 0U);
}

static unsigned two_digits(const uint8_t *p)
{
    return (unsigned)(p[0] - '0') * 10 + (unsigned)(p[1] - '0');
}

/* Reads "MMDDHHMMSSZ"; the caller has checked digits and length. */
static enum chancery_err time_of(int64_t year, const uint8_t *p, int64_t *out_s)
{
    unsigned month = two_digits(p), day = two_digits(p + 2), hour = two_digits(p + 4);
    unsigned minute = two_digits(p + 6), second = two_digits(p + 8);
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) || hour > 23 ||
        minute > 59 || second > 59) {
        return CH_MALFORMED;
    }
    *out_s = days_from_civil(year, month, day) * 86400 + (int64_t)hour * 3600 +
             (int64_t)minute * 60 + (int64_t)second;
    return CH_OK;
}

enum chancery_err der_read_time(struct der_reader *r, int64_t *out_s)
{
    struct der_value v;
    TRY(der_next(r, &v));
    bool utc = v.tag == DER_UTC_TIME;
    size_t len = utc ? UTC_LEN : GENERALIZED_LEN;
    if ((!utc && v.tag != DER_GENERALIZED_TIME) || v.content.len != len ||
        v.content.ptr[len - 1] != 'Z') {
        return CH_MALFORMED;
    }
    const uint8_t *p = v.content.ptr;
    for (size_t i = 0; i + 1 < len; i++) {
        if (p[i] < '0' || p[i] > '9') {
            return CH_MALFORMED;
        }
    }
    if (utc) {
        unsigned yy = two_digits(p);
        return time_of(yy >= 50 ? 1900 + (int64_t)yy : 2000 + (int64_t)yy, p + 2, out_s);
    }
    int64_t year = (int64_t)two_digits(p) * 100 + two_digits(p + 2);
    /* RFC 5280 4.1.2.5: dates through 2049 are UTCTime. */
    if (year < YEAR_SWITCH) {
        return CH_MALFORMED;
    }
    return time_of(year, p + 4, out_s);
}

static void put_two(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)('0' + v / 10 % 10);
    p[1] = (uint8_t)('0' + v % 10);
}

enum chancery_err der_put_time(struct buf *b, int64_t t_s)
{
    /* 9999-12-31T23:59:59Z and 1950-01-01T00:00:00Z. */
    if (t_s > 253402300799 || t_s < -631152000) {
        return CH_INVALID;
    }
    int64_t days = t_s / 86400 - (t_s % 86400 < 0 ? 1 : 0);
    unsigned rest = (unsigned)(t_s - days * 86400);
    struct civil date = civil_from_days(days);
    uint8_t text[GENERALIZED_LEN];
    put_two(text, (unsigned)(date.year / 100));
    put_two(text + 2, (unsigned)(date.year % 100));
    put_two(text + 4, date.month);
    put_two(text + 6, date.day);
    put_two(text + 8, rest / 3600);
    put_two(text + 10, rest / 60 % 60);
    put_two(text + 12, rest % 60);
    text[14] = 'Z';
    if (date.year < YEAR_SWITCH) {
        return der_put(b, DER_UTC_TIME, slice_of(text + 2, UTC_LEN));
    }
    return der_put(b, DER_GENERALIZED_TIME, slice_of(text, GENERALIZED_LEN));
}
