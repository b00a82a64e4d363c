/* chancery-registration as its clients see it: real frame, mTLS, PostgreSQL and token. `ca` is a
 * fake that these tests script (fake_ca.h): the real one is tested in the stack. So is the log: a
 * sink that remembers. */
#ifndef CHANCERY_TESTS_REGISTRATION_FIXTURE_H
#define CHANCERY_TESTS_REGISTRATION_FIXTURE_H

#include "cm.h"

#include "registration.h"
#include "test_postgres.h"

#define TD "chancery.test"
#define MUST(call) must((call), #call, __FILE__, __LINE__)

void must(enum chancery_err err, const char *what, const char *file, int line);

int fixture_setup(void **state);
int fixture_teardown(void **state);

/* fixture_stop ends registration's daemon (also done by fixture_teardown). */
void fixture_stop(void);

struct registration *fixture_registration(void);
const struct test_postgres *fixture_postgres(void);

/* fixture_channel connects as `path` ("/user/alice"); owned by the fixture, one per path. */
struct rpc_channel *fixture_channel(const char *path);

/* fixture_csr gives a certification request: same `n`, same bytes; n < 16. */
struct slice fixture_csr(unsigned n);

/* Refusals in the log with this rule. */
unsigned fixture_refusals(const char *rule);

/* Entries in the log with this action. */
unsigned fixture_entries(const char *action);

/* fixture_renew gives `path` a new certificate of the same identity. */
void fixture_renew(const char *path);

/* fixture_log_away makes the log refuse everything (final, so that nobody waits for it). */
void fixture_log_away(bool away);

/* One number of a row: SELECT ... FROM registration.request. -1 when there is no row. */
int64_t fixture_number(const char *sql);

/* Spins until the condition holds; a minute without it ends the test. */
#define AWAIT(condition)                                                                           \
    do {                                                                                           \
        int64_t await_until_ = os_mono_ms() + 60000;                                               \
        while (!(condition)) {                                                                     \
            assert_true(os_mono_ms() < await_until_);                                              \
            (void)sched_yield();                                                                   \
        }                                                                                          \
    } while (0)

/* ---- Enroll ---- */

struct answer {
    struct arena arena;
    enum chancery_err err;
    struct diag diag;
    Chancery__Registration__V1__EnrollResponse *response;
};
void answer_clear(struct answer *a);

struct ask {
    const char *path;    /* NULL: "/user/alice" */
    const char *profile; /* what the fake ca does: fake_ca.h */
    const char *key;     /* NULL: none */
    const char *protocol;
    unsigned csr;
    unsigned timeout_ms; /* 0: 30000 */
};
void enroll(const struct ask *ask, struct answer *out);

/* In a thread of its own; enroll_join waits for the answer. */
struct pending;
struct pending *enroll_start(const struct ask *ask);
void enroll_join(struct pending *p, struct answer *out);

/* Waiting calls that joined an active one with this key. */
unsigned fixture_joined(const char *key);

#endif
