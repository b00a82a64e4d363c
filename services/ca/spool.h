/* A temporary file without a name: a CRL waits in it, in constant memory, until it is permitted. */
#ifndef CHANCERY_CA_SPOOL_H
#define CHANCERY_CA_SPOOL_H

#include "base/bytes.h"

struct ca_spool {
    int fd;
    uint64_t len;
};
/* ca_spool_open makes one in `dir`. CH_IO. ca_spool_close: a zeroed or closed one is fine after fd
 * = -1. */
enum chancery_err ca_spool_open(const char *dir, struct ca_spool *out,
                                struct diag *diag) MUST_CHECK;
void ca_spool_close(struct ca_spool *s);
enum chancery_err ca_spool_add(struct ca_spool *s, struct slice bytes,
                               struct diag *diag) MUST_CHECK;
/* ca_spool_read reads up to `cap` octets at `at`; *out_len 0 at the end. */
enum chancery_err ca_spool_read(const struct ca_spool *s, uint64_t at, uint8_t *out, size_t cap,
                                size_t *out_len) MUST_CHECK;

#endif
