/* Secrets (PINs, private scalars): locked memory, left out of core dumps, wiped when freed, never
 * printed. Compare only with secret_eq. */
#ifndef CHANCERY_BASE_SECRET_H
#define CHANCERY_BASE_SECRET_H

#include "base/bytes.h"

struct secret {
    uint8_t *ptr;
    size_t len, mapped;
};

/* secret_copy makes `s` own a locked copy of `bytes`. CH_NOMEM when memory cannot be had. */
enum chancery_err secret_copy(struct secret *s, struct slice bytes) MUST_CHECK;

/* secret_read_fd reads up to `max` bytes from `fd` to its end, cutting one trailing newline.
 * CH_LIMIT when longer, CH_IO, CH_INVALID when empty. The descriptor stays open. */
enum chancery_err secret_read_fd(struct secret *s, int fd, size_t max) MUST_CHECK;

/* secret_read_file reads a secret from `path`, which must be a regular file that neither group nor
 * others can read or write. CH_DENIED when its mode is open, CH_IO, CH_LIMIT, CH_INVALID. */
enum chancery_err secret_read_file(struct secret *s, const char *path, size_t max,
                                   struct diag *diag) MUST_CHECK;

/* secret_eq compares in constant time for equal lengths. */
bool secret_eq(const struct secret *s, struct slice bytes);

/* secret_clear wipes and frees; an all-zero secret is safe to clear. */
void secret_clear(struct secret *s);

#endif
