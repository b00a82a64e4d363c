/* Bases and `extends`. A base is resolved when it is first needed: its own keys laid over those of
 * the base that it extends. */
#include <stdio.h>
#include <stdlib.h>

#include "policy/bases.h"
#include "policy/policy_int.h"

#define FOLDER "bases/"
#define SUFFIX ".yaml"
#define CHAIN_TEXT 256 /* of a circle, in an error */

struct base {
    struct slice name;
    struct conf_doc *doc;
    const struct conf_node *merged; /* NULL until resolved */
    size_t depth;                   /* bases in its chain, itself counted */
    bool open;                      /* being resolved: meeting it again is a circle */
};

struct policy_bases {
    struct base *list; /* sorted by name, as files are */
    size_t n;
};

/* Never inherited: what a file says of itself, and alternatives of what the file itself says. */
#define OWN_MAX 6

static struct base *find(const struct policy_bases *bases, const char *name)
{
    for (size_t i = 0; bases != NULL && i < bases->n; i++) {
        if (slice_eq(bases->list[i].name, slice_str(name))) {
            return &bases->list[i];
        }
    }
    return NULL;
}

enum chancery_err policy_bases_add(struct policy_bundle *b, const struct policy_file *f,
                                   struct diag *diag)
{
    if (b->bases == NULL) {
        b->bases = calloc(1, sizeof *b->bases);
    }
    if (b->bases == NULL) {
        return CH_NOMEM;
    }
    if (b->bases->n == POLICY_BASES_MAX) {
        return diag_set(diag, CH_LIMIT, f->path, "policy.files", "more than %d bases",
                        POLICY_BASES_MAX);
    }
    struct base *list = realloc(b->bases->list, (b->bases->n + 1) * sizeof *list);
    if (list == NULL) {
        return CH_NOMEM;
    }
    b->bases->list = list;
    struct base *base = &list[b->bases->n];
    *base = (struct base){.doc = NULL};
    TRY(conf_parse(f->path, f->content, &base->doc, diag));
    b->bases->n++;
    const char *name = NULL;
    TRY(conf_string(conf_root(base->doc), "name", CONF_REQUIRED, &name, diag));
    base->name = slice_str(name); /* the document's */
    struct slice stem = slice_str(f->path + sizeof FOLDER - 1);
    if (!slice_eq(slice_sub(stem, 0, stem.len - (sizeof SUFFIX - 1)), base->name)) {
        return conf_error(conf_get(conf_root(base->doc), "name"), CH_INVALID, "policy.name", diag,
                          "base \"%.64s\" must be in a file of that name", name);
    }
    return CH_OK;
}

/* The nearest base by common beginning: good enough for a typing mistake in a name. */
static const struct base *nearest(const struct policy_bases *bases, const char *name)
{
    const struct base *best = NULL;
    size_t most = 0;
    for (size_t i = 0; bases != NULL && i < bases->n; i++) {
        const struct slice s = bases->list[i].name;
        size_t n = 0;
        while (n < s.len && name[n] != '\0' && s.ptr[n] == (uint8_t)name[n]) {
            n++;
        }
        if (n > most) {
            best = &bases->list[i];
            most = n;
        }
    }
    return best;
}

static enum chancery_err unknown(const struct policy_bases *bases, const struct conf_node *at,
                                 const char *name, struct diag *diag)
{
    const struct base *hint = nearest(bases, name);
    if (hint == NULL) {
        return conf_error(at, CH_INVALID, "policy.extends", diag,
                          "there is no bases/%.64s.yaml to extend", name);
    }
    return conf_error(at, CH_INVALID, "policy.extends", diag,
                      "there is no bases/%.64s.yaml to extend; did you mean \"%.*s\"?", name,
                      (int)(hint->name.len < 64 ? hint->name.len : 64),
                      (const char *)hint->name.ptr);
}

/* Names the circle: from `first` along `extends` back to it. */
static enum chancery_err circle(const struct policy_bases *bases, const struct base *first,
                                const struct conf_node *at, struct diag *diag)
{
    char text[CHAIN_TEXT] = "";
    const struct base *x = first;
    size_t len = 0;
    for (size_t i = 0; i <= POLICY_EXTENDS_MAX && x != NULL; i++) {
        const char *next = NULL;
        int n = snprintf(text + len, sizeof text - len, "%s%.*s", i == 0 ? "" : " -> ",
                         (int)(x->name.len < 64 ? x->name.len : 64), (const char *)x->name.ptr);
        len = n < 0 || len + (size_t)n >= sizeof text ? sizeof text - 1 : len + (size_t)n;
        if ((i > 0 && x == first) ||
            conf_string(conf_root(x->doc), "extends", CONF_OPTIONAL, &next, NULL) != CH_OK) {
            break;
        }
        x = next == NULL ? NULL : find(bases, next);
    }
    return conf_error(at, CH_INVALID, "policy.extends", diag,
                      "bases extend each other in a circle: %s", text);
}

