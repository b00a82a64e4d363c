/* A small JSON reader and canonical writer, for leaves and trust.json. Values are text, integers of
 * 64 bits, booleans, null, lists and objects; fractions and duplicate names are refused. */
#ifndef CHANCERY_VERIFY_JSON_H
#define CHANCERY_VERIFY_JSON_H

#include "base/bytes.h"

#define VERIFY_JSON_DEPTH 16

enum verify_json_kind {
    VERIFY_JSON_NONE = 0,
    VERIFY_JSON_NULL,
    VERIFY_JSON_BOOL,
    VERIFY_JSON_NUMBER,
    VERIFY_JSON_TEXT,
    VERIFY_JSON_LIST,
    VERIFY_JSON_OBJECT,
};
struct verify_json {
    enum verify_json_kind kind;
    int64_t num;                      /* NUMBER; BOOL: 0 or 1 */
    struct slice text;                /* TEXT, unescaped */
    struct slice name;                /* when it is a member of an object */
    struct verify_json *first, *next; /* children in order of appearance; siblings */
};

/* verify_json_read reads one value and nothing behind it; memory from `arena`. *out_at is where a
 * refused text went wrong. CH_MALFORMED, CH_LIMIT (depth), CH_NOMEM. */
enum chancery_err verify_json_read(struct slice text, struct arena *arena, struct verify_json **out,
                                   size_t *out_at) MUST_CHECK;

/* verify_json_write appends the canonical form: names sorted by their bytes, no white space, RFC
 * 8785 escapes. `v`'s members are put into order. */
enum chancery_err verify_json_write(struct verify_json *v, struct buf *out) MUST_CHECK;

/* verify_json_get returns a member of an object, NULL when absent. */
const struct verify_json *verify_json_get(const struct verify_json *object, const char *name);

#endif
