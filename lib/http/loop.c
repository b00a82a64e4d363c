/* One loop: event base, HTTP object, listener and thread. Loops share nothing but the server's
 * limits.
 *
 * Answers of other threads are pushed under the lock and an eventfd wakes the loop. A loop outlives
 * the server while a deferred request still points to it (reference count). */
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "http/http_int.h"

#define HEADER_SLACK 4 /* the library's own limit is this much wider: within it we answer 431 */
#define ACCEPT_RETRY_MS 100 /* after accept failed (no descriptors left) */

static _Thread_local struct http_loop
    *loop_here; /* for the one callback without an argument of ours */

static void begin_drain(struct http_loop *l)
{
    struct timeval tv = {.tv_sec = l->server->grace_ms / 1000,
                         .tv_usec = (suseconds_t)(l->server->grace_ms % 1000) * 1000};
    l->draining = true;
    if (l->bound != NULL) {
        evhttp_del_accept_socket(l->http, l->bound); /* frees the listener */
        l->bound = NULL;
        l->listener = NULL;
    }
    (void)event_add(l->grace, &tv);
    struct http_conn *next;
    for (struct http_conn *c = l->conns; c != NULL; c = next) {
        next = c->next;
        struct bufferevent *bev = c->bev;
        if (c->evcon != NULL && c->request == NULL &&
            evbuffer_get_length(bufferevent_get_output(bev)) == 0) {
            evhttp_connection_free(c->evcon);
        }
    }
    if (l->conns == NULL) {
        (void)event_base_loopexit(l->base, NULL);
    }
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct http_loop *l = arg;
    uint64_t count;
    (void)what;
    if (read(fd, &count, sizeof(count)) < 0) {
        /* spurious wake: nothing to clear */
    }
    pthread_mutex_lock(&l->lock);
    struct http_queued *q = l->queue;
    l->queue = NULL;
    pthread_mutex_unlock(&l->lock);
    struct http_queued *in_order = NULL;
    while (q != NULL) {
        struct http_queued *next = q->next;
        q->next = in_order;
        in_order = q;
        q = next;
    }
    http_queue_run(l, in_order);
    if (atomic_load(&l->server->stopping) && !l->draining) {
        begin_drain(l);
    }
}

static void on_grace(evutil_socket_t fd, short what, void *arg)
{
    struct http_loop *l = arg;
    (void)fd;
    (void)what;
    (void)event_base_loopbreak(l->base);
}

static void on_retry_accept(evutil_socket_t fd, short what, void *arg)
{
    struct http_loop *l = arg;
    (void)fd;
    (void)what;
    if (l->listener != NULL) {
        (void)evconnlistener_enable(l->listener);
    }
}

static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    struct timeval tv = {.tv_usec = ACCEPT_RETRY_MS * 1000};
    (void)arg; /* the library's */
    (void)evconnlistener_disable(listener);
    if (loop_here != NULL) {
        (void)event_add(loop_here->retry_accept, &tv);
    }
}

static void discard_log(int severity, const char *text)
{
    (void)severity; /* libraries return errors; what the library prints about peers is noise */
    (void)text;
}

static enum chancery_err make_base(struct http_loop *l)
{
    struct event_config *cfg = event_config_new();
    if (cfg == NULL) {
        return CH_NOMEM;
    }
    /* Saves two epoll_ctl per request; safe since no descriptor here is ever dup()ed. */
    (void)event_config_set_flag(cfg, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST | EVENT_BASE_FLAG_NOLOCK);
    l->base = event_base_new_with_config(cfg);
    event_config_free(cfg);
    return l->base == NULL ? CH_NOMEM : CH_OK;
}

static enum chancery_err make_events(struct http_loop *l)
{
    l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (l->wake_fd < 0) {
        return CH_IO;
    }
    l->wake = event_new(l->base, l->wake_fd, EV_READ | EV_PERSIST, on_wake, l);
    l->retry_accept = event_new(l->base, -1, 0, on_retry_accept, l);
    l->grace = event_new(l->base, -1, 0, on_grace, l);
    if (l->wake == NULL || l->retry_accept == NULL || l->grace == NULL) {
        return CH_NOMEM;
    }
    return event_add(l->wake, NULL) == 0 ? CH_OK : CH_IO;
}

