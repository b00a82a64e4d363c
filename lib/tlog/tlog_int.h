/* Private to lib/tlog: names of keys, canonical numbers, lines. */
#ifndef CHANCERY_TLOG_TLOG_INT_H
#define CHANCERY_TLOG_TLOG_INT_H

#include "tlog/tlog.h"

/* tlog_name_ok says whether `name` may name a key: UTF-8, not empty, no '+', no Unicode space, no
 * control character (C2SP signed-note, "Signatures"). */
bool tlog_name_ok(struct slice name);

/* tlog_number_read reads a canonical decimal: digits only, no leading zero, at most 2^64-1. */
enum chancery_err tlog_number_read(struct slice text, uint64_t *out) MUST_CHECK;

/* tlog_hash_read reads the canonical base64 of exactly 32 octets. */
enum chancery_err tlog_hash_read(struct slice text, struct tlog_hash *out) MUST_CHECK;

/* tlog_line_take cuts the first line (without its newline) off `rest`; false when no newline is
 * left. */
bool tlog_line_take(struct slice *rest, struct slice *out_line);

#endif
