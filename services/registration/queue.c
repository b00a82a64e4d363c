/* Batches: one item when idle, company when busy.
 *
 * Every driver thread should carry an equal share of the requests there are: those that wait, those
 * in flight, and those that callers answered a moment ago are about to send. A batch leaves when it
 * has its share; when none has come for REGISTRATION_QUIET_US; or after REGISTRATION_COLLECT_US.
 * One caller alone never waits. The busier, the larger the batches, without a knob. The active map
 * joins calls with the same caller and key. */
#include "registration.h"

#include <time.h>

static int64_t mono_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static unsigned bucket_of(const char *caller, const char *key)
{
    uint32_t h = 2166136261u;
    for (const char *p = caller; *p != '\0'; p++) {
        h = (h ^ (uint8_t)*p) * 16777619u;
    }
    for (const char *p = key; *p != '\0'; p++) {
        h = (h ^ (uint8_t)*p) * 16777619u;
    }
    return h % 1024;
}

/* With the lock held: the active item of the same caller and key, or NULL after mapping `item`. */
static struct registration_item *map_join(struct registration *r, struct registration_item *item)
{
    struct registration_item **bucket = &r->active[bucket_of(item->caller, item->key)];
    for (struct registration_item *a = *bucket; a != NULL; a = a->map_next) {
        if (strcmp(a->key, item->key) == 0 && strcmp(a->caller, item->caller) == 0) {
            return a;
        }
    }
    item->map_next = *bucket;
    *bucket = item;
    item->mapped = true;
    return NULL;
}

struct registration_item *registration_unmap(struct registration *r, struct registration_item *item)
{
    if (!item->mapped) {
        return NULL;
    }
    (void)pthread_mutex_lock(&r->lock);
    struct registration_item **p = &r->active[bucket_of(item->caller, item->key)];
    while (*p != item) {
        p = &(*p)->map_next;
    }
    *p = item->map_next;
    item->mapped = false;
    struct registration_item *waiters = item->waiters;
    item->waiters = NULL;
    (void)pthread_mutex_unlock(&r->lock);
    return waiters;
}

/* With the lock held: a driver's share of the requests there are. */
static size_t share(const struct registration *r)
{
    size_t all = r->queued + r->flying + r->returning;
    size_t part = (all + REGISTRATION_DRIVERS - 1) / REGISTRATION_DRIVERS;
    return part < PERMIT_BATCH_MAX ? part : PERMIT_BATCH_MAX;
}

/* With the lock held: waits until the queue holds a share, or no more is to be expected. */
static void wait_for_company(struct registration *r)
{
    int64_t most = mono_us() + REGISTRATION_COLLECT_US;
    while (r->head != NULL && r->queued < share(r) && !r->stopping) {
        int64_t until = r->moved_us + REGISTRATION_QUIET_US;
        until = until < most ? until : most;
        if (until <= mono_us()) {
            return;
        }
        const struct timespec at = {.tv_sec = until / 1000000, .tv_nsec = (until % 1000000) * 1000};
        (void)pthread_cond_timedwait(&r->wake, &r->lock, &at);
    }
}

/* With the lock held: answers have gone out, whose callers mostly ask again. */
static void expect_again(struct registration *r, size_t n)
{
    r->flying -= n;
    r->returning = n;
    r->moved_us = mono_us();
}

/* With the lock held: a request came. */
static void note_arrival(struct registration *r)
{
    int64_t now = mono_us();
    if (now - r->moved_us > REGISTRATION_QUIET_US) {
        r->returning = 0;
    } else if (r->returning > 0) {
        r->returning--;
    }
    r->moved_us = now;
    r->queued++;
}

enum submit_result { SUBMIT_TAKEN, SUBMIT_FULL, SUBMIT_STOPPING };

static enum submit_result submit_locked(struct registration *r, struct registration_item *item)
{
    if (r->stopping) {
        return SUBMIT_STOPPING;
    }
    if (r->queued >= REGISTRATION_QUEUE_MAX) {
        return SUBMIT_FULL;
    }
    if (item->key[0] != '\0') {
        struct registration_item *same = map_join(r, item);
        /* Refused by the driver, who writes the refusals of a batch into the log with one call. */
        item->other_content = same != NULL && memcmp(same->content, item->content, 32) != 0;
        if (same != NULL && !item->other_content) {
            item->next = same->waiters;
            same->waiters = item;
            return SUBMIT_TAKEN;
        }
    }
    item->next = NULL;
    if (r->tail == NULL) {
        r->head = item;
    } else {
        r->tail->next = item;
    }
    r->tail = item;
    note_arrival(r);
    /* A collecting driver wakes when its batch is complete or its time is over. */
    if (r->queued == 1 || r->queued >= share(r)) {
        (void)pthread_cond_signal(&r->wake);
    }
    return SUBMIT_TAKEN;
}

