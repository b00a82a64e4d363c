/* The leaf of the audit log: one canonical JSON line. Writer and strict reader of one format.
 *
 *   {"action":A,"boot":B,"f":{...},"producer":P,"pseq":N,"ts":T,"v":1}
 *
 * Keys sorted, no white space, numbers as plain decimal integers of 64 bits, strings escaped as RFC
 * 8785 3.2.2.2 does. "f" is flat: text and numbers only, names strictly ascending. There is exactly
 * one spelling of a leaf; audit_leaf_read takes no other. Pure: no clock, no I/O. */
#ifndef CHANCERY_AUDIT_LEAF_H
#define CHANCERY_AUDIT_LEAF_H

#include "base/bytes.h"

#define AUDIT_ACTION_MAX 64
#define AUDIT_NAME_MAX 64
#define AUDIT_TEXT_MAX                                                                             \
    ((size_t)16 << 10)       /* a field is a fact, not a document: those go in by digest */
#define AUDIT_DIGEST_MAX 256 /* octets; SHA-512 is 64, a long serial 20 */
#define AUDIT_FIELDS_MAX 64
#define AUDIT_ENCODED_MAX                                                                          \
    ((size_t)32 << 10) /* of "f": keeps every leaf under tlog-tiles' 65,535                        \
                        */
#define AUDIT_PRODUCER_MAX 512
#define AUDIT_BOOT 16
#define AUDIT_LEAF_MAX (AUDIT_ENCODED_MAX + AUDIT_PRODUCER_MAX + 512)

enum audit_field_type { AUDIT_TEXT = 1, AUDIT_DIGEST, AUDIT_NUMBER };
struct audit_field {
    struct slice name; /* [a-z0-9_]{1,64}, unique in its entry */
    enum audit_field_type type;
    struct slice value; /* TEXT (UTF-8), DIGEST (octets, written as lower-case hex) */
    int64_t num;        /* NUMBER */
};

/* audit_fields_write checks fields and appends them as the JSON object "f". `fields` is put into
 * order. CH_INVALID, CH_LIMIT with rules "audit.field.*"; diag->field is the name where there is
 * one. */
enum chancery_err audit_fields_write(struct audit_field *fields, size_t n, struct buf *out,
                                     struct diag *diag) MUST_CHECK;

/* audit_fields_find gives the raw JSON value of `name` in a canonical object "f": a string with its
 * quotes, or a number. CH_NOT_FOUND. */
enum chancery_err audit_fields_find(struct slice f, const char *name, struct slice *out) MUST_CHECK;

/* audit_fields_number / audit_fields_digest read one value; CH_NOT_FOUND, CH_MALFORMED (other
 * type). */
enum chancery_err audit_fields_number(struct slice f, const char *name, int64_t *out) MUST_CHECK;
enum chancery_err audit_fields_digest(struct slice f, const char *name, uint8_t *out,
                                      size_t size) MUST_CHECK;

/* audit_fields_match says whether field `name` has `value`: text as it was before escaping, hex of
 * a digest, or decimal of a number. */
bool audit_fields_match(struct slice f, struct slice name, struct slice value);

struct audit_leaf {
    struct slice action;
    uint8_t boot[AUDIT_BOOT];
    struct slice f; /* canonical JSON object */
    struct slice producer;
    uint64_t sequence; /* 1..2^63-1 */
    int64_t ts_ns;
};

/* audit_action_ok: [a-z0-9._-]{1,64}. audit_producer_ok: printable ASCII without quote, backslash
 * and space, 1..512: a SPIFFE URI needs no escape. */
bool audit_action_ok(struct slice action);
bool audit_producer_ok(struct slice producer);

/* audit_leaf_write appends the line (no newline); the parts were checked before. */
enum chancery_err audit_leaf_write(const struct audit_leaf *leaf, struct buf *out) MUST_CHECK;

/* audit_row_add appends a leaf in the form of audit.batch.entries: length as u32, then the line. */
enum chancery_err audit_row_add(struct buf *row, struct slice line) MUST_CHECK;

/* audit_leaf_read reads one canonical line; slices borrow from it. CH_MALFORMED for any other
 * spelling. */
enum chancery_err audit_leaf_read(struct slice line, struct audit_leaf *out,
                                  struct diag *diag) MUST_CHECK;

#endif
