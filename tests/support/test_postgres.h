/* A private PostgreSQL cluster for one test program: real server, own folder, unix socket only.
 *
 * PostgreSQL does not run as root: then the cluster belongs to user "postgres". The server dies
 * with the test program. Roles log in without proof (trust): the socket's folder is closed to other
 * users. A failure to start is printed and ends the program: no test can go on without it. */
#ifndef CHANCERY_TEST_POSTGRES_H
#define CHANCERY_TEST_POSTGRES_H

#include <sys/types.h>

#include "base/err.h"

struct test_postgres {
    char dir[64];  /* socket folder, and data in dir/pg */
    char bin[256]; /* folder of initdb and postgres */
    pid_t pid;     /* 0: stopped */
};

/* test_postgres_start makes the cluster with roles admin (superuser) and chancery_owner and the
 * empty database "chancery" that it owns, and starts it. */
void test_postgres_start(struct test_postgres *pg);

/* test_postgres_migrate applies the product's migrations as chancery_owner. */
void test_postgres_migrate(struct test_postgres *pg);

/* test_postgres_conninfo writes a connection string for `role` and database "chancery" to `out`. */
void test_postgres_conninfo(const struct test_postgres *pg, const char *role, char *out,
                            size_t cap);

/* test_postgres_halt stops the server at once (like a power cut), test_postgres_resume starts it
 * again on the same data. */
void test_postgres_halt(struct test_postgres *pg);
void test_postgres_resume(struct test_postgres *pg);

/* test_postgres_admin runs SQL as superuser in database "chancery". */
void test_postgres_admin(const struct test_postgres *pg, const char *sql);

/* test_postgres_end stops the server and removes the folder. */
void test_postgres_end(struct test_postgres *pg);

#endif