static enum chancery_err make_http(struct http_loop *l)
{
    struct http_server *s = l->server;
    l->http = evhttp_new(l->base);
    if (l->http == NULL) {
        return CH_NOMEM;
    }
    evhttp_set_max_headers_size(l->http, (ev_ssize_t)(s->header_max * HEADER_SLACK));
    evhttp_set_max_body_size(l->http, (ev_ssize_t)s->body_max);
    evhttp_set_timeout(l->http, (int)s->idle_s);
    /* Every method the library knows: those not served are answered 405 by the gate. */
    evhttp_set_allowed_methods(l->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD |
                                            EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE |
                                            EVHTTP_REQ_OPTIONS | EVHTTP_REQ_TRACE |
                                            EVHTTP_REQ_CONNECT | EVHTTP_REQ_PATCH);
    evhttp_set_default_content_type(l->http, NULL);
    evhttp_set_bevcb(l->http, http_conn_accept, l);
    evhttp_set_gencb(l->http, http_request_take, l);
    return CH_OK;
}

/* Takes listen_fd over once the listener exists. */
static enum chancery_err make_listener(struct http_loop *l, int listen_fd)
{
    l->listener = evconnlistener_new(
        l->base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_DISABLED, 1024,
        listen_fd);
    if (l->listener == NULL) {
        close(listen_fd);
        return CH_NOMEM;
    }
    evconnlistener_set_error_cb(l->listener, on_accept_error);
    l->bound = evhttp_bind_listener(l->http, l->listener);
    if (l->bound == NULL) {
        evconnlistener_free(l->listener);
        l->listener = NULL;
        return CH_NOMEM;
    }
    return CH_OK;
}

/* Ends everything of the loop; its thread is not running. The memory stays for deferred requests.
 */
static void loop_close(struct http_loop *l)
{
    pthread_mutex_lock(&l->lock);
    l->closed = true;
    struct http_queued *q = l->queue;
    l->queue = NULL;
    pthread_mutex_unlock(&l->lock);
    http_queue_drop(q);
    for (struct http_request *r = l->requests; r != NULL; r = r->next) {
        r->ev = NULL; /* freed with its connection below */
        if (r->conn != NULL) {
            r->conn->request = NULL;
            r->conn = NULL;
        }
    }
    l->requests = NULL; /* deferred ones free themselves */
    if (l->http != NULL) {
        evhttp_free(l->http); /* closes listener and connections */
    }
    struct event *const events[] = {l->wake, l->retry_accept, l->grace};
    for (size_t i = 0; i < 3; i++) {
        if (events[i] != NULL) {
            event_free(events[i]);
        }
    }
    if (l->base != NULL) {
        event_base_free(l->base);
    }
    if (l->wake_fd >= 0) {
        close(l->wake_fd);
    }
    free(l->by_fd);
    l->by_fd = NULL;
    l->by_fd_n = 0;
}

void http_loop_unref(struct http_loop *l)
{
    pthread_mutex_lock(&l->lock);
    bool last = --l->refs == 0;
    pthread_mutex_unlock(&l->lock);
    if (last) {
        pthread_mutex_destroy(&l->lock);
        free(l);
    }
}

enum chancery_err http_loop_new(struct http_server *s, int listen_fd, struct http_loop **out)
{
    struct http_loop *l = calloc(1, sizeof(*l));
    if (l == NULL) {
        close(listen_fd);
        return CH_NOMEM;
    }
    event_set_log_callback(discard_log);
    *l = (struct http_loop){.server = s, .wake_fd = -1, .refs = 1};
    pthread_mutex_init(&l->lock, NULL);
    enum chancery_err err = make_base(l);
    if (err == CH_OK) {
        err = make_events(l);
    }
    if (err == CH_OK) {
        err = make_http(l);
    }
    if (err != CH_OK) {
        close(listen_fd);
    } else {
        err = make_listener(l, listen_fd);
    }
    if (err != CH_OK) {
        loop_close(l);
        http_loop_unref(l);
        return err;
    }
    *out = l;
    return CH_OK;
}

static void *loop_main(void *arg)
{
    struct http_loop *l = arg;
    loop_here = l;
    (void)evconnlistener_enable(l->listener);
    (void)event_base_loop(l->base, EVLOOP_NO_EXIT_ON_EMPTY);
    return NULL;
}

enum chancery_err http_loop_start(struct http_loop *l)
{
    sigset_t all, old;
    sigfillset(&all); /* signals are the program's; SIGPIPE must not end it when a peer leaves */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&l->thread, NULL, loop_main, l);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    l->running = rc == 0;
    return rc == 0 ? CH_OK : CH_NOMEM;
}

void http_loop_wake(struct http_loop *l)
{
    uint64_t one = 1;
    if (write(l->wake_fd, &one, sizeof(one)) < 0) {
        /* the counter is full: the loop is awake already */
    }
}

void http_loop_join(struct http_loop *l)
{
    if (l->running) {
        pthread_join(l->thread, NULL);
        l->running = false;
    }
    loop_close(l);
    http_loop_unref(l);
}
