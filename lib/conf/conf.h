/* Strict YAML configuration: a typed tree with file, line and column on every error.
 *
 * Subset: block and flow mappings, sequences, scalars. Refused: anchors, aliases, tags, directives,
 * duplicate keys, several documents, empty plain values, NUL, invalid UTF-8, nesting deeper than
 * 16, more than 200,000 nodes, files over 4 MiB. Every key must be asked for: conf_finish reports
 * those nobody took, with the nearest known name as a suggestion. Nodes are owned by the document
 * and immutable but for the "taken" mark, so a document is read by one thread. */
#ifndef CHANCERY_CONF_CONF_H
#define CHANCERY_CONF_CONF_H

#include "base/bytes.h"

struct conf_doc;
struct conf_node;

enum conf_kind { CONF_NONE = 0, CONF_SCALAR, CONF_MAP, CONF_LIST };

/* conf_load reads a file; conf_parse reads bytes, `name` standing for the file in errors. Errors:
 * CH_MALFORMED (YAML), CH_INVALID (subset), CH_LIMIT, CH_NOT_FOUND, CH_IO; diag->field is
 * "file:line:column". */
enum chancery_err conf_load(const char *path, struct conf_doc **out, struct diag *diag) MUST_CHECK;
enum chancery_err conf_parse(const char *name, struct slice text, struct conf_doc **out,
                             struct diag *diag) MUST_CHECK;
void conf_free(struct conf_doc *doc);
const struct conf_node *conf_root(const struct conf_doc *doc);

enum conf_kind conf_kind(const struct conf_node *n); /* NULL: CONF_NONE */
unsigned conf_line(const struct conf_node *n);
unsigned conf_column(const struct conf_node *n);
const char *conf_file(const struct conf_node *n);

/* conf_get returns the value of `key` in a map and marks it taken; NULL when absent or not a map.
 */
const struct conf_node *conf_get(const struct conf_node *map, const char *key);
/* conf_count / conf_at / conf_key_at walk maps and lists in file order (walking a map marks taken).
 */
size_t conf_count(const struct conf_node *n);
const struct conf_node *conf_at(const struct conf_node *n, size_t i);
const char *conf_key_at(const struct conf_node *map, size_t i);

/* Typed readers. `key` missing: *out keeps its value (the default) unless `required`, then
 * CH_INVALID. Strings are borrowed from the document. Integers are decimal and must lie in [min,
 * max]. Durations are "90d", "12h", "5m", "30s" or combinations "1d12h"; result in seconds. Sizes:
 * "64KiB", "4MiB", bytes. */
enum conf_need { CONF_OPTIONAL = 0, CONF_REQUIRED };
enum chancery_err conf_string(const struct conf_node *map, const char *key, enum conf_need need,
                              const char **out, struct diag *diag) MUST_CHECK;
enum chancery_err conf_int(const struct conf_node *map, const char *key, enum conf_need need,
                           int64_t min, int64_t max, int64_t *out, struct diag *diag) MUST_CHECK;
enum chancery_err conf_bool(const struct conf_node *map, const char *key, enum conf_need need,
                            bool *out, struct diag *diag) MUST_CHECK;
enum chancery_err conf_duration_s(const struct conf_node *map, const char *key, enum conf_need need,
                                  int64_t min_s, int64_t max_s, int64_t *out,
                                  struct diag *diag) MUST_CHECK;
enum chancery_err conf_size(const struct conf_node *map, const char *key, enum conf_need need,
                            int64_t min, int64_t max, int64_t *out, struct diag *diag) MUST_CHECK;
enum chancery_err conf_map(const struct conf_node *map, const char *key, enum conf_need need,
                           const struct conf_node **out, struct diag *diag) MUST_CHECK;
enum chancery_err conf_list(const struct conf_node *map, const char *key, enum conf_need need,
                            const struct conf_node **out, struct diag *diag) MUST_CHECK;
/* conf_rate reads "100/1h": a count of 1..max_n per duration of 1 s..366 d. */
enum chancery_err conf_rate(const struct conf_node *map, const char *key, enum conf_need need,
                            int64_t max_n, int64_t *out_n, int64_t *out_period_s,
                            struct diag *diag) MUST_CHECK;
/* conf_scalar returns the text of a scalar node (list items). CH_INVALID otherwise. */
enum chancery_err conf_scalar(const struct conf_node *n, const char **out,
                              struct diag *diag) MUST_CHECK;

/* conf_overlay lays map `over` on map `base`. A key that only one of them has stays as it is; where
 * both have a map, these two are laid over each other in the same way, one level deep and no
 * deeper; any other value of `over` replaces the base's. Keys named in `own` (NULL at its end) are
 * never taken from the base. Every node keeps the file and line where it was written; a merged map
 * stands where `over` wrote it. *out lives in the document of `over` and borrows from the base's
 * document, which must outlive it. CH_INVALID "conf.type" when one of them is no map. */
enum chancery_err conf_overlay(const struct conf_node *base, const struct conf_node *over,
                               const char *const *own, const struct conf_node **out,
                               struct diag *diag) MUST_CHECK;
/* conf_beneath returns the map of the base that a merged map took keys from; NULL for any other
 * node. */
const struct conf_node *conf_beneath(const struct conf_node *n);

/* conf_error fills diag with the node's file:line:column and returns `err`. */
enum chancery_err conf_error(const struct conf_node *n, enum chancery_err err, const char *rule,
                             struct diag *diag, const char *fmt, ...) PRINTF_LIKE(5, 6);

/* conf_finish: CH_INVALID when some map below `n` holds a key that was never taken. */
enum chancery_err conf_finish(const struct conf_node *n, struct diag *diag) MUST_CHECK;

#endif
