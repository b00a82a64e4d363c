/* YAML events (libyaml) to a tree. Strict subset: see conf.h. One pass, an explicit stack of
 * CONF_DEPTH_MAX frames, no recursion. */
#include <stdlib.h>
#include <yaml.h>

#include "conf/conf_int.h"
#include "os/os.h"

struct pending {
    struct conf_entry entry;
    struct pending *next;
};

struct frame {
    struct conf_node *node;
    struct pending *first, *last;
    const char *key; /* map: the key that waits for its value */
    unsigned key_line, key_column;
};

struct builder {
    struct conf_doc *doc;
    struct frame stack[CONF_DEPTH_MAX];
    size_t depth;
    size_t nodes;
    bool done;
    struct diag *diag;
};

static enum chancery_err fail_at(const struct conf_doc *doc, yaml_mark_t mark,
                                 enum chancery_err err, const char *rule, struct diag *diag,
                                 const char *text)
{
    char field[96];
    (void)snprintf(field, sizeof field, "%s:%zu:%zu", doc->name, mark.line + 1, mark.column + 1);
    return diag_set(diag, err, field, rule, "%s", text);
}

static struct conf_node *node_new(struct builder *b, enum conf_kind kind, yaml_mark_t mark)
{
    struct conf_node *n = arena_alloc(&b->doc->arena, sizeof *n);
    if (n == NULL) {
        return NULL;
    }
    *n = (struct conf_node){.doc = b->doc,
                            .kind = kind,
                            .line = (unsigned)mark.line + 1,
                            .column = (unsigned)mark.column + 1};
    if (kind == CONF_MAP) {
        n->marks = arena_alloc(&b->doc->arena, sizeof *n->marks);
        return n->marks == NULL ? NULL : n;
    }
    return n;
}

/* Puts a finished or just opened value where it belongs: root, list item or value of the waiting
 * key. */
static enum chancery_err attach(struct builder *b, const struct conf_node *n)
{
    if (b->depth == 0) {
        b->doc->root = n;
        b->done = true;
        return CH_OK;
    }
    struct frame *f = &b->stack[b->depth - 1];
    struct pending *p = arena_alloc(&b->doc->arena, sizeof *p);
    if (p == NULL) {
        return CH_NOMEM;
    }
    p->entry = (struct conf_entry){.key = f->key,
                                   .line = f->key == NULL ? n->line : f->key_line,
                                   .column = f->key == NULL ? n->column : f->key_column,
                                   .value = n};
    f->key = NULL;
    if (f->last == NULL) {
        f->first = p;
    } else {
        f->last->next = p;
    }
    f->last = p;
    f->node->n++;
    return CH_OK;
}

/* Sorts a map's keys and refuses equal ones. */
static enum chancery_err map_close(struct builder *b, struct conf_node *n)
{
    n->order = arena_alloc(&b->doc->arena, n->n * sizeof *n->order);
    if (n->order == NULL) {
        return CH_NOMEM;
    }
    conf_order(n);
    const struct conf_entry *later = conf_twice(n);
    if (later != NULL) {
        yaml_mark_t mark = {.line = later->line - 1, .column = later->column - 1};
        char text[160];
        (void)snprintf(text, sizeof text, "key \"%.64s\" stands twice in this map", later->key);
        return fail_at(b->doc, mark, CH_INVALID, "conf.duplicate", b->diag, text);
    }
    return CH_OK;
}

static enum chancery_err on_close(struct builder *b)
{
    struct frame *f = &b->stack[--b->depth];
    struct conf_node *n = f->node;
    n->entries = arena_alloc(&b->doc->arena, n->n * sizeof *n->entries);
    if (n->entries == NULL) {
        return CH_NOMEM;
    }
    size_t i = 0;
    for (const struct pending *p = f->first; p != NULL; p = p->next) {
        n->entries[i++] = p->entry;
    }
    return n->kind == CONF_MAP ? map_close(b, n) : CH_OK;
}

