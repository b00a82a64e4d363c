/* The derived files of the log. */
#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/os.h"

#define PATH_CAP 4096
#define DIR_MODE                                                                                   \
    0755 /* the log is public within the site; the folder above decides who comes in               \
          */
#define FILE_MODE 0644

static enum chancery_err join(const char *dir, const char *path, char out[PATH_CAP])
{
    int n = snprintf(out, PATH_CAP, "%s/%s", dir, path);
    return n > 0 && n < PATH_CAP ? CH_OK : CH_LIMIT;
}

static enum chancery_err io(const char *what, const char *path, struct diag *diag)
{
    return diag_set(diag, CH_IO, path, "audit.files", "cannot %s %s: %s", what, path,
                    strerror(errno));
}

static bool sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    return good;
}

/* Makes the folder of `full` and missing parents; each new name is synced in its parent. */
static enum chancery_err make_parents(char *full, struct diag *diag)
{
    char *slash = strrchr(full, '/');
    if (slash == NULL || slash == full) {
        return CH_OK;
    }
    *slash = '\0';
    enum chancery_err err = CH_OK;
    if (mkdir(full, DIR_MODE) == 0) {
        err =
            chmod(full, DIR_MODE) == 0 ? CH_OK : io("open up", full, diag); /* whatever the umask */
    } else if (errno == ENOENT) {
        err = make_parents(full, diag);
        if (err == CH_OK && mkdir(full, DIR_MODE) != 0 && errno != EEXIST) {
            err = io("make", full, diag);
        }
        if (err == CH_OK && chmod(full, DIR_MODE) != 0) {
            err = io("open up", full, diag);
        }
    } else if (errno == EEXIST) {
        *slash = '/';
        return CH_OK;
    } else {
        err = io("make", full, diag);
    }
    char *up = strrchr(full, '/');
    if (err == CH_OK && up != NULL && up != full) {
        *up = '\0';
        err = sync_folder(full) ? CH_OK : io("sync", full, diag);
        *up = '/';
    }
    *slash = '/';
    return err;
}

enum chancery_err audit_files_open(const char *dir, int *out_lock, struct diag *diag)
{
    char path[PATH_CAP];
    TRY(join(dir, "checkpoint", path));
    TRY(make_parents(path, diag));
    int n = snprintf(path, sizeof path, "%s.lock", dir);
    if (n < 0 || (size_t)n >= sizeof path) {
        return CH_LIMIT;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, FILE_MODE);
    if (fd < 0) {
        return io("open", path, diag);
    }
    (void)fchmod(fd, FILE_MODE);
    *out_lock = fd;
    return CH_OK;
}

void audit_files_lock(int lock, bool held)
{
    while (flock(lock, held ? LOCK_EX : LOCK_UN) != 0 && errno == EINTR) {
        continue;
    }
}

static bool holds(const char *full, struct slice content)
{
    struct stat st;
    if (stat(full, &st) != 0 || !S_ISREG(st.st_mode) || (size_t)st.st_size != content.len) {
        return false;
    }
    CLEANUP(buf_clear) struct buf now;
    buf_init(&now, content.len);
    return os_file_read(full, &now, NULL) == CH_OK && slice_eq(buf_slice(&now), content);
}

enum chancery_err audit_files_write(const char *dir, const char *path, struct slice content,
                                    struct diag *diag)
{
    char full[PATH_CAP];
    TRY(join(dir, path, full));
    if (holds(full, content)) {
        return CH_OK;
    }
    TRY(make_parents(full, diag));
    return os_file_write_atomic(full, content, FILE_MODE, diag);
}

enum chancery_err audit_files_read(const char *dir, const char *path, struct buf *out,
                                   struct diag *diag)
{
    char full[PATH_CAP];
    TRY(join(dir, path, full));
    return os_file_read(full, out, diag);
}

/* Hashes in tile `index` of `level` when the log has `size` entries: 0 when there is no such tile.
 */
static unsigned tile_width(uint64_t size, unsigned level, uint64_t index)
{
    uint64_t hashes = size >> (8 * level);
    uint64_t full = hashes / TLOG_TILE_WIDTH;
    return index < full    ? TLOG_TILE_WIDTH
           : index == full ? (unsigned)(hashes % TLOG_TILE_WIDTH)
                           : 0;
}

enum chancery_err audit_files_tile(const char *dir, uint64_t size, unsigned level, uint64_t index,
                                   struct tlog_hash out[TLOG_TILE_WIDTH], size_t *out_n,
                                   struct diag *diag)
{
    char path[96];
    unsigned width = level < TLOG_LEVELS ? tile_width(size, level, index) : 0;
    if (width == 0) {
        return CH_NOT_FOUND;
    }
    TRY(tlog_tile_path((int)level, index, width, path, sizeof path));
    CLEANUP(buf_clear) struct buf bytes;
    buf_init(&bytes, (size_t)TLOG_TILE_WIDTH * TLOG_HASH + 1);
    TRY(audit_files_read(dir, path, &bytes, diag));
    if (bytes.len != (size_t)width * TLOG_HASH) {
        return diag_set(diag, CH_INTEGRITY, path, "audit.files.tile",
                        "the tile has the wrong length");
    }
    memcpy(out, bytes.ptr, bytes.len);
    *out_n = width;
    return CH_OK;
}

