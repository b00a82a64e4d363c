/* trust.json through both readers, the processes' and chancery-verify's; the pin is made to fit, so
 * that content is reached. What a process starts with must be a file that its root signed. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/daemon_int.h"
#include "trust.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64], pin[65];
    uint8_t hash[32];
    struct diag diag = {0};
    struct verify_trust trust;
    int fd = memfd_create("trust", MFD_CLOEXEC);
    struct daemon *d = calloc(1, sizeof *d);
    if (d == NULL || fd < 0 || write(fd, data, size) != (ssize_t)size) {
        abort();
    }
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    crypto_sha256(slice_of(data, size), hash);
    hex_encode(slice_of(hash, sizeof hash), pin);
    arena_init(&d->trust_arena, (size_t)8 << 20);
    if (daemon_trust_load(d, path, pin, &diag) == CH_OK &&
        (d->trust.permit.n == 0 || daemon_trust_issuer(d, "root") == NULL)) {
        abort();
    }
    daemon_trust_clear(d);
    if (verify_trust_load(&trust, path, pin, &diag) == CH_OK && trust.n_keys < 2) {
        abort();
    }
    verify_trust_clear(&trust);
    free(d);
    (void)close(fd);
    return 0;
}
