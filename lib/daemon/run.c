/* Serving until told to stop, and the order of the end. */
#include <signal.h>
#include <unistd.h>

#include "daemon_int.h"
#include "log/log.h"

void daemon_stop(struct daemon *d, enum chancery_err err)
{
    int none = CH_OK;
    if (err != CH_OK) {
        (void)atomic_compare_exchange_strong(&d->result, &none, (int)err);
    }
    /* All threads block it (rpc_init): it waits for daemon_run's sigwait. */
    (void)kill(getpid(), SIGTERM);
}

static void wait_for_signal(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    int signal = 0;
    while (sigwait(&set, &signal) != 0 || signal == SIGHUP) {
        log_event(LOG_LEVEL_INFO, "signal.ignored", LOG_NUM("signal", signal));
    }
    log_event(LOG_LEVEL_INFO, "stopping", LOG_NUM("signal", signal));
}

static void audit_stop(struct daemon *d)
{
    if (!d->start_audited) {
        return;
    }
    const struct daemon_field fields[] = {DAEMON_STR("process", d->process),
                                          DAEMON_STR("instance", d->instance)};
    struct daemon_entry entry = {.action = "process.stop", .fields = fields, .n_fields = 2};
    struct daemon_ack ack;
    if (daemon_audit_append(d, &entry, 1, 2000, &ack, NULL) != CH_OK) {
        log_event(LOG_LEVEL_WARN, "audit.stop_not_recorded");
    }
}

static void finish(struct daemon *d)
{
    atomic_store(&d->stopping, true);
    atomic_store(&d->ready, false);
    rpc_server_set_ready(d->server, false);
    rpc_server_stop(d->server);
    daemon_tasks_stop(d);
    daemon_calls_log(d);
    daemon_refusals_flush(d);
    audit_stop(d);
    daemon_stop_hooks(d);
}

enum chancery_err daemon_run(struct daemon *d, struct diag *diag)
{
    /* The service has taken its keys by now: what nobody took is a mistake in the file. */
    TRY(conf_finish(conf_root(d->doc), diag));
    TRY(rpc_server_listen(d->server, d->listen, &d->port, diag));
    atomic_store(&d->started, true);
    TRY(rpc_server_start(d->server, diag));
    enum chancery_err err = daemon_tasks_start(d);
    if (err == CH_OK) {
        log_event(LOG_LEVEL_INFO, "listening", LOG_STR("address", d->listen),
                  LOG_NUM("port", d->port));
        wait_for_signal();
        err = (enum chancery_err)atomic_load(&d->result);
    }
    finish(d);
    return err;
}
