/* The tree behind conf.h; private to lib/conf. */
#ifndef CHANCERY_CONF_CONF_INT_H
#define CHANCERY_CONF_CONF_INT_H

#include "conf/conf.h"

#define CONF_FILE_MAX ((size_t)4 << 20) /* the largest sensible bundle is a tenth of it */
#define CONF_DEPTH_MAX 16               /* our deepest schema has 7 levels */
#define CONF_NODES_MAX 200000           /* 10,000 identity bindings of 8 nodes, doubled */
#define CONF_ASKED_MAX 64               /* absent names remembered per map for suggestions */

struct conf_entry {
    const char *key; /* NULL in a list */
    unsigned line, column;
    const struct conf_node *value;
    bool taken;
};

struct conf_asked {
    const char *key;
    struct conf_asked *next;
};

/* What readers may change in an otherwise immutable node. */
struct conf_marks {
    struct conf_asked *asked;
    unsigned n_asked;
};

struct conf_node {
    struct conf_doc *doc;
    enum conf_kind kind;
    unsigned line, column;
    const char *text; /* scalar */
    bool plain;       /* scalar written without quotes */
    struct conf_entry *entries;
    size_t *order; /* map: indices of entries sorted by key */
    size_t n;
    struct conf_marks *marks;        /* map */
    const struct conf_node *beneath; /* map: the base it was laid over, or NULL */
};

struct conf_doc {
    struct arena arena;
    const char *name;
    const struct conf_node *root;
};

/* conf_order sorts the keys of a map with `n` entries into `order`; conf_twice returns the later of
 * two equal keys, NULL when all differ. */
void conf_order(struct conf_node *n);
const struct conf_entry *conf_twice(const struct conf_node *n);

#endif