static bool wants_key(const struct builder *b)
{
    return b->depth > 0 && b->stack[b->depth - 1].node->kind == CONF_MAP &&
           b->stack[b->depth - 1].key == NULL;
}

static enum chancery_err on_open(struct builder *b, enum conf_kind kind, const yaml_event_t *ev,
                                 bool tagged, bool anchored)
{
    if (tagged || anchored) {
        return fail_at(b->doc, ev->start_mark, CH_INVALID, tagged ? "conf.tag" : "conf.anchor",
                       b->diag, "tags, anchors and aliases are not part of the language");
    }
    if (wants_key(b)) {
        return fail_at(b->doc, ev->start_mark, CH_INVALID, "conf.key", b->diag,
                       "a key must be plain text");
    }
    if (b->depth == CONF_DEPTH_MAX) {
        return fail_at(b->doc, ev->start_mark, CH_LIMIT, "conf.depth", b->diag,
                       "nested deeper than 16 levels");
    }
    struct conf_node *n = node_new(b, kind, ev->start_mark);
    if (n == NULL) {
        return CH_NOMEM;
    }
    TRY(attach(b, n));
    b->stack[b->depth++] = (struct frame){.node = n};
    return CH_OK;
}

static enum chancery_err on_scalar(struct builder *b, const yaml_event_t *ev)
{
    bool plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    struct slice text = slice_of(ev->data.scalar.value, ev->data.scalar.length);
    if (ev->data.scalar.anchor != NULL) {
        return fail_at(b->doc, ev->start_mark, CH_INVALID, "conf.anchor", b->diag,
                       "tags, anchors and aliases are not part of the language");
    }
    if (ev->data.scalar.tag != NULL || (plain && !ev->data.scalar.plain_implicit)) {
        return fail_at(b->doc, ev->start_mark, CH_INVALID, "conf.tag", b->diag,
                       "tags, anchors and aliases are not part of the language");
    }
    if (slice_has_nul(text)) {
        return fail_at(b->doc, ev->start_mark, CH_INVALID, "conf.nul", b->diag,
                       "text holds a NUL character");
    }
    if (plain && text.len == 0) {
        return fail_at(b->doc, ev->start_mark, CH_INVALID, "conf.empty", b->diag,
                       "a value is missing here; write it, or \"\" for empty text");
    }
    char *copy = arena_str(&b->doc->arena, text);
    if (copy == NULL) {
        return CH_NOMEM;
    }
    if (wants_key(b)) {
        struct frame *f = &b->stack[b->depth - 1];
        f->key = copy;
        f->key_line = (unsigned)ev->start_mark.line + 1;
        f->key_column = (unsigned)ev->start_mark.column + 1;
        return CH_OK;
    }
    struct conf_node *n = node_new(b, CONF_SCALAR, ev->start_mark);
    if (n == NULL) {
        return CH_NOMEM;
    }
    n->text = copy;
    n->plain = plain;
    return attach(b, n);
}

static enum chancery_err on_event(struct builder *b, const yaml_event_t *ev)
{
    if (++b->nodes > CONF_NODES_MAX) {
        return fail_at(b->doc, ev->start_mark, CH_LIMIT, "conf.nodes", b->diag,
                       "more than 200,000 nodes");
    }
    switch (ev->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (b->done) {
            return fail_at(b->doc, ev->start_mark, CH_INVALID, "conf.documents", b->diag,
                           "one file holds one document");
        }
        if (ev->data.document_start.version_directive != NULL ||
            ev->data.document_start.tag_directives.start !=
                ev->data.document_start.tag_directives.end) {
            return fail_at(b->doc, ev->start_mark, CH_INVALID, "conf.directive", b->diag,
                           "directives are not part of the language");
        }
        return CH_OK;
    case YAML_ALIAS_EVENT:
        return fail_at(b->doc, ev->start_mark, CH_INVALID, "conf.anchor", b->diag,
                       "tags, anchors and aliases are not part of the language");
    case YAML_SCALAR_EVENT:
        return on_scalar(b, ev);
    case YAML_SEQUENCE_START_EVENT:
        return on_open(b, CONF_LIST, ev, ev->data.sequence_start.tag != NULL,
                       ev->data.sequence_start.anchor != NULL);
    case YAML_MAPPING_START_EVENT:
        return on_open(b, CONF_MAP, ev, ev->data.mapping_start.tag != NULL,
                       ev->data.mapping_start.anchor != NULL);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return on_close(b);
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return CH_OK;
    }
    return CH_INTERNAL;
}

