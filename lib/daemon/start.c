/* From argv to a process that is ready to be given its service. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon_int.h"
#include "log/log.h"
#include "os/os.h"

static void usage(const char *process, FILE *to)
{
    (void)fprintf(to,
                  "chancery-%s: a process of Chancery\n\n"
                  "usage: chancery-%s --config FILE.yaml\n\n"
                  "  --config FILE   configuration of this process\n"
                  "  --version       print the version and exit\n"
                  "  --help          print this and exit\n\n"
                  "The process logs JSON lines to standard error and stops on SIGTERM.\n",
                  process, process);
}

static enum chancery_err arguments(int argc, char **argv, const char *process, const char **out,
                                   struct diag *diag)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"help", no_argument, NULL, 'h'},
                                            {"version", no_argument, NULL, 'v'},
                                            {NULL, 0, NULL, 0}};
    *out = NULL;
    opterr = 0;
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, "c:hv", options, NULL)) != -1;) {
        if (c == 'c') {
            *out = optarg;
        } else if (c == 'h') {
            usage(process, stdout);
            exit(0);
        } else if (c == 'v') {
            (void)printf("chancery-%s %s\n", process, CHANCERY_VERSION);
            exit(0);
        } else {
            return diag_set(diag, CH_INVALID, "argv", "usage", "unknown option: see --help");
        }
    }
    if (*out == NULL || optind != argc) {
        return diag_set(diag, CH_INVALID, "argv", "usage", "--config FILE is required: see --help");
    }
    return CH_OK;
}

/* The common keys; strings stay in the document. */
static enum chancery_err read_conf(struct daemon *d, const char **trust, const char **pin,
                                   struct diag *diag)
{
    const struct conf_node *root = conf_root(d->doc), *tls = NULL, *http = NULL;
    const char *process = NULL, *level = "info";
    TRY(conf_string(root, "process", CONF_REQUIRED, &process, diag));
    if (strcmp(process, d->process) != 0) {
        return conf_error(conf_get(root, "process"), CH_INVALID, "conf.process", diag,
                          "this file is for \"%s\", the program is chancery-%s", process,
                          d->process);
    }
    d->instance = d->process;
    TRY(conf_string(root, "instance", CONF_OPTIONAL, &d->instance, diag));
    TRY(conf_string(root, "listen", CONF_REQUIRED, &d->listen, diag));
    TRY(conf_string(root, "trust", CONF_REQUIRED, trust, diag));
    TRY(conf_string(root, "trust_sha256", CONF_REQUIRED, pin, diag));
    TRY(conf_string(root, "state_dir", CONF_OPTIONAL, &d->state_dir, diag));
    TRY(conf_string(root, "log_level", CONF_OPTIONAL, &level, diag));
    TRY(conf_map(root, "tls", CONF_REQUIRED, &tls, diag));
    TRY(conf_string(tls, "dir", CONF_REQUIRED, &d->tls.dir, diag));
    TRY(conf_string(tls, "deny_list", CONF_OPTIONAL, &d->tls.deny_file, diag));
    TRY(conf_map(root, "http", CONF_OPTIONAL, &http, diag));
    if (http != NULL) {
        TRY(conf_string(http, "listen", CONF_REQUIRED, &d->http_listen, diag));
    }
    enum log_level max = log_level_from_name(level);
    if (max == 0) {
        return conf_error(conf_get(root, "log_level"), CH_INVALID, "conf.log_level", diag,
                          "\"%s\" is not error, warn, info or debug", level);
    }
    log_init(d->process, d->instance, max);
    return CH_OK;
}

static enum chancery_err check_identity(struct daemon *d, struct diag *diag)
{
    char path[64], want[DAEMON_URI_MAX];
    (void)snprintf(path, sizeof path, "/chancery/%s", d->process);
    TRY(daemon_uri(d, path, want, sizeof want));
    TRY(rpc_tls_identity(&d->tls, d->identity, sizeof d->identity, diag));
    if (strcmp(d->identity, want) != 0) {
        return diag_set(diag, CH_INVALID, "tls.dir", "identity.uri",
                        "the certificate in %s is for \"%s\", this process is \"%s\"", d->tls.dir,
                        d->identity, want);
    }
    return CH_OK;
}

static enum chancery_err make_server(struct daemon *d, struct diag *diag)
{
    const struct conf_node *rpc = NULL;
    int64_t workers = 0, queue = 0, grace = 5000;
    TRY(conf_map(conf_root(d->doc), "rpc", CONF_OPTIONAL, &rpc, diag));
    if (rpc != NULL) {
        TRY(conf_int(rpc, "workers", CONF_OPTIONAL, 0, 512, &workers, diag));
        TRY(conf_int(rpc, "queue", CONF_OPTIONAL, 0, 100000, &queue, diag));
        TRY(conf_int(rpc, "grace_ms", CONF_OPTIONAL, 1, 600000, &grace, diag));
    }
    struct rpc_server_opts o = {.tls = d->tls,
                                .trust_domain = d->trust.trust_domain,
                                .workers = (unsigned)workers,
                                .queue_max = (unsigned)queue,
                                .grace_ms = (unsigned)grace,
                                .message_max = (size_t)16 << 20,
                                .on_refused = daemon_refused,
                                .on_done = daemon_calls_done,
                                .hook_ctx = d};
    return rpc_server_new(&o, &d->server, diag);
}

