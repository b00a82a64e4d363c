/* A ceremony's transcript with any content: refused, or taken and continued, so that a second
 * opening takes it too. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "transcript.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t plan[32];
    char path[64];
    struct transcript *t = NULL;
    int fd = memfd_create("transcript", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) {
        abort();
    }
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (transcript_open(path, plan, &t, NULL) == CH_OK) {
        size_t lines = transcript_lines(t);
        if (lines > 0 && transcript_add(t, 1, "s", "done", json_object(), NULL) != CH_OK) {
            abort();
        }
        transcript_close(t);
        t = NULL;
        if (transcript_open(path, plan, &t, NULL) != CH_OK || transcript_torn(t) != 0 ||
            transcript_lines(t) != lines + (lines > 0 ? 1 : 0)) {
            abort();
        }
        transcript_close(t);
    }
    (void)close(fd);
    return 0;
}
