/* Marks: what a process has seen and must not see undone, kept outside the database. */
#include <stdio.h>

#include "daemon/daemon.h"
#include "os/os.h"

#define PATH_MAX_OCTETS 512

static enum chancery_err mark_path(const struct daemon *d, const char *name,
                                   char out[PATH_MAX_OCTETS], struct diag *diag)
{
    int n =
        snprintf(out, PATH_MAX_OCTETS, "%s/%s.%s", daemon_state_dir(d), daemon_instance(d), name);
    return n > 0 && n < PATH_MAX_OCTETS
               ? CH_OK
               : diag_set(diag, CH_LIMIT, "state_dir", "daemon.mark", "the path is too long");
}

enum chancery_err daemon_mark_read(const struct daemon *d, const char *name, struct buf *out,
                                   struct diag *diag)
{
    char path[PATH_MAX_OCTETS];
    if (daemon_state_dir(d) == NULL) {
        return CH_OK;
    }
    TRY(mark_path(d, name, path, diag));
    enum chancery_err err = os_file_read(path, out, diag);
    return err == CH_NOT_FOUND ? CH_OK : err;
}

enum chancery_err daemon_mark_write(const struct daemon *d, const char *name, struct slice text,
                                    struct diag *diag)
{
    char path[PATH_MAX_OCTETS];
    if (daemon_state_dir(d) == NULL) {
        return CH_OK;
    }
    TRY(mark_path(d, name, path, diag));
    return os_file_write_atomic(path, text, 0600, diag);
}
