/* Serial numbers: RFC 5280 4.1.2.2, and 64 bits of a CSPRNG as CA/Browser Forum BR 7.1 asks: ours
 * are 16 random octets with a clear top bit, so that 127 bits are free but for the first octet. */
#include "policy/policy_int.h"

#define SERIAL_MIN 16
#define SERIAL_MAX 20
#define DISTINCT_MIN 8 /* 16 random octets hold fewer different ones once in 10^13 */

static unsigned distinct(struct slice s)
{
    uint8_t seen[256] = {0};
    unsigned n = 0;
    for (size_t i = 0; i < s.len; i++) {
        n += seen[s.ptr[i]] == 0 ? 1 : 0;
        seen[s.ptr[i]] = 1;
    }
    return n;
}

void policy_rules_serial(struct policy_judge *j)
{
    static const char field[] = "tbs.serialNumber";
    if (!j->has_tbs) {
        policy_say_na(j, "serial.positive", field, "engine");
        policy_say_na(j, "serial.length", field, "engine");
        policy_say_na(j, "serial.entropy", field, "engine");
        return;
    }
    struct slice s = j->tbs.serial;
    /* The first octet not zero: a serial is written without sign octet everywhere. */
    policy_say_hex(j, "serial.positive", s.ptr[0] > 0 && s.ptr[0] < 0x80, field, "engine", s,
                   "first octet 01..7f");
    policy_say_number(j, "serial.length", s.len >= SERIAL_MIN && s.len <= SERIAL_MAX, field,
                      "engine", (int64_t)s.len, "16 to 20 octets");
    policy_say_number(j, "serial.entropy", distinct(s) >= DISTINCT_MIN, field, "engine",
                      distinct(s), "random: 8 different octets or more");
}
