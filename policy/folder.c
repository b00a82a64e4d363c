/* Reading a bundle's folder into memory: only files that a bundle has, only regular ones. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "os/os.h"
#include "policy/policy_int.h"

#define FILE_MAX_BYTES ((size_t)4 << 20) /* lib/conf's limit */
#define FILES_MAX 20000                  /* 1000 profiles, a file of bindings each for 10,000 */
#define FOLDER_MEMORY ((size_t)256 << 20)

struct reader {
    struct policy_folder *out;
    size_t cap;
    const char *root;
    struct diag *diag;
};

static enum chancery_err refuse_file(const struct reader *r, const char *path, const char *why)
{
    return diag_set(r->diag, CH_INVALID, path, "policy.file", "%s", why);
}

static enum chancery_err grow(struct reader *r, const char *path)
{
    if (r->out->n < r->cap) {
        return CH_OK;
    }
    if (r->out->n == FILES_MAX) {
        return diag_set(r->diag, CH_LIMIT, path, "policy.files", "more than %d files", FILES_MAX);
    }
    size_t cap = r->cap == 0 ? 64 : r->cap * 2;
    cap = cap > FILES_MAX ? FILES_MAX : cap;
    struct policy_file *files = realloc(r->out->files, cap * sizeof *files);
    if (files == NULL) {
        return CH_NOMEM;
    }
    r->out->files = files;
    r->cap = cap;
    return CH_OK;
}

static enum chancery_err add_file(struct reader *r, const char *path)
{
    struct stat st;
    struct arena *arena = &r->out->arena;
    char *full = arena_printf(arena, "%s/%s", r->root, path);
    struct buf text CLEANUP(buf_clear);
    buf_init(&text,
             strncmp(path, "blocklists/", 11) == 0 ? POLICY_BLOCKLIST_BYTES : FILE_MAX_BYTES);
    if (full == NULL) {
        return CH_NOMEM;
    }
    if (lstat(full, &st) != 0 || !S_ISREG(st.st_mode)) {
        return refuse_file(r, path, "only regular files belong to a bundle");
    }
    TRY(grow(r, path));
    TRY(os_file_read(full, &text, r->diag));
    uint8_t *copy = arena_copy(arena, buf_slice(&text));
    char *name = arena_str(arena, slice_str(path));
    if (copy == NULL || name == NULL) {
        return CH_NOMEM;
    }
    r->out->files[r->out->n++] = (struct policy_file){name, slice_of(copy, text.len)};
    return CH_OK;
}

static enum chancery_err visit(struct reader *r, const char *sub, const char *name);

static enum chancery_err list_folder(struct reader *r, const char *sub)
{
    char *path = arena_printf(&r->out->arena, "%s/%s", r->root, sub);
    DIR *dir = path == NULL ? NULL : opendir(path);
    if (dir == NULL) {
        return diag_set(r->diag, path == NULL ? CH_NOMEM : CH_NOT_FOUND, r->root, "policy.file",
                        "cannot open folder %s", path == NULL ? "" : path);
    }
    enum chancery_err err = CH_OK;
    const struct dirent *e;
    while (err == CH_OK && (e = readdir(dir)) != NULL) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            err = visit(r, sub, e->d_name);
        }
    }
    (void)closedir(dir);
    return err;
}

static enum chancery_err visit(struct reader *r, const char *sub, const char *name)
{
    char *path = arena_printf(&r->out->arena, "%s%s%s", sub, sub[0] == '\0' ? "" : "/", name);
    if (path == NULL) {
        return CH_NOMEM;
    }
    if (sub[0] == '\0' && policy_folder_known(path)) {
        struct stat st;
        const char *full = arena_printf(&r->out->arena, "%s/%s", r->root, path);
        if (full == NULL || lstat(full, &st) != 0 || !S_ISDIR(st.st_mode)) {
            return full == NULL ? CH_NOMEM : refuse_file(r, path, "this must be a folder");
        }
        return list_folder(r, path);
    }
    return policy_file_known(path)
               ? add_file(r, path)
               : refuse_file(r, path,
                             "a bundle has no such file; docs/POLICY.md lists what it holds");
}

static int by_path(const void *a, const void *b)
{
    const struct policy_file *x = a, *y = b;
    return strcmp(x->path, y->path);
}

enum chancery_err policy_folder_load(const char *dir, struct policy_folder *out, struct diag *diag)
{
    struct reader r = {.out = out, .root = dir, .diag = diag};
    *out = (struct policy_folder){.n = 0};
    arena_init(&out->arena, FOLDER_MEMORY);
    enum chancery_err err = list_folder(&r, "");
    if (err != CH_OK) {
        policy_folder_clear(out);
        return err;
    }
    if (out->n > 0) {
        qsort(out->files, out->n, sizeof *out->files, by_path);
    }
    return CH_OK;
}

void policy_folder_clear(struct policy_folder *f)
{
    free(f->files);
    arena_clear(&f->arena);
    *f = (struct policy_folder){.n = 0};
}