/* Keys of `over` that are not taken from a base. */
static void own_keys(const struct conf_node *over, const char *own[OWN_MAX])
{
    size_t n = 0;
    own[n++] = "name";
    own[n++] = "description";
    own[n++] = "extends";
    if (conf_get(over, "issuers") != NULL) {
        own[n++] = "issuer";
    }
    if (conf_get(over, "issuer") != NULL) {
        own[n++] = "issuers";
    }
    own[n] = NULL;
}

/* Recursion: POLICY_EXTENDS_MAX calls at most. */
static enum chancery_err extend(struct policy_bases *bases, const struct conf_node *root,
                                size_t *depth, size_t level, const struct conf_node **out,
                                struct diag *diag)
{
    const char *name = NULL, *own[OWN_MAX];
    *depth = 0;
    *out = root;
    TRY(conf_string(root, "extends", CONF_OPTIONAL, &name, diag));
    if (name == NULL) {
        return CH_OK;
    }
    const struct conf_node *at = conf_get(root, "extends");
    struct base *base = find(bases, name);
    if (base == NULL) {
        return unknown(bases, at, name, diag);
    }
    if (base->open) {
        return circle(bases, base, at, diag);
    }
    if (base->merged == NULL && level < POLICY_EXTENDS_MAX) {
        base->open = true;
        TRY(extend(bases, conf_root(base->doc), &base->depth, level + 1, &base->merged, diag));
        base->open = false;
        base->depth++;
    }
    if (base->merged == NULL || base->depth > POLICY_EXTENDS_MAX) {
        base->merged = NULL;
        return conf_error(at, CH_LIMIT, "policy.extends", diag,
                          "a chain of more than %d bases; put what they share into one",
                          POLICY_EXTENDS_MAX);
    }
    *depth = base->depth;
    own_keys(root, own);
    return conf_overlay(base->merged, root, own, out, diag);
}

enum chancery_err policy_bases_extend(struct policy_bundle *b, const struct conf_node *root,
                                      const struct conf_node **out, struct diag *diag)
{
    size_t depth = 0;
    if (conf_kind(root) != CONF_MAP) {
        return conf_error(root, CH_INVALID, "conf.type", diag, "this must be a map (key: value)");
    }
    return extend(b->bases, root, &depth, 0, out, diag);
}

/* What a profile cannot do without, for checking a base alone. */
static const char skeleton[] = "issuer: issuer\n"
                               "callers: [/user/*]\n"
                               "keys: {types: [P-256]}\n"
                               "signature_algorithms: [ecdsa-with-SHA256]\n"
                               "validity: {max: 36500d}\n"
                               "subject: {}\n"
                               "names: {required: false}\n"
                               "extensions: {}\n";

static enum chancery_err check_base(struct policy_bundle *b, const struct base *base,
                                    const struct conf_node *least, struct diag *diag)
{
    const struct conf_node *root = NULL, *whole = NULL;
    const char *own[OWN_MAX];
    struct policy_profile unused;
    TRY(policy_bases_extend(b, conf_root(base->doc), &root, diag));
    own_keys(root, own);
    TRY(conf_overlay(least, root, own, &whole, diag));
    return policy_profile_compile(b, whole, &unused, diag);
}

enum chancery_err policy_bases_check(struct policy_bundle *b, struct diag *diag)
{
    struct conf_doc *least = NULL;
    if (b->bases == NULL) {
        return CH_OK;
    }
    TRY(conf_parse("engine", slice_str(skeleton), &least, diag));
    enum chancery_err err = CH_OK;
    for (size_t i = 0; i < b->bases->n && err == CH_OK; i++) {
        err = check_base(b, &b->bases->list[i], conf_root(least), diag);
    }
    conf_free(least);
    return err;
}

void policy_bases_free(struct policy_bases *bases)
{
    for (size_t i = 0; bases != NULL && i < bases->n; i++) {
        conf_free(bases->list[i].doc);
    }
    if (bases != NULL) {
        free(bases->list);
        free(bases);
    }
}
