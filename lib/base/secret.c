/* Locked, wiped secrets. Pages come from mmap so that mlock and MADV_DONTDUMP cover them alone. */
#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static enum chancery_err secret_map(struct secret *s, size_t len)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t mapped = (len / page + 1) * page;
    void *p = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        return CH_NOMEM;
    }
    /* Without RLIMIT_MEMLOCK the lock may fail; swap is then the operator's risk, not a refusal. */
    (void)mlock(p, mapped);
    (void)madvise(p, mapped, MADV_DONTDUMP);
    secret_clear(s);
    s->ptr = p;
    s->len = 0;
    s->mapped = mapped;
    return CH_OK;
}

enum chancery_err secret_copy(struct secret *s, struct slice bytes)
{
    struct secret made = {0};
    TRY(secret_map(&made, bytes.len));
    if (bytes.len > 0) {
        memcpy(made.ptr, bytes.ptr, bytes.len);
    }
    made.len = bytes.len;
    secret_clear(s);
    *s = made;
    return CH_OK;
}

enum chancery_err secret_read_fd(struct secret *s, int fd, size_t max)
{
    struct secret made = {0};
    TRY(secret_map(&made, max + 1));
    enum chancery_err err = CH_OK;
    while (err == CH_OK && made.len <= max) {
        ssize_t n = read(fd, made.ptr + made.len, max + 1 - made.len);
        if (n == 0) {
            break;
        }
        if (n < 0) {
            err = errno == EINTR ? CH_OK : CH_IO;
            continue;
        }
        made.len += (size_t)n;
    }
    if (err == CH_OK && made.len > max) {
        err = CH_LIMIT;
    }
    if (err == CH_OK && made.len > 0 && made.ptr[made.len - 1] == '\n') {
        made.len--;
    }
    if (err == CH_OK && made.len == 0) {
        err = CH_INVALID;
    }
    if (err != CH_OK) {
        secret_clear(&made);
        return err;
    }
    secret_clear(s);
    *s = made;
    return CH_OK;
}

enum chancery_err secret_read_file(struct secret *s, const char *path, size_t max,
                                   struct diag *diag)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return diag_set(diag, CH_IO, "pin_file", "secret.open", "cannot open %s: %s", path,
                        strerror(errno));
    }
    struct stat st;
    enum chancery_err err = CH_OK;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        err =
            diag_set(diag, CH_INVALID, "pin_file", "secret.regular", "%s is no regular file", path);
    } else if ((st.st_mode & 077) != 0) {
        err = diag_set(diag, CH_DENIED, "pin_file", "secret.mode",
                       "%s is open to group or others; chmod 0600 it", path);
    } else {
        err = secret_read_fd(s, fd, max);
        if (err != CH_OK) {
            (void)diag_set(diag, err, "pin_file", "secret.read",
                           "cannot use %s: empty, longer than %zu bytes, or unreadable", path, max);
        }
    }
    (void)close(fd);
    return err;
}

bool secret_eq(const struct secret *s, struct slice bytes)
{
    if (s->len != bytes.len) {
        return false;
    }
    volatile uint8_t diff = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        diff = (uint8_t)(diff | (s->ptr[i] ^ bytes.ptr[i]));
    }
    return diff == 0;
}

void secret_clear(struct secret *s)
{
    if (s->ptr != NULL) {
        explicit_bzero(s->ptr, s->mapped);
        (void)munmap(s->ptr, s->mapped);
    }
    *s = (struct secret){0};
}