static bool is_file(const char *dir, const char *path, off_t want)
{
    char full[PATH_CAP];
    struct stat st;
    return join(dir, path, full) == CH_OK && lstat(full, &st) == 0 && S_ISREG(st.st_mode) &&
           (want == 0 ? st.st_size > 0 : st.st_size == want);
}

bool audit_files_complete(const char *dir, uint64_t size)
{
    char path[96];
    for (unsigned level = 0; level < TLOG_LEVELS; level++) {
        uint64_t full = (size >> (8 * level)) / TLOG_TILE_WIDTH;
        for (uint64_t i = 0; i < full; i++) {
            if (tlog_tile_path((int)level, i, TLOG_TILE_WIDTH, path, sizeof path) != CH_OK ||
                !is_file(dir, path, (off_t)TLOG_TILE_WIDTH * TLOG_HASH)) {
                return false;
            }
            if (level == 0 && (tlog_tile_path(-1, i, TLOG_TILE_WIDTH, path, sizeof path) != CH_OK ||
                               !is_file(dir, path, 0))) {
                return false;
            }
        }
    }
    return true;
}

static void remove_partial(const char *dir, const char *path)
{
    char full[PATH_CAP];
    if (join(dir, path, full) != CH_OK) {
        return;
    }
    (void)unlink(full);
    *strrchr(full, '/') = '\0';
    (void)rmdir(full); /* "NNN.p", when that was its last file */
}

void audit_files_supersede(const char *dir, uint64_t old, uint64_t now)
{
    for (int level = -1; level < TLOG_LEVELS; level++) {
        unsigned tree_level = level < 0 ? 0 : (unsigned)level;
        uint64_t index = (old >> (8 * tree_level)) / TLOG_TILE_WIDTH;
        unsigned width = tile_width(old, tree_level, index);
        char path[96];
        if (width != 0 && tile_width(now, tree_level, index) != width &&
            tlog_tile_path(level, index, width, path, sizeof path) == CH_OK) {
            remove_partial(dir, path);
        }
    }
}

/* Reads "x001/x234/067" or "067.p/112" behind tile/<L>/; the one spelling that tlog_tile_path
 * writes. */
static bool belongs(const char *path, uint64_t size)
{
    int level = -1;
    const char *p = path + strlen("tile/");
    if (strncmp(path, "tile/", 5) != 0) {
        return false;
    }
    if (strncmp(p, "entries/", 8) == 0) {
        p += 8;
    } else {
        char *end = NULL;
        unsigned long v = strtoul(p, &end, 10);
        if (end == p || *end != '/' || v >= TLOG_LEVELS) {
            return false;
        }
        level = (int)v;
        p = end + 1;
    }
    uint64_t index = 0;
    for (; *p != '\0' && *p != '.'; p++) {
        if (*p >= '0' && *p <= '9') {
            index = index * 10 + (uint64_t)(*p - '0');
        }
    }
    char want[96];
    unsigned width = tile_width(size, level < 0 ? 0 : (unsigned)level, index);
    return width != 0 && tlog_tile_path(level, index, width, want, sizeof want) == CH_OK &&
           strcmp(want, path) == 0;
}

/* One folder; true when it is empty afterwards. */
static bool sweep_folder(const char *dir, const char *folder, uint64_t size, unsigned depth)
{
    char full[PATH_CAP];
    if (depth > 12 || join(dir, folder, full) != CH_OK) {
        return false;
    }
    DIR *d = opendir(full);
    if (d == NULL) {
        return false;
    }
    bool empty = true;
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        char path[PATH_CAP];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            join(folder, e->d_name, path) != CH_OK) {
            continue;
        }
        bool gone = false;
        if (join(dir, path, full) != CH_OK) {
            gone = false;
        } else if (e->d_type == DT_DIR) {
            gone = sweep_folder(dir, path, size, depth + 1) && rmdir(full) == 0;
        } else if (!belongs(path, size)) {
            gone = unlink(full) == 0;
        }
        empty = empty && gone;
    }
    (void)closedir(d);
    return empty;
}

static void sweep_top(const char *dir)
{
    DIR *d = opendir(dir);
    if (d == NULL) {
        return;
    }
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        if (strncmp(e->d_name, "checkpoint.tmp-", 15) == 0) {
            (void)unlinkat(dirfd(d), e->d_name, 0);
        }
    }
    (void)closedir(d);
}

void audit_files_sweep(const char *dir, uint64_t size)
{
    (void)sweep_folder(dir, "tile", size, 0);
    sweep_top(dir);
}
