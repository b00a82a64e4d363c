/* Readiness: all checks pass, the clock runs forward, the start is in the audit log. */
#include <unistd.h>

#include "daemon_int.h"
#include "log/log.h"
#include "os/os.h"

#define CLOCK_STEP_MS 1000 /* a smaller step back is what slewing and scheduling do */

enum chancery_err daemon_check_add(struct daemon *d, const char *name, daemon_check_fn *fn,
                                   void *ctx)
{
    if (d->n_checks == DAEMON_CHECKS_MAX || atomic_load(&d->started)) {
        return CH_LIMIT;
    }
    d->checks[d->n_checks++] = (struct daemon_check){.name = name, .fn = fn, .ctx = ctx};
    return CH_OK;
}

/* The wall clock may not fall behind where it has been. It is forgiven when it has caught up. */
static void clock_step(struct daemon *d)
{
    int64_t wall = os_now_ns() / 1000000, mono = os_mono_ms();
    if (d->clock_mono_ms != 0) {
        int64_t expected = d->clock_wall_ms + (mono - d->clock_mono_ms);
        bool back = atomic_load(&d->clock_stepped) ? wall < d->clock_wall_ms
                                                   : wall < expected - CLOCK_STEP_MS;
        if (back != atomic_load(&d->clock_stepped)) {
            log_event(back ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN,
                      back ? "clock.stepped_back" : "clock.caught_up",
                      LOG_NUM("behind_ms", expected - wall));
        }
        atomic_store(&d->clock_stepped, back);
        if (back) {
            return; /* keep where it has been */
        }
    }
    d->clock_wall_ms = wall;
    d->clock_mono_ms = mono;
}

void daemon_clock_skew(struct daemon *d, int64_t other_now_s)
{
    int64_t diff = os_now_s() - other_now_s;
    atomic_store(&d->clock_skewed, diff > DAEMON_SKEW_MAX_S || diff < -DAEMON_SKEW_MAX_S);
}

bool daemon_clock_ok(const struct daemon *d)
{
    return !atomic_load(&d->clock_stepped) && !atomic_load(&d->clock_skewed);
}

bool daemon_ready(const struct daemon *d)
{
    return atomic_load(&d->ready);
}

static bool check_run(struct daemon_check *c)
{
    struct diag diag = {0};
    enum chancery_err err = c->fn(c->ctx, &diag);
    bool failed = err != CH_OK;
    if (failed != c->failed) {
        if (failed) {
            log_event(LOG_LEVEL_WARN, "check.failed", LOG_STR("check", c->name),
                      LOG_STR("error", err_name(err)), LOG_STR("text", diag.text));
        } else {
            log_event(LOG_LEVEL_INFO, "check.passed", LOG_STR("check", c->name));
        }
    }
    c->failed = failed;
    return !failed;
}

/* The first thing a process that can work does is to say so in the log. */
static bool audit_start(struct daemon *d)
{
    if (d->start_audited) {
        return true;
    }
    const struct daemon_field fields[] = {
        DAEMON_STR("process", d->process),
        DAEMON_STR("instance", d->instance),
        DAEMON_STR("version", CHANCERY_VERSION),
        DAEMON_DIGEST("trust", slice_of(d->trust.sha256, 32)),
        DAEMON_NUM("pid", getpid()),
    };
    d->start_audited = daemon_audit(d, "process.start", fields, sizeof fields / sizeof fields[0],
                                    NULL, NULL) == CH_OK;
    return d->start_audited;
}

/* Only the task itself reads its interval. */
static void pace(struct daemon *d, bool ready)
{
    for (size_t i = 0; i < d->n_tasks; i++) {
        if (d->tasks[i].fn == daemon_ready_step) {
            d->tasks[i].interval_ms = ready ? DAEMON_READY_MS : DAEMON_UNREADY_MS;
        }
    }
}

void daemon_ready_step(void *ctx)
{
    struct daemon *d = ctx;
    clock_step(d);
    bool ready = true;
    for (size_t i = 0; i < d->n_checks && !daemon_stopping(d); i++) {
        ready = check_run(&d->checks[i]) && ready;
    }
    ready = ready && daemon_clock_ok(d) && !daemon_stopping(d) && audit_start(d);
    if (ready != atomic_load(&d->ready)) {
        log_event(LOG_LEVEL_INFO, ready ? "ready" : "not_ready", LOG_NUM("port", d->port));
    }
    atomic_store(&d->ready, ready);
    pace(d, ready);
    rpc_server_set_ready(d->server, ready);
}
