/* The folder of one identity: <n>/{cert.pem,key.pem,ca.pem} and the symlink `current`.
 *
 * A version is written under a temporary name, renamed to its number, then `current` is replaced by
 * one rename. Two writers exclude each other by flock on the folder. Group: the folder is
 * set-group-ID, so that versions inherit its group from the kernel and the writer need not be a
 * member. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "identity.h"
#include "os/os.h"
#include "text.h"

#define DIR_TEMPORARY "new.tmp"
#define DIR_LINK_TEMPORARY "current.tmp"
#define DIR_KEEP 2 /* the current version and the one before it, which a reader may be reading */

static const char *const DIR_FILES[] = {"cert.pem", "key.pem", "ca.pem"};

static enum chancery_err dir_errno(struct diag *diag, const char *what, const char *path)
{
    int e = errno;
    return diag_set(diag, e == EACCES || e == EPERM ? CH_DENIED : CH_IO, path, "identity.dir",
                    "%s %s: %s", what, path, strerror(e));
}

/* Makes the folder if needed and sets group and mode. *out_shared: group may read. */
static enum chancery_err dir_prepare(const char *dir, int64_t gid, bool *out_shared,
                                     struct diag *diag)
{
    struct stat st;
    if (stat(dir, &st) != 0) {
        if (errno != ENOENT || os_mkdirs(dir, 0700) != CH_OK || stat(dir, &st) != 0) {
            return dir_errno(diag, "making", dir);
        }
    }
    if (!S_ISDIR(st.st_mode)) {
        errno = ENOTDIR;
        return dir_errno(diag, "using", dir);
    }
    bool shared = (st.st_mode & S_ISGID) != 0;
    if (gid >= 0 && (!shared || st.st_gid != (gid_t)gid)) {
        if (chown(dir, (uid_t)-1, (gid_t)gid) != 0) {
            return dir_errno(diag, "changing the group of", dir);
        }
        if (chmod(dir, 02750) != 0) {
            return dir_errno(diag, "changing the mode of", dir);
        }
        shared = true;
    }
    *out_shared = shared;
    return CH_OK;
}

/* Removes one version's known files and its folder; what else lies there stays and is no error. */
static void dir_remove(int fd, const char *name)
{
    char path[300];
    for (size_t i = 0; i < sizeof DIR_FILES / sizeof DIR_FILES[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", name, DIR_FILES[i]);
        (void)unlinkat(fd, path, 0);
    }
    (void)unlinkat(fd, name, AT_REMOVEDIR);
}

/* Highest version number in the folder, 0 when there is none. With `keep_from`: removes older ones.
 */
static enum chancery_err dir_scan(const char *dir, int fd, uint64_t keep_from, uint64_t *out_last,
                                  struct diag *diag)
{
    DIR *d = opendir(dir);
    uint64_t last = 0, n = 0;
    if (d == NULL) {
        return dir_errno(diag, "reading", dir);
    }
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        if (!text_uint(e->d_name, &n) || n == 0 || e->d_name[0] == '0') {
            continue;
        }
        last = n > last ? n : last;
        if (n < keep_from) {
            dir_remove(fd, e->d_name);
        }
    }
    (void)closedir(d);
    if (out_last != NULL) {
        *out_last = last;
    }
    return CH_OK;
}

static enum chancery_err dir_files(const char *dir, bool shared, const struct slice content[3],
                                   struct diag *diag)
{
    for (size_t i = 0; i < 3; i++) {
        char *path = NULL;
        if (asprintf(&path, "%s/" DIR_TEMPORARY "/%s", dir, DIR_FILES[i]) < 0) {
            return CH_NOMEM;
        }
        enum chancery_err err = os_file_write_atomic(path, content[i], shared ? 0640 : 0600, diag);
        free(path);
        TRY(err);
    }
    return CH_OK;
}

static enum chancery_err dir_switch(const char *dir, int fd, uint64_t version, struct diag *diag)
{
    char name[32];
    (void)snprintf(name, sizeof name, "%llu", (unsigned long long)version);
    if (renameat(fd, DIR_TEMPORARY, fd, name) != 0) {
        return dir_errno(diag, "renaming the new version in", dir);
    }
    OS_FAILPOINT("identity.version");
    (void)unlinkat(fd, DIR_LINK_TEMPORARY, 0);
    if (symlinkat(name, fd, DIR_LINK_TEMPORARY) != 0 ||
        renameat(fd, DIR_LINK_TEMPORARY, fd, "current") != 0 || fsync(fd) != 0) {
        return dir_errno(diag, "switching current in", dir);
    }
    return CH_OK;
}

static enum chancery_err dir_next(const char *dir, int fd, bool shared,
                                  const struct slice content[3], uint64_t *out_version,
                                  struct diag *diag)
{
    uint64_t last = 0;
    if (flock(fd, LOCK_EX) != 0) {
        return dir_errno(diag, "locking", dir);
    }
    TRY(dir_scan(dir, fd, 0, &last, diag));
    dir_remove(fd, DIR_TEMPORARY); /* left by a run that was killed */
    mode_t old = umask(0027);
    int made = mkdirat(fd, DIR_TEMPORARY, shared ? 0750 : 0700);
    (void)umask(old);
    if (made != 0) {
        return dir_errno(diag, "making a version in", dir);
    }
    TRY(dir_files(dir, shared, content, diag));
    TRY(dir_switch(dir, fd, last + 1, diag));
    *out_version = last + 1;
    return dir_scan(dir, fd, last + 1 >= DIR_KEEP ? last + 2 - DIR_KEEP : 0, NULL, diag);
}

enum chancery_err identity_dir_write(const char *dir, int64_t gid, struct slice cert,
                                     struct slice key, struct slice ca, uint64_t *out_version,
                                     struct diag *diag)
{
    const struct slice content[3] = {cert, key, ca};
    bool shared = false;
    TRY(dir_prepare(dir, gid, &shared, diag));
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return dir_errno(diag, "opening", dir);
    }
    enum chancery_err err = dir_next(dir, fd, shared, content, out_version, diag);
    (void)close(fd);
    return err;
}
