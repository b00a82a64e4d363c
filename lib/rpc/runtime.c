/* The process's libgrpc: start, end, log, and the background thread that keeps channels alive.
 *
 * libgrpc moves bytes only while some thread waits on a completion queue. The thread here always
 * does: channels reconnect although no call is in flight, and asynchronous calls complete. */
#include <dlfcn.h>
#include <grpc/support/alloc.h>
#include <grpc/support/log.h>
#include <grpc/support/time.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log/log.h"
#include "os/os.h"
#include "rpc_int.h"

#define PLUCK_KEEP 64 /* idle pluck queues kept; more blocking threads than that are unusual */
#define LIBRARY_LOG_PER_S                                                                          \
    5 /* lines of libgrpc per second: junk connections must not fill the log */

static struct {
    grpc_completion_queue *cq;
    pthread_t poller;
    pthread_mutex_t lock;
    grpc_completion_queue *idle[PLUCK_KEEP];
    size_t n_idle;
} rt = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void library_log(gpr_log_func_args *args)
{
    /* One certificate per server, whatever name was dialled: identities are URIs. */
    if (strstr(args->message, "No match found for server name") != NULL) {
        return;
    }
    static atomic_llong second;
    static atomic_uint count;
    long long now = os_mono_ms() / 1000;
    if (atomic_exchange(&second, now) != now) {
        atomic_store(&count, 0);
    }
    if (atomic_fetch_add(&count, 1) < LIBRARY_LOG_PER_S) {
        log_event(LOG_LEVEL_WARN, "rpc.library", LOG_STR("text", args->message));
    }
}

void rpc_poll(grpc_completion_queue *cq)
{
    for (;;) {
        grpc_event ev = grpc_completion_queue_next(cq, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        if (ev.type == GRPC_QUEUE_SHUTDOWN) {
            return;
        }
        if (ev.type == GRPC_OP_COMPLETE) {
            struct rpc_tag *tag = ev.tag;
            rpc_tag_seen(tag);
            tag->fn(tag, ev.success != 0);
        }
    }
}

static void *poller_main(void *arg)
{
    rpc_poll(arg);
    return NULL;
}

/* Debian builds Abseil, whose locks libgrpc uses, with a search for lock cycles at every lock: a
 * tool for those who write it, which costs some percent of all RPC work. It is turned off where it
 * exists (absl::SetMutexDeadlockDetectionMode(OnDeadlockCycle::kIgnore), under Debian's name). */
static void stop_lock_search(void)
{
    void *found = dlsym(RTLD_DEFAULT,
                        "_ZN4absl7debian329SetMutexDeadlockDetectionModeENS0_15OnDeadlockCycleE");
    void (*set_mode)(int) = NULL;
    memcpy(&set_mode, &found, sizeof set_mode); /* ISO C has no cast from void * to a function */
    if (set_mode != NULL) {
        set_mode(0);
    }
}

enum chancery_err rpc_init(void)
{
    stop_lock_search();
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0) {
        return CH_INTERNAL;
    }
    gpr_set_log_function(library_log);
    gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);
    grpc_init();
    rt.cq = grpc_completion_queue_create_for_next(NULL);
    if (pthread_create(&rt.poller, NULL, poller_main, rt.cq) != 0) {
        grpc_completion_queue_shutdown(rt.cq);
        rpc_poll(rt.cq);
        grpc_completion_queue_destroy(rt.cq);
        grpc_shutdown();
        return CH_NOMEM;
    }
    return CH_OK;
}

void rpc_shutdown(void)
{
    grpc_completion_queue_shutdown(rt.cq);
    pthread_join(rt.poller, NULL);
    grpc_completion_queue_destroy(rt.cq);
    while (rt.n_idle > 0) {
        grpc_completion_queue *cq = rt.idle[--rt.n_idle];
        grpc_completion_queue_shutdown(cq);
        (void)grpc_completion_queue_pluck(cq, NULL, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        grpc_completion_queue_destroy(cq);
    }
    grpc_shutdown();
}

grpc_completion_queue *rpc_client_cq(void)
{
    return rt.cq;
}

grpc_completion_queue *rpc_pluck_take(void)
{
    grpc_completion_queue *cq = NULL;
    pthread_mutex_lock(&rt.lock);
    if (rt.n_idle > 0) {
        cq = rt.idle[--rt.n_idle];
    }
    pthread_mutex_unlock(&rt.lock);
    return cq != NULL ? cq : grpc_completion_queue_create_for_pluck(NULL);
}

void rpc_pluck_give(grpc_completion_queue *cq)
{
    pthread_mutex_lock(&rt.lock);
    bool kept = rt.n_idle < PLUCK_KEEP;
    if (kept) {
        rt.idle[rt.n_idle++] = cq;
    }
    pthread_mutex_unlock(&rt.lock);
    if (!kept) {
        grpc_completion_queue_shutdown(cq);
        (void)grpc_completion_queue_pluck(cq, NULL, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        grpc_completion_queue_destroy(cq);
    }
}

bool rpc_batch(grpc_call *call, const grpc_op *ops, size_t n, struct rpc_tag *tag)
{
    rpc_tag_arm(tag);
    grpc_call_error e = grpc_call_start_batch(call, ops, n, tag, NULL);
    if (e != GRPC_CALL_OK) {
        log_event(LOG_LEVEL_ERROR, "rpc.batch.refused",
                  LOG_STR("why", grpc_call_error_to_string(e)));
    }
    return e == GRPC_CALL_OK;
}

bool rpc_pluck(grpc_completion_queue *cq, struct rpc_tag *tag)
{
    grpc_event ev = grpc_completion_queue_pluck(cq, tag, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    rpc_tag_seen(tag);
    return ev.type == GRPC_OP_COMPLETE && ev.success != 0;
}

gpr_timespec rpc_deadline(unsigned timeout_ms)
{
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                        gpr_time_from_millis(timeout_ms, GPR_TIMESPAN));
}
