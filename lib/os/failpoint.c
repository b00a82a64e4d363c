/* Kill points for fault tests; compiled to nothing unless CHANCERY_FAILPOINTS is set. */
#include "os/os.h"

#ifdef CHANCERY_FAILPOINTS
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void os_failpoint(const char *name)
{
    static _Atomic unsigned hits;
    const char *path = getenv("CHANCERY_FAILPOINT_FILE");
    if (path == NULL || access(path, R_OK) != 0) {
        return;
    }
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        return;
    }
    char armed[128] = "";
    char *line = fgets(armed, sizeof armed, f);
    (void)fclose(f);
    if (line == NULL) {
        return;
    }
    armed[strcspn(armed, "\n")] = '\0';
    char *space = strchr(armed, ' ');
    unsigned long nth = space == NULL ? 1 : strtoul(space + 1, NULL, 10);
    if (space != NULL) {
        *space = '\0';
    }
    if (strcmp(armed, name) == 0 && atomic_fetch_add(&hits, 1) + 1 >= nth && unlink(path) == 0) {
        (void)kill(getpid(), SIGKILL);
    }
}
#else
typedef int os_failpoint_not_compiled;
#endif
