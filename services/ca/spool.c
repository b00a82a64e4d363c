/* O_TMPFILE where the file system has it, else a name that is removed at once. */
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static enum chancery_err failed(struct diag *diag, const char *what)
{
    return diag_set(diag, CH_IO, "spool", "ca.spool", "%s the temporary file failed: errno %d",
                    what, errno);
}

enum chancery_err ca_spool_open(const char *dir, struct ca_spool *out, struct diag *diag)
{
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) { /* a file system without O_TMPFILE */
        char path[4096];
        if (snprintf(path, sizeof path, "%s/crl.XXXXXX", dir) >= (int)sizeof path) {
            return CH_LIMIT;
        }
        fd = mkostemp(path, O_CLOEXEC);
        if (fd < 0 || unlink(path) != 0) {
            enum chancery_err err = failed(diag, "making");
            if (fd >= 0) {
                (void)close(fd);
            }
            return err;
        }
    }
    *out = (struct ca_spool){.fd = fd};
    return CH_OK;
}

void ca_spool_close(struct ca_spool *s)
{
    if (s->fd >= 0) {
        (void)close(s->fd);
        s->fd = -1;
    }
}

enum chancery_err ca_spool_add(struct ca_spool *s, struct slice bytes, struct diag *diag)
{
    while (bytes.len > 0) {
        ssize_t n = pwrite(s->fd, bytes.ptr, bytes.len, (off_t)s->len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return failed(diag, "writing");
        }
        s->len += (uint64_t)n;
        bytes = slice_sub(bytes, (size_t)n, bytes.len);
    }
    return CH_OK;
}

enum chancery_err ca_spool_read(const struct ca_spool *s, uint64_t at, uint8_t *out, size_t cap,
                                size_t *out_len)
{
    size_t have = 0;
    while (have < cap && at + have < s->len) {
        ssize_t n = pread(s->fd, out + have, cap - have, (off_t)(at + have));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return CH_IO;
        }
        have += (size_t)n;
    }
    *out_len = have;
    return CH_OK;
}
