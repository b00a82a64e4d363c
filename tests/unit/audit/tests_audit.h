/* What the tests with a real database share: submitting Appends and waiting for their end. */
#ifndef CHANCERY_TESTS_AUDIT_H
#define CHANCERY_TESTS_AUDIT_H

#include "cm.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "os/os.h"
#include "test_postgres.h"
#include "writer.h"

#define PRODUCER "spiffe://chancery.test/chancery/ca"

struct call {
    struct audit_append append;
    struct audit_item item;
    char f[64];
    struct audit_ack ack;
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool done;
    enum chancery_err err;
};

static inline void call_done(struct audit_append *a, enum chancery_err err)
{
    struct call *c = a->ctx;
    (void)pthread_mutex_lock(&c->mutex);
    c->done = true;
    c->err = err;
    (void)pthread_cond_broadcast(&c->cond);
    (void)pthread_mutex_unlock(&c->mutex);
}

static inline void call_init(struct call *c, uint8_t boot, uint64_t sequence)
{
    memset(c, 0, sizeof *c);
    (void)pthread_mutex_init(&c->mutex, NULL);
    (void)pthread_cond_init(&c->cond, NULL);
    (void)snprintf(c->f, sizeof c->f, "{\"n\":%llu}", (unsigned long long)sequence);
    c->item = (struct audit_item){.action = slice_str("note"), .f = slice_str(c->f)};
    c->append = (struct audit_append){.producer = slice_str(PRODUCER),
                                      .sequence = sequence,
                                      .items = &c->item,
                                      .n = 1,
                                      .acks = &c->ack,
                                      .done = call_done,
                                      .ctx = c};
    memset(c->append.boot, boot, AUDIT_BOOT);
}

static inline enum chancery_err call_wait(struct call *c)
{
    (void)pthread_mutex_lock(&c->mutex);
    while (!c->done) {
        (void)pthread_cond_wait(&c->cond, &c->mutex);
    }
    (void)pthread_mutex_unlock(&c->mutex);
    return c->err;
}

static inline enum chancery_err call_run(struct audit_writer *w, uint8_t boot, uint64_t sequence,
                                         struct audit_ack *ack)
{
    struct call c;
    struct diag diag = {0};
    call_init(&c, boot, sequence);
    enum chancery_err err = audit_writer_submit(w, &c.append, &diag);
    if (err == CH_OK) {
        err = call_wait(&c);
    }
    if (ack != NULL) {
        *ack = c.ack;
    }
    return err;
}

/* Repeats the same Append, as producers do, until it is acknowledged; 20 s at most. */
static inline void call_until_ok(struct audit_writer *w, uint8_t boot, uint64_t sequence,
                                 struct audit_ack *ack)
{
    int64_t until = os_mono_ms() + 20000;
    while (call_run(w, boot, sequence, ack) != CH_OK) {
        assert_true(os_mono_ms() < until);
        (void)nanosleep(&(struct timespec){0, 5000000}, NULL); /* the back-off of a producer */
    }
}

static inline void wait_active(struct audit_writer *w, bool want)
{
    int64_t until = os_mono_ms() + 20000;
    struct audit_position at;
    for (audit_writer_position(w, &at); at.active != want; audit_writer_position(w, &at)) {
        assert_true(os_mono_ms() < until);
        (void)nanosleep(&(struct timespec){0, 2000000}, NULL); /* polling a condition */
    }
}

static inline enum chancery_err admit_all(void *ctx, uint64_t size, struct diag *diag)
{
    (void)ctx;
    (void)size;
    (void)diag;
    return CH_OK;
}

static inline struct audit_writer *writer_on(const struct test_postgres *pg, const char *instance)
{
    char conninfo[512];
    test_postgres_conninfo(pg, "chancery_audit", conninfo, sizeof conninfo);
    struct audit_writer_opts o = {.conninfo = conninfo,
                                  .instance = instance,
                                  .self = "spiffe://chancery.test/chancery/audit",
                                  .admit = admit_all};
    struct audit_writer *w = NULL;
    assert_int_equal(audit_writer_start(&o, &w, NULL), CH_OK);
    return w;
}

#endif
