/* Private: what the files of lib/daemon share. */
#ifndef CHANCERY_DAEMON_DAEMON_INT_H
#define CHANCERY_DAEMON_DAEMON_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "conf/conf.h"
#include "daemon/daemon.h"

#define DAEMON_READY_MS 500   /* between two looks at everything that readiness needs */
#define DAEMON_UNREADY_MS 100 /* while something is missing: processes become ready in a chain */
#define DAEMON_PEERS_MAX 16
#define DAEMON_CHECKS_MAX 48
#define DAEMON_TASKS_MAX 16
#define DAEMON_HOOKS_MAX 16
#define DAEMON_URI_MAX 256
#define DAEMON_SKEW_MAX_S                                                                          \
    5 /* clock difference to the database that still counts as the same time */
#define DAEMON_REFUSALS_MAX                                                                        \
    4096 /* refusals waiting for the audit log; past it they are counted                           \
          */

struct json_t; /* jansson.h */

struct daemon_peer_entry {
    char process[32];
    struct rpc_channel *channel;
    bool optional;
};

struct daemon_check {
    const char *name;
    daemon_check_fn *fn;
    void *ctx;
    bool failed; /* last time: log only changes */
};

struct daemon_task {
    struct daemon *d;
    const char *name;
    unsigned interval_ms;
    daemon_task_fn *fn;
    void *ctx;
    pthread_t thread;
    bool running, wake; /* wake: under d->lock */
};

struct daemon_hook {
    daemon_task_fn *fn;
    void *ctx;
};

struct daemon_refusal {
    char service[96], method[48], caller[DAEMON_URI_MAX];
};

#define DAEMON_CALLS_MAX 48         /* methods of one process: three times what any has */
#define DAEMON_CALLS_MS (60 * 1000) /* between two lines of counts */

/* Finished calls of one method since the last line. */
struct daemon_calls {
    const char *service, *method;
    uint64_t n, errors, unavailable;
    int64_t sum_us, max_us;
};

struct daemon {
    struct conf_doc *doc;
    char process[32];
    const char *instance, *listen, *state_dir, *http_listen; /* in doc */
    struct rpc_tls tls;
    char identity[DAEMON_URI_MAX];
    uint8_t boot[16];

    struct arena trust_arena;
    struct daemon_trust trust;

    bool rpc_up;
    struct rpc_server *server;
    int port;
    struct daemon_peer_entry peers[DAEMON_PEERS_MAX];
    size_t n_peers;

    struct daemon_check checks[DAEMON_CHECKS_MAX];
    size_t n_checks;
    struct daemon_task tasks[DAEMON_TASKS_MAX];
    size_t n_tasks;
    struct daemon_hook stop_hooks[DAEMON_HOOKS_MAX], owned[DAEMON_HOOKS_MAX];
    size_t n_stop_hooks, n_owned;

    atomic_bool ready, stopping, started, clock_stepped, clock_skewed;
    atomic_int result;                    /* what daemon_run returns */
    int64_t clock_wall_ms, clock_mono_ms; /* readiness task only */

    pthread_mutex_t lock; /* everything below */
    pthread_cond_t tasks_cond;

    atomic_ullong sequence;
    daemon_sink_fn *sink;
    void *sink_ctx;
    bool start_audited; /* readiness task only */

    struct daemon_refusal *refusals; /* ring of DAEMON_REFUSALS_MAX */
    size_t refusals_head, refusals_n;
    uint64_t refusals_lost, junk;
    int64_t junk_since_s, junk_next_ms;

    struct daemon_calls calls[DAEMON_CALLS_MAX];
    size_t n_calls;
};

/* trust.c */
enum chancery_err daemon_trust_load(struct daemon *d, const char *path, const char *pin,
                                    struct diag *diag) MUST_CHECK;
void daemon_trust_clear(struct daemon *d);

/* trust_signature.c: `root` is the document that d->trust was read from. CH_INTEGRITY unless the
 * key of its root certificate signed it. */
enum chancery_err daemon_trust_verify(const struct daemon *d, struct json_t *root,
                                      struct diag *diag) MUST_CHECK;

/* peers.c */
enum chancery_err daemon_peers_open(struct daemon *d, struct diag *diag) MUST_CHECK;
void daemon_peers_close(struct daemon *d);

/* ready.c: the readiness task, and the clock. */
void daemon_ready_step(void *d);
void daemon_clock_skew(struct daemon *d, int64_t other_now_s);

/* tasks.c */
enum chancery_err daemon_tasks_start(struct daemon *d) MUST_CHECK;
void daemon_tasks_stop(struct daemon *d);
void daemon_stop_hooks(struct daemon *d); /* each runs once, last added first */

/* refusals.c */
enum chancery_err daemon_refusals_init(struct daemon *d) MUST_CHECK;
void daemon_refused(void *d, const char *service, const char *method, const char *caller,
                    enum chancery_err why);
void daemon_refusals_flush(void *d);

/* metrics.c: rpc_done_fn; what was counted since the last take; the task that logs it. */
void daemon_calls_done(void *d, const char *service, const char *method, enum chancery_err err,
                       int64_t duration_us);
size_t daemon_calls_take(struct daemon *d, struct daemon_calls out[DAEMON_CALLS_MAX]);
void daemon_calls_log(void *d);

/* start.c: `fn` is called with `ctx` by daemon_free, last added first. */
enum chancery_err daemon_own(struct daemon *d, daemon_task_fn *fn, void *ctx) MUST_CHECK;

#endif
