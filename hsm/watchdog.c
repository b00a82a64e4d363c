/* The watchdog: one thread per process that ends it when a PKCS#11 call outlives its deadline.
 *
 * A hung call cannot be cancelled: the thread is inside foreign code that may hold its locks, so
 * every later call would hang too. _exit(75) without any clean-up is the only sound way out; the
 * supervisor restarts the process and settlement accounts for what was in flight. Guarded calls are
 * kept in a list (each record lives on its caller's stack). The thread sleeps until the earliest
 * deadline, at most a second, and is woken only when a new deadline is earlier than that. */
#include "hsm/hsm_int.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "log/log.h"
#include "os/os.h"

#define WATCHDOG_IDLE_MS 1000

static pthread_mutex_t watch_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t watch_wake;
static struct hsm_watch *watch_list;
static int64_t watch_wake_at_ms;
static bool watch_running;

static void *watchdog_main(void *arg)
{
    (void)arg;
    (void)pthread_mutex_lock(&watch_lock);
    for (;;) {
        int64_t now = os_mono_ms();
        watch_wake_at_ms = now + WATCHDOG_IDLE_MS;
        for (const struct hsm_watch *w = watch_list; w != NULL; w = w->next) {
            if (w->until_ms <= now) {
                log_event(LOG_LEVEL_ERROR, "hsm.hung", LOG_STR("call", w->what),
                          LOG_NUM("late_ms", now - w->until_ms), LOG_NUM("exit", HSM_EXIT_HUNG));
                _exit(HSM_EXIT_HUNG);
            }
            if (w->until_ms < watch_wake_at_ms) {
                watch_wake_at_ms = w->until_ms;
            }
        }
        struct timespec at = {.tv_sec = watch_wake_at_ms / 1000,
                              .tv_nsec = (watch_wake_at_ms % 1000) * 1000000};
        (void)pthread_cond_timedwait(&watch_wake, &watch_lock, &at);
    }
    return NULL;
}

bool hsm_thread_start(pthread_t *out, void *(*start)(void *), void *arg)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(out, NULL, start, arg) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

enum chancery_err hsm_watchdog_start(struct diag *diag)
{
    enum chancery_err err = CH_OK;
    (void)pthread_mutex_lock(&watch_lock);
    if (!watch_running) {
        pthread_condattr_t attr;
        pthread_t thread;
        (void)pthread_condattr_init(&attr);
        (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        (void)pthread_cond_init(&watch_wake, &attr);
        (void)pthread_condattr_destroy(&attr);
        if (hsm_thread_start(&thread, watchdog_main, NULL)) {
            (void)pthread_detach(thread);
            watch_running = true;
        } else {
            (void)pthread_cond_destroy(&watch_wake);
            err =
                diag_set(diag, CH_NOMEM, "hsm", "hsm.watchdog", "cannot start the watchdog thread");
        }
    }
    (void)pthread_mutex_unlock(&watch_lock);
    return err;
}

void hsm_watch_begin(struct hsm_watch *w, const char *what, unsigned deadline_ms)
{
    w->what = what;
    w->until_ms = os_mono_ms() + deadline_ms;
    w->prev = NULL;
    (void)pthread_mutex_lock(&watch_lock);
    w->next = watch_list;
    if (watch_list != NULL) {
        watch_list->prev = w;
    }
    watch_list = w;
    if (w->until_ms < watch_wake_at_ms) {
        watch_wake_at_ms = w->until_ms;
        (void)pthread_cond_signal(&watch_wake);
    }
    (void)pthread_mutex_unlock(&watch_lock);
}

void hsm_watch_end(struct hsm_watch *w)
{
    (void)pthread_mutex_lock(&watch_lock);
    if (w->prev != NULL) {
        w->prev->next = w->next;
    } else {
        watch_list = w->next;
    }
    if (w->next != NULL) {
        w->next->prev = w->prev;
    }
    (void)pthread_mutex_unlock(&watch_lock);
}
