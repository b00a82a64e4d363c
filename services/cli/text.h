/* Small readers and writers of text that several commands need: numbers, times, serials, names. */
#ifndef CHANCERY_CLI_TEXT_H
#define CHANCERY_CLI_TEXT_H

#include "base/bytes.h"

/* text_uint reads decimal digits only, no sign, no blanks, no overflow. */
bool text_uint(const char *s, uint64_t *out);

/* text_duration reads "1d12h30m5s": each unit once, largest first, at least one. */
bool text_duration(const char *s, int64_t *out_s);

/* text_date reads "YYYY-MM-DD" or "YYYY-MM-DDThh:mm:ssZ", years 1970..9999. */
bool text_date(const char *s, int64_t *out_s);

/* text_time writes "YYYY-MM-DDThh:mm:ssZ" (21 bytes with NUL); 0 and less give "-". */
#define TEXT_TIME_SIZE 24
void text_time(int64_t t_s, char out[TEXT_TIME_SIZE]);

/* text_serial reads a certificate serial: hex digits, optionally separated by ':', at most 20
 * octets; a leading zero (sign) octet is cut. CH_INVALID. */
#define TEXT_SERIAL_MAX 20
enum chancery_err text_serial(const char *s, uint8_t out[TEXT_SERIAL_MAX], size_t *out_len,
                              struct diag *diag) MUST_CHECK;

/* text_name_ok says whether `s` is a name of letters a-z, digits and the characters of
 * `extra`, 1..max long, beginning with a letter or digit. */
bool text_name_ok(const char *s, size_t max, const char *extra);

/* text_safe appends UTF-8 `s` for a terminal: control characters, bidirectional marks, line and
 * paragraph separators and invalid bytes become \xNN or \u{N}. */
enum chancery_err text_safe(struct slice s, struct buf *out) MUST_CHECK;

/* text_width counts code points. */
size_t text_width(struct slice s);

/* text_path joins `base`'s folder with `path` unless that is absolute; heap memory, NULL when out
 * of it. */
char *text_path(const char *base, const char *path);

/* text_hex returns lower-case hex in `arena`, "" when out of memory. */
const char *text_hex(struct arena *arena, struct slice s);

#endif
