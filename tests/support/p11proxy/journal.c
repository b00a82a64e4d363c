/* The journal: opened for each line, so that tests may rotate it. */
#include "journal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static size_t journal_hex(const unsigned char *data, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[data[i] >> 4];
        out[2 * i + 1] = digits[data[i] & 15];
    }
    return 2 * len;
}

bool journal_write(const unsigned char *id, size_t id_len, const unsigned char *data, size_t len)
{
    const char *path = getenv("P11PROXY_LOG");
    if (path == NULL) {
        return true;
    }
    size_t cap = 2 * (id_len + len) + 32;
    char *line = malloc(cap);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    bool good = false;
    if (line != NULL && fd >= 0) {
        size_t n = journal_hex(id, id_len, line);
        line[n++] = ' ';
        n += journal_hex(data, len, line + n);
        n += (size_t)snprintf(line + n, cap - n, " %ld\n", (long)getpid());
        good = write(fd, line, n) == (ssize_t)n;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    free(line);
    return good;
}
