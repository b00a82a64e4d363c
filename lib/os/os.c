/* Clocks, durable files, hardening. */
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int64_t os_now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t os_now_s(void)
{
    return os_now_ns() / 1000000000;
}

int64_t os_mono_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void os_random(void *out, size_t len)
{
    uint8_t *p = out;
    while (len > 0) {
        ssize_t n = getrandom(p, len, 0);
        if (n < 0 && errno != EINTR) {
            abort(); /* without randomness nothing here is safe */
        }
        if (n > 0) {
            p += n;
            len -= (size_t)n;
        }
    }
}

void os_harden(void)
{
    struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    (void)umask(077);
}

static enum chancery_err file_diag(struct diag *diag, const char *what, const char *path)
{
    enum chancery_err err = errno == ENOENT ? CH_NOT_FOUND : CH_IO;
    return diag_set(diag, err, path, "os.file", "cannot %s %s: %s", what, path, strerror(errno));
}

enum chancery_err os_file_read(const char *path, struct buf *out, struct diag *diag)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return file_diag(diag, "open", path);
    }
    enum chancery_err err = CH_OK;
    uint8_t chunk[16384];
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n == 0) {
            break;
        }
        if (n < 0 && errno == EINTR) {
            continue;
        }
        err = n < 0 ? file_diag(diag, "read", path) : buf_add(out, slice_of(chunk, (size_t)n));
        if (err == CH_LIMIT) {
            (void)diag_set(diag, err, path, "os.file.size", "%s is longer than %zu bytes", path,
                           out->max);
        }
        if (err != CH_OK) {
            break;
        }
    }
    (void)close(fd);
    return err;
}

static enum chancery_err write_all(int fd, struct slice s)
{
    while (s.len > 0) {
        ssize_t n = write(fd, s.ptr, s.len);
        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }
            return CH_IO;
        }
        s = slice_sub(s, (size_t)n, s.len);
    }
    return CH_OK;
}

static enum chancery_err sync_parent(const char *path)
{
    char dir[4096];
    (void)snprintf(dir, sizeof dir, "%s", path);
    char *slash = strrchr(dir, '/');
    if (slash == NULL) {
        (void)snprintf(dir, sizeof dir, ".");
    } else {
        slash[slash == dir ? 1 : 0] = '\0';
    }
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return CH_IO;
    }
    enum chancery_err err = fsync(fd) == 0 ? CH_OK : CH_IO;
    (void)close(fd);
    return err;
}

enum chancery_err os_file_write_atomic(const char *path, struct slice content, unsigned mode,
                                       struct diag *diag)
{
    char temp[4096];
    int n = snprintf(temp, sizeof temp, "%s.tmp-XXXXXX", path);
    if (n < 0 || (size_t)n >= sizeof temp) {
        return diag_set(diag, CH_LIMIT, path, "os.path", "path is too long");
    }
    int fd = mkostemp(temp, O_CLOEXEC);
    if (fd < 0) {
        (void)file_diag(diag, "create beside", path);
        return CH_IO;
    }
    bool good = write_all(fd, content) == CH_OK && fchmod(fd, (mode_t)mode) == 0 && fsync(fd) == 0;
    good = close(fd) == 0 && good;
    good = good && rename(temp, path) == 0;
    if (!good) {
        (void)file_diag(diag, "write", path);
        (void)unlink(temp);
        return CH_IO;
    }
    return sync_parent(path) == CH_OK ? CH_OK : file_diag(diag, "sync the folder of", path);
}

enum chancery_err os_mkdirs(const char *path, unsigned mode)
{
    char part[4096];
    int n = snprintf(part, sizeof part, "%s", path);
    if (n < 0 || (size_t)n >= sizeof part) {
        return CH_LIMIT;
    }
    for (char *p = part + 1;; p++) {
        if (*p != '/' && *p != '\0') {
            continue;
        }
        char kept = *p;
        *p = '\0';
        if (mkdir(part, (mode_t)mode) != 0 && errno != EEXIST) {
            return CH_IO;
        }
        *p = kept;
        if (kept == '\0') {
            return CH_OK;
        }
    }
}
