/* The file of logged revocations with any content: its sound part is taken, in order; a second
 * opening finds the same. */
#include <stdlib.h>
#include <unistd.h>

#include "journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A real file: a journal is not opened through a symbolic link. */
    char path[] = "/tmp/chancery-fuzz-journal-XXXXXX";
    struct revocation_journal *j = NULL;
    int fd = mkstemp(path);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) {
        abort();
    }
    if (revocation_journal_open(path, &j, NULL) == CH_OK) {
        size_t n = revocation_journal_count(j);
        for (size_t i = 0; i < n; i++) {
            const struct revocation_logged *e = revocation_journal_at(j, i);
            if (e->serial_len > sizeof e->serial ||
                memchr(e->issuer_id, 0, sizeof e->issuer_id) == NULL ||
                (i > 0 && e->log_index <= revocation_journal_at(j, i - 1)->log_index) ||
                e->log_index >= revocation_journal_position(j)) {
                abort();
            }
        }
        revocation_journal_free(j);
        j = NULL;
        if (revocation_journal_open(path, &j, NULL) != CH_OK || revocation_journal_count(j) != n) {
            abort();
        }
        revocation_journal_free(j);
    }
    (void)close(fd);
    (void)unlink(path);
    return 0;
}
