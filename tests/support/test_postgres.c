/* Starts and stops a private cluster; see test_postgres.h. */
#include "test_postgres.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "db/db.h"
#include "os/os.h"

enum { START_MS = 60000, ARGS_MAX = 24 };

static void fail(const char *what)
{
    (void)fprintf(stderr, "test_postgres: %s: %s\n", what, strerror(errno));
    exit(99);
}

static const struct passwd *server_user(void)
{
    return geteuid() == 0 ? getpwnam("postgres") : getpwuid(geteuid());
}

static void find_bin(struct test_postgres *pg)
{
    glob_t g;
    if (glob("/usr/lib/postgresql/*/bin/postgres", 0, NULL, &g) != 0) {
        errno = ENOENT;
        fail("PostgreSQL server programs");
    }
    const char *path = g.gl_pathv[g.gl_pathc - 1];
    (void)snprintf(pg->bin, sizeof pg->bin, "%.*s", (int)(strrchr(path, '/') - path), path);
    globfree(&g);
}

/* In the child: become the server's user, die with the parent, be silent. */
static void enter_child(const struct test_postgres *pg)
{
    const struct passwd *user = server_user();
    char log[128];
    (void)snprintf(log, sizeof log, "%s/log", pg->dir);
    if (geteuid() == 0 && (user == NULL || initgroups(user->pw_name, user->pw_gid) != 0 ||
                           setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0)) {
        _exit(98);
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGQUIT);
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (null < 0 || out < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 ||
        chdir(pg->dir) != 0 || setenv("LC_ALL", "C", 1) != 0) {
        _exit(98);
    }
    (void)setsid();
}

static pid_t spawn(const struct test_postgres *pg, const char *const *argv)
{
    pid_t pid = fork();
    if (pid < 0) {
        fail("fork");
    }
    if (pid == 0) {
        /* The whole path: PostgreSQL looks for its own folder by argv[0], which need not be in
         * PATH. */
        char path[512];
        const char *args[ARGS_MAX + 1] = {path};
        (void)snprintf(path, sizeof path, "%s/%s", pg->bin, argv[0]);
        for (size_t i = 1; i < ARGS_MAX && argv[i] != NULL; i++) {
            args[i] = argv[i];
        }
        enter_child(pg);
        (void)execv(path, (char *const *)(uintptr_t)args);
        _exit(97);
    }
    return pid;
}

static int wait_for(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            fail("waitpid");
        }
    }
    return status;
}

void test_postgres_conninfo(const struct test_postgres *pg, const char *role, char *out, size_t cap)
{
    (void)snprintf(out, cap, "host=%s dbname=chancery user=%s", pg->dir, role);
}

static enum chancery_err try_admin(const struct test_postgres *pg, const char *dbname,
                                   const char *sql, struct diag *diag)
{
    char conninfo[256];
    struct db_conn *conn = NULL;
    (void)snprintf(conninfo, sizeof conninfo, "host=%s dbname=%s user=admin", pg->dir, dbname);
    TRY(db_connect(conninfo, &conn, diag));
    enum chancery_err err = db_script(conn, sql, diag);
    db_disconnect(conn);
    return err;
}

static void must(enum chancery_err err, const struct diag *diag, const char *what)
{
    if (err != CH_OK) {
        (void)fprintf(stderr, "test_postgres: %s: %s %s\n", what, err_name(err), diag->text);
        exit(99);
    }
}

void test_postgres_resume(struct test_postgres *pg)
{
    char data[128], socket_dir[128];
    (void)snprintf(data, sizeof data, "%s/pg", pg->dir);
    (void)snprintf(socket_dir, sizeof socket_dir, "unix_socket_directories=%s", pg->dir);
    const char *const argv[] = {"postgres",
                                "-D",
                                data,
                                "-c",
                                "listen_addresses=",
                                "-c",
                                socket_dir,
                                "-c",
                                "fsync=off",
                                "-c",
                                "max_connections=60",
                                "-c",
                                "max_prepared_transactions=4",
                                NULL};
    pg->pid = spawn(pg, argv);
    int64_t until = os_mono_ms() + START_MS;
    struct diag diag = {0};
    enum chancery_err err = CH_UNAVAILABLE;
    while (err != CH_OK && os_mono_ms() < until) {
        int status = 0;
        if (waitpid(pg->pid, &status, WNOHANG) == pg->pid) {
            errno = ECHILD;
            fail("the server ended at once; see its log");
        }
        err = try_admin(pg, "postgres", "SELECT 1", &diag);
        if (err != CH_OK) {
            (void)nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
        }
    }
    must(err, &diag, "start");
}

void test_postgres_start(struct test_postgres *pg)
{
    memset(pg, 0, sizeof *pg);
    find_bin(pg);
    (void)snprintf(pg->dir, sizeof pg->dir, "/tmp/chancery-pg.XXXXXX");
    const struct passwd *user = server_user();
    if (user == NULL || mkdtemp(pg->dir) == NULL ||
        chown(pg->dir, user->pw_uid, user->pw_gid) != 0) {
        fail("temporary folder");
    }
    char data[128];
    (void)snprintf(data, sizeof data, "%s/pg", pg->dir);
    const char *const argv[] = {"initdb", "-D", data,   "-A",         "trust", "-U",
                                "admin",  "-E", "UTF8", "--locale=C", "-N",    NULL};
    if (wait_for(spawn(pg, argv)) != 0) {
        fail("initdb");
    }
    test_postgres_resume(pg);
    struct diag diag = {0};
    must(try_admin(pg, "postgres", "CREATE ROLE chancery_owner LOGIN CREATEROLE", &diag), &diag,
         "role");
    must(try_admin(pg, "postgres", "CREATE DATABASE chancery OWNER chancery_owner", &diag), &diag,
         "database");
}

void test_postgres_migrate(struct test_postgres *pg)
{
    char conninfo[256];
    struct db_conn *conn = NULL;
    struct diag diag = {0};
    unsigned applied = 0;
    test_postgres_conninfo(pg, "chancery_owner", conninfo, sizeof conninfo);
    must(db_connect(conninfo, &conn, &diag), &diag, "connect");
    must(db_migrate(conn, TEST_MIGRATIONS, &applied, &diag), &diag, "migrate");
    db_disconnect(conn);
}

void test_postgres_admin(const struct test_postgres *pg, const char *sql)
{
    struct diag diag = {0};
    must(try_admin(pg, "chancery", sql, &diag), &diag, sql);
}

void test_postgres_halt(struct test_postgres *pg)
{
    if (pg->pid > 0) {
        (void)kill(pg->pid, SIGQUIT);
        (void)wait_for(pg->pid);
        pg->pid = 0;
    }
}

void test_postgres_end(struct test_postgres *pg)
{
    test_postgres_halt(pg);
    pid_t pid = fork();
    if (pid == 0) {
        (void)execl("/bin/rm", "rm", "-rf", "--", pg->dir, (char *)NULL);
        _exit(97);
    }
    if (pid < 0 || wait_for(pid) != 0) {
        fail("remove folder");
    }
}