static enum chancery_err drive(struct builder *b, yaml_parser_t *parser)
{
    for (;;) {
        yaml_event_t ev;
        if (yaml_parser_parse(parser, &ev) == 0) {
            if (parser->error == YAML_MEMORY_ERROR) {
                return CH_NOMEM;
            }
            return fail_at(b->doc, parser->problem_mark, CH_MALFORMED, "conf.yaml", b->diag,
                           parser->problem == NULL ? "not YAML" : parser->problem);
        }
        bool end = ev.type == YAML_STREAM_END_EVENT;
        enum chancery_err err = on_event(b, &ev);
        yaml_event_delete(&ev);
        if (err != CH_OK || end) {
            return err;
        }
    }
}

static enum chancery_err check_text(const struct conf_doc *doc, struct slice text,
                                    struct diag *diag)
{
    yaml_mark_t top = {0};
    if (text.len > CONF_FILE_MAX) {
        return fail_at(doc, top, CH_LIMIT, "conf.size", diag, "file is larger than 4 MiB");
    }
    if (slice_has_nul(text)) {
        return fail_at(doc, top, CH_INVALID, "conf.nul", diag, "file holds a NUL character");
    }
    if (!slice_is_utf8(text) || (text.len >= 3 && memcmp(text.ptr, "\xef\xbb\xbf", 3) == 0)) {
        return fail_at(doc, top, CH_INVALID, "conf.utf8", diag,
                       "file is not UTF-8 without byte order mark");
    }
    return CH_OK;
}

static enum chancery_err build(struct conf_doc *doc, struct slice text, struct diag *diag)
{
    TRY(check_text(doc, text, diag));
    yaml_parser_t parser;
    if (yaml_parser_initialize(&parser) == 0) {
        return CH_NOMEM;
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    /* An empty file has no address, which the library asserts. */
    yaml_parser_set_input_string(&parser, text.len == 0 ? (const uint8_t *)"" : text.ptr, text.len);
    struct builder b = {.doc = doc, .diag = diag};
    enum chancery_err err = drive(&b, &parser);
    yaml_parser_delete(&parser);
    if (err == CH_OK && doc->root == NULL) {
        yaml_mark_t top = {0};
        return fail_at(doc, top, CH_INVALID, "conf.empty", diag, "file is empty");
    }
    return err;
}

enum chancery_err conf_parse(const char *name, struct slice text, struct conf_doc **out,
                             struct diag *diag)
{
    struct conf_doc *doc = calloc(1, sizeof *doc);
    if (doc == NULL) {
        return CH_NOMEM;
    }
    arena_init(&doc->arena, 0);
    doc->name = arena_str(&doc->arena, slice_str(name));
    enum chancery_err err = doc->name == NULL ? CH_NOMEM : build(doc, text, diag);
    if (err != CH_OK) {
        conf_free(doc);
        return err;
    }
    *out = doc;
    return CH_OK;
}

enum chancery_err conf_load(const char *path, struct conf_doc **out, struct diag *diag)
{
    struct buf text CLEANUP(buf_clear);
    buf_init(&text, CONF_FILE_MAX);
    TRY(os_file_read(path, &text, diag));
    return conf_parse(path, buf_slice(&text), out, diag);
}

void conf_free(struct conf_doc *doc)
{
    if (doc != NULL) {
        arena_clear(&doc->arena);
        free(doc);
    }
}