void registration_submit(struct registration *r, struct registration_item *item)
{
    (void)pthread_mutex_lock(&r->lock);
    enum submit_result result = submit_locked(r, item);
    (void)pthread_mutex_unlock(&r->lock);
    struct diag diag = {.text = ""};
    enum chancery_err err = CH_OK;
    switch (result) {
    case SUBMIT_TAKEN:
        return; /* may be finished, and its memory gone, by now */
    case SUBMIT_FULL:
        err = diag_set(&diag, CH_BUSY, "", "registration.queue",
                       "too many requests wait; retry later");
        break;
    case SUBMIT_STOPPING:
        err = diag_set(&diag, CH_UNAVAILABLE, "", "registration.stopping", "shutting down; retry");
        break;
    }
    registration_finish(r, item, err, &diag, NULL, false);
}

/* With the lock held: waits for a batch; 0 when stopping and empty. */
static size_t collect(struct registration *r, struct registration_item **items)
{
    while (r->head == NULL && !r->stopping) {
        (void)pthread_cond_wait(&r->wake, &r->lock);
    }
    wait_for_company(r);
    size_t n = 0, most = share(r);
    while (r->head != NULL && n < most) {
        struct registration_item *item = r->head;
        r->head = item->next;
        item->next = NULL;
        items[n++] = item;
        r->queued--;
    }
    if (r->head == NULL) {
        r->tail = NULL;
    }
    return n;
}

static void drive(struct registration *r, struct registration_item **items, size_t n, bool stopping)
{
    if (!stopping) {
        registration_drive(r, items, n);
        return;
    }
    struct diag diag;
    enum chancery_err err =
        diag_set(&diag, CH_UNAVAILABLE, "", "registration.stopping", "shutting down; retry");
    registration_finish_all(r, items, n, err, &diag);
}

static void *driver_main(void *arg)
{
    struct registration *r = arg;
    struct registration_item *items[PERMIT_BATCH_MAX];
    (void)pthread_mutex_lock(&r->lock);
    for (;;) {
        size_t n = collect(r, items);
        if (n == 0 && r->stopping) {
            break;
        }
        if (n == 0) {
            continue; /* another driver was faster */
        }
        r->flying += n;
        if (r->head != NULL) {
            (void)pthread_cond_signal(&r->wake);
        }
        bool stopping = r->stopping;
        (void)pthread_mutex_unlock(&r->lock);
        drive(r, items, n, stopping);
        (void)pthread_mutex_lock(&r->lock);
        expect_again(r, n);
        /* The batch that collects may be all there is now. */
        (void)pthread_cond_broadcast(&r->wake);
    }
    (void)pthread_mutex_unlock(&r->lock);
    return NULL;
}

enum chancery_err registration_queue_start(struct registration *r)
{
    pthread_condattr_t attr;
    if (pthread_mutex_init(&r->lock, NULL) != 0 || pthread_condattr_init(&attr) != 0) {
        return CH_NOMEM;
    }
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    int failed = pthread_cond_init(&r->wake, &attr);
    (void)pthread_condattr_destroy(&attr);
    while (failed == 0 && r->n_drivers < REGISTRATION_DRIVERS) {
        failed = pthread_create(&r->drivers[r->n_drivers], NULL, driver_main, r);
        r->n_drivers += failed == 0;
    }
    return failed == 0 ? CH_OK : CH_NOMEM;
}

void registration_queue_stop(struct registration *r)
{
    (void)pthread_mutex_lock(&r->lock);
    r->stopping = true;
    (void)pthread_cond_broadcast(&r->wake);
    (void)pthread_mutex_unlock(&r->lock);
    for (size_t i = 0; i < r->n_drivers; i++) {
        (void)pthread_join(r->drivers[i], NULL);
    }
    r->n_drivers = 0;
}
