/* issuers.yaml of a ceremony, compared with a pinned trust.json that knows "issuing-1". */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "services/policy/issuers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct daemon_issuer known = {.issuer_id = "issuing-1",
                                               .certificate = {(const uint8_t *)"\x30\x00", 2},
                                               .shards = 16,
                                               .crl_url = "http://127.0.0.1:7480/crl",
                                               .ocsp_url = "http://127.0.0.1:7480/ocsp"};
    static const struct daemon_trust trust = {
        .trust_domain = "chancery.test", .origin = "o", .issuers = &known, .n_issuers = 1};
    char path[64];
    struct policy_issuers issuers = {0};
    int fd = memfd_create("issuers", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) {
        abort();
    }
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (policy_issuers_load(path, &trust, &issuers, NULL) == CH_OK && issuers.n > 0) {
        abort(); /* the pinned certificate does not parse: nothing can fit it */
    }
    policy_issuers_clear(&issuers);
    (void)close(fd);
    return 0;
}
