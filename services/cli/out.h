/* What the program prints: one JSON value, or a table or record for people made from the same
 * value.
 *
 * Commands build a json_t and name the columns; nothing is printed twice in two ways. Text from
 * outside goes through text_safe before it reaches a terminal. */
#ifndef CHANCERY_CLI_OUT_H
#define CHANCERY_CLI_OUT_H

#include <jansson.h>
#include <stdio.h>

#include "base/bytes.h"

struct out {
    FILE *f, *err;
    bool json;
};

enum out_kind {
    OUT_TEXT = 0, /* as it is; numbers decimal, lists joined by ", " */
    OUT_TIME,     /* seconds since 1970 -> 2026-11-21T10:00:00Z; 0: "-" */
};

struct out_column {
    const char *title; /* "SERIAL" in tables, "Serial" in records */
    const char *key;   /* member of the row object */
    enum out_kind kind;
};

/* out_table takes ownership of `rows` (array of objects) and prints it; as JSON: {"<name>": rows,
 * ...extra}. extra (object, may be NULL; ownership taken) holds further members for JSON. */
enum chancery_err out_table(struct out *o, const char *name, json_t *rows, json_t *extra,
                            const struct out_column *columns, size_t n) MUST_CHECK;

/* out_record takes ownership of `object`; people see "Title  value" lines of members that are
 * there. */
enum chancery_err out_record(struct out *o, json_t *object, const struct out_column *fields,
                             size_t n) MUST_CHECK;

/* out_note prints a line for people; nothing in JSON mode. */
void out_note(struct out *o, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* out_error prints a failure to stderr in the form of the mode. */
void out_error(struct out *o, enum chancery_err err, const struct diag *diag);

/* Making JSON: text (invalid UTF-8 is escaped), hex of bytes, base64 of bytes. */
json_t *out_text(struct slice s);
json_t *out_hex(struct slice s);
json_t *out_base64(struct slice s);

/* out_canonical appends the canonical dump: sorted keys, no blanks. */
enum chancery_err out_canonical(const json_t *v, struct buf *buf) MUST_CHECK;

#endif