static enum chancery_err start(struct daemon *d, const char *config, struct diag *diag)
{
    const char *trust = NULL, *pin = NULL;
    os_harden();
    /* A full quota or a reader that left is an error of one write, not the end of the process. */
    (void)signal(SIGXFSZ, SIG_IGN);
    (void)signal(SIGPIPE, SIG_IGN);
    TRY(conf_load(config, &d->doc, diag));
    TRY(read_conf(d, &trust, &pin, diag));
    TRY(daemon_trust_load(d, trust, pin, diag));
    TRY(check_identity(d, diag));
    TRY(daemon_refusals_init(d));
    TRY(rpc_init());
    d->rpc_up = true;
    TRY(daemon_peers_open(d, diag));
    TRY(make_server(d, diag));
    TRY(daemon_every(d, "readiness", DAEMON_READY_MS, daemon_ready_step, d));
    TRY(daemon_every(d, "metrics", DAEMON_CALLS_MS, daemon_calls_log, d));
    return daemon_every(d, "refusals", 1000, daemon_refusals_flush, d);
}

enum chancery_err daemon_start(int argc, char **argv, const char *process, struct daemon **out,
                               struct diag *diag)
{
    const char *config = NULL;
    *out = NULL;
    log_init(process, "", LOG_LEVEL_INFO);
    TRY(arguments(argc, argv, process, &config, diag));
    struct daemon *d = calloc(1, sizeof *d);
    if (d == NULL) {
        return CH_NOMEM;
    }
    (void)snprintf(d->process, sizeof d->process, "%s", process);
    os_random(d->boot, sizeof d->boot);
    pthread_mutex_init(&d->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&d->tasks_cond, &attr);
    pthread_condattr_destroy(&attr);
    enum chancery_err err = start(d, config, diag);
    if (err != CH_OK) {
        daemon_free(d);
        return err;
    }
    *out = d;
    return CH_OK;
}

enum chancery_err daemon_own(struct daemon *d, daemon_task_fn *fn, void *ctx)
{
    if (d->n_owned == DAEMON_HOOKS_MAX) {
        return CH_LIMIT;
    }
    d->owned[d->n_owned++] = (struct daemon_hook){fn, ctx};
    return CH_OK;
}

void daemon_free(struct daemon *d)
{
    if (d == NULL) {
        return;
    }
    rpc_server_free(d->server);
    daemon_stop_hooks(d); /* left over when the start failed */
    while (d->n_owned > 0) {
        d->n_owned--;
        d->owned[d->n_owned].fn(d->owned[d->n_owned].ctx);
    }
    daemon_peers_close(d);
    if (d->rpc_up) {
        rpc_shutdown();
    }
    daemon_trust_clear(d);
    conf_free(d->doc);
    free(d->refusals);
    pthread_mutex_destroy(&d->lock);
    pthread_cond_destroy(&d->tasks_cond);
    free(d);
}

int daemon_exit(struct daemon *d, enum chancery_err err, const struct diag *diag)
{
    if (err != CH_OK) {
        log_diag(LOG_LEVEL_ERROR, "process.failed", err, diag);
    }
    daemon_free(d);
    return err == CH_OK ? 0 : err == CH_INVALID || err == CH_MALFORMED ? 2 : 1;
}

/* ---- readers ---- */

const struct conf_node *daemon_conf(const struct daemon *d)
{
    return conf_root(d->doc);
}

const char *daemon_process(const struct daemon *d)
{
    return d->process;
}

const char *daemon_instance(const struct daemon *d)
{
    return d->instance;
}

const char *daemon_identity(const struct daemon *d)
{
    return d->identity;
}

const char *daemon_trust_domain(const struct daemon *d)
{
    return d->trust.trust_domain;
}

const char *daemon_state_dir(const struct daemon *d)
{
    return d->state_dir;
}

const char *daemon_http_listen(const struct daemon *d)
{
    return d->http_listen;
}

const uint8_t *daemon_boot(const struct daemon *d)
{
    return d->boot;
}

const struct daemon_trust *daemon_trust(const struct daemon *d)
{
    return &d->trust;
}

struct rpc_server *daemon_server(struct daemon *d)
{
    return d->server;
}

enum chancery_err daemon_uri(const struct daemon *d, const char *path, char *out, size_t cap)
{
    int n = snprintf(out, cap, "spiffe://%s%s", d->trust.trust_domain, path);
    return n < 0 || (size_t)n >= cap ? CH_LIMIT : CH_OK;
}
