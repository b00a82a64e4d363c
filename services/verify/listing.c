/* Every file of the folder is known and expected; and reading of single files. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tree.h"

#define DEPTH_MAX 16 /* tile/<L>/x../x../..: 2^64 entries need 10 */

unsigned verify_width(uint64_t size, unsigned level, uint64_t index)
{
    uint64_t hashes = size >> (8 * level);
    uint64_t full = hashes / TLOG_TILE_WIDTH;
    if (index < full) {
        return TLOG_TILE_WIDTH;
    }
    return index == full ? (unsigned)(hashes % TLOG_TILE_WIDTH) : 0;
}

/* Takes a path of tlog-tiles apart; false when it is not one, whatever the size. */
static bool parse_path(const char *path, int *out_level, uint64_t *out_index, unsigned *out_width)
{
    const char *p = path + 5;
    int level = 0;
    if (strncmp(path, "tile/", 5) != 0) {
        return false;
    }
    if (strncmp(p, "entries/", 8) == 0) {
        level = -1;
        p += 8;
    } else if (p[0] >= '0' && p[0] < '0' + VERIFY_LEVELS && p[1] == '/') {
        level = p[0] - '0';
        p += 2;
    } else {
        return false;
    }
    uint64_t index = 0;
    for (; *p != '\0' && *p != '.'; p++) {
        bool digit = *p >= '0' && *p <= '9';
        if ((!digit && *p != 'x' && *p != '/') ||
            (digit && (__builtin_mul_overflow(index, 10, &index) ||
                       __builtin_add_overflow(index, (uint64_t)(*p - '0'), &index)))) {
            return false;
        }
    }
    unsigned width = TLOG_TILE_WIDTH;
    if (*p == '.') {
        if (strncmp(p, ".p/", 3) != 0) {
            return false;
        }
        width = 0;
        for (p += 3; *p >= '0' && *p <= '9' && width < TLOG_TILE_WIDTH; p++) {
            width = width * 10 + (unsigned)(*p - '0');
        }
    }
    char want[96]; /* the one spelling decides */
    if (*p != '\0' || tlog_tile_path(level, index, width, want, sizeof want) != CH_OK ||
        strcmp(want, path) != 0) {
        return false;
    }
    *out_level = level;
    *out_index = index;
    *out_width = width;
    return true;
}

static bool judge_file(const char *path, uint64_t size, struct verify_report *r)
{
    int level = 0;
    uint64_t index = 0;
    unsigned width = 0;
    if (strcmp(path, "checkpoint") == 0) {
        return true;
    }
    if (!parse_path(path, &level, &index, &width)) {
        verify_fault_add(r, path, -1, -1, "file.unknown", "no log has a file of this name");
        return false;
    }
    unsigned now = verify_width(size, level < 0 ? 0 : (unsigned)level, index);
    if (now == width) {
        return true;
    }
    if (now > width) {
        verify_fault_add(r, path, -1, -1, "file.superseded",
                         "a wider tile has replaced this partial one");
    } else {
        verify_fault_add(r, path, -1, -1, "file.beyond",
                         "a log of this checkpoint's size has no such file");
    }
    return false;
}

struct listing {
    const char *dir;
    uint64_t size;
    struct verify_report *report;
};

static enum chancery_err join(const char *a, const char *b, char out[VERIFY_PATH_MAX])
{
    int n = a[0] == '\0' ? snprintf(out, VERIFY_PATH_MAX, "%s", b)
                         : snprintf(out, VERIFY_PATH_MAX, "%s/%s", a, b);
    return n < 0 || n >= VERIFY_PATH_MAX ? CH_LIMIT : CH_OK;
}

static enum chancery_err list_folder(struct listing *l, const char *folder, unsigned depth,
                                     unsigned *out_expected);

/* One name; *expected counts the files that belong to the log. */
static enum chancery_err list_name(struct listing *l, const char *path, unsigned depth,
                                   unsigned *expected)
{
    char full[VERIFY_PATH_MAX];
    struct stat st;
    TRY(join(l->dir, path, full));
    if (lstat(full, &st) != 0) {
        verify_fault_add(l->report, path, -1, -1, "file.unreadable", "%s", strerror(errno));
        return CH_OK;
    }
    if (S_ISREG(st.st_mode)) {
        *expected += judge_file(path, l->size, l->report) ? 1 : 0;
        return CH_OK;
    }
    if (!S_ISDIR(st.st_mode)) {
        verify_fault_add(l->report, path, -1, -1, "file.kind",
                         "neither a regular file nor a folder");
        return CH_OK;
    }
    unsigned inside = 0;
    size_t before = l->report->n_faults;
    TRY(list_folder(l, path, depth + 1, &inside));
    if (inside == 0 && l->report->n_faults == before) {
        verify_fault_add(l->report, path, -1, -1, "file.unknown",
                         "a folder without files of the log");
    }
    *expected += inside;
    return CH_OK;
}

static enum chancery_err list_folder(struct listing *l, const char *folder, unsigned depth,
                                     unsigned *out_expected)
{
    char full[VERIFY_PATH_MAX];
    if (depth > DEPTH_MAX || join(l->dir, folder, full) != CH_OK) {
        verify_fault_add(l->report, folder, -1, -1, "file.unknown", "folders are nested too deep");
        return CH_OK;
    }
    struct dirent **names = NULL;
    int n = scandir(full, &names, NULL, alphasort);
    if (n < 0) {
        verify_fault_add(l->report, folder, -1, -1, "file.unreadable", "%s", strerror(errno));
        return CH_OK;
    }
    enum chancery_err err = CH_OK;
    for (int i = 0; i < n; i++) {
        const char *name = names[i]->d_name;
        char path[VERIFY_PATH_MAX];
        if (err == CH_OK && strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
            err = join(folder, name, path);
            err = err == CH_OK ? list_name(l, path, depth, out_expected) : err;
        }
        free(names[i]);
    }
    free(names);
    return err;
}

enum chancery_err verify_listing(const char *dir, uint64_t size, struct verify_report *report,
                                 struct diag *diag)
{
    struct listing l = {dir, size, report};
    unsigned expected = 0;
    enum chancery_err err = list_folder(&l, "", 0, &expected);
    return err == CH_OK ? CH_OK
                        : diag_set(diag, err, dir, "verify.listing", "the folder cannot be listed");
}

static enum chancery_err read_all(int fd, struct buf *out)
{
    uint8_t chunk[16384];
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n == 0) {
            return CH_OK;
        }
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return CH_IO;
        }
        TRY(buf_add(out, slice_of(chunk, (size_t)n)));
    }
}

enum chancery_err verify_file_read(const char *dir, const char *path, struct verify_report *report,
                                   struct buf *out, bool *out_there)
{
    char full[VERIFY_PATH_MAX];
    *out_there = false;
    TRY(join(dir, path, full));
    int fd = open(full, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        verify_fault_add(report, path, -1, -1,
                         errno == ENOENT || errno == ENOTDIR ? "file.missing" : "file.unreadable",
                         "%s", strerror(errno));
        return CH_OK;
    }
    struct stat st;
    enum chancery_err err = CH_IO;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        err = read_all(fd, out);
    }
    (void)close(fd);
    if (err == CH_NOMEM) {
        return err;
    }
    if (err != CH_OK) {
        verify_fault_add(report, path, -1, -1, err == CH_LIMIT ? "file.size" : "file.unreadable",
                         err == CH_LIMIT ? "longer than any file of a log"
                                         : "cannot be read as a regular file");
        return CH_OK;
    }
    *out_there = true;
    return CH_OK;
}
