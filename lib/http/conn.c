/* Connections: accounting, the limit, and deadlines that the library does not have.
 *
 * The library offers no hook for "a connection began". Its bufferevent factory is called at accept;
 * the event made here is activated at once, runs before any byte of the new socket is read, and
 * learns the connection object from the bufferevent's callback argument. From then on the same
 * event is the deadline timer: a peer that has not sent a whole request in idle_s, or does not take
 * its answer at a sane rate, is closed. (The library's own timeouts restart with every octet.) */
#include <stdlib.h>

#include "http/http_int.h"

#define REPLY_RATE_MIN 16384 /* octets per second a client must take; slow modems do */

static void unlink_conn(struct http_conn *c)
{
    struct http_loop *l = c->loop;
    if (c->prev != NULL) {
        c->prev->next = c->next;
    } else {
        l->conns = c->next;
    }
    if (c->next != NULL) {
        c->next->prev = c->prev;
    }
    if (c->fd >= 0 && (size_t)c->fd < l->by_fd_n && l->by_fd[c->fd] == c) {
        l->by_fd[c->fd] = NULL;
    }
}

static void conn_free(struct http_conn *c)
{
    struct http_loop *l = c->loop;
    unlink_conn(c);
    if (c->timer != NULL) {
        event_free(c->timer);
    }
    atomic_fetch_sub(&l->server->connections, 1);
    free(c);
    if (l->draining && l->conns == NULL) {
        (void)event_base_loopexit(l->base, NULL);
    }
}

/* Shows the octets of `in` from `from` on to the scanner. */
static void scan_from(struct http_conn *c, struct evbuffer *in, size_t from)
{
    struct evbuffer_ptr at;
    struct evbuffer_iovec v[4];
    while (!c->scan.done && evbuffer_ptr_set(in, &at, from, EVBUFFER_PTR_SET) == 0) {
        int n = evbuffer_peek(in, -1, &at, v, 4);
        size_t seen = 0;
        for (int i = 0; i < n && i < 4; i++) {
            http_scan_add(&c->scan, slice_of(v[i].iov_base, v[i].iov_len));
            seen += v[i].iov_len;
        }
        if (seen == 0) {
            return;
        }
        from += seen;
    }
}

/* Called when octets were read from the socket, before the library parses them. */
static void on_input(struct evbuffer *in, const struct evbuffer_cb_info *info, void *arg)
{
    struct http_conn *c = arg;
    if (info->n_added > 0 && !c->scan.done) {
        scan_from(c, in, info->orig_size);
    }
}

/* Called by the library when the connection object is about to be freed. */
static void on_close(struct evhttp_connection *evcon, void *arg)
{
    struct http_conn *c = arg;
    (void)evcon;
    if (c->request != NULL) {
        http_request_orphan(c->request);
    }
    (void)evbuffer_remove_cb(bufferevent_get_input(c->bev), on_input, c);
    conn_free(c);
}

static bool index_conn(struct http_conn *c)
{
    struct http_loop *l = c->loop;
    if (c->fd < 0) {
        return false;
    }
    if ((size_t)c->fd >= l->by_fd_n) {
        size_t n = (size_t)c->fd + 64;
        struct http_conn **grown = realloc(l->by_fd, n * sizeof(struct http_conn *));
        if (grown == NULL) {
            return false;
        }
        memset(grown + l->by_fd_n, 0, (n - l->by_fd_n) * sizeof(struct http_conn *));
        l->by_fd = grown;
        l->by_fd_n = n;
    }
    l->by_fd[c->fd] = c;
    return true;
}

static void arm(struct http_conn *c, int64_t seconds)
{
    struct timeval tv = {.tv_sec = (time_t)seconds};
    (void)event_add(c->timer, &tv);
}

static void attach(struct http_conn *c)
{
    void *evcon = NULL;
    bufferevent_getcb(c->bev, NULL, NULL, NULL, &evcon);
    c->fd = bufferevent_getfd(c->bev);
    (void)bufferevent_decref(c->bev); /* from here on the library's connection keeps it */
    if (evcon == NULL) {              /* it gave up between accept and here */
        conn_free(c);
        return;
    }
    struct http_server *s = c->loop->server;
    bool over = atomic_load(&s->connections) > s->connections_max;
    if (over || c->loop->draining || !index_conn(c)) {
        evhttp_connection_free(evcon);
        conn_free(c);
        return;
    }
    if (evbuffer_add_cb(bufferevent_get_input(c->bev), on_input, c) == NULL) {
        evhttp_connection_free(evcon);
        conn_free(c);
        return;
    }
    c->evcon = evcon;
    evhttp_connection_set_closecb(evcon, on_close, c);
    arm(c, s->idle_s);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct http_conn *c = arg;
    (void)fd;
    (void)what;
    if (c->evcon == NULL) {
        attach(c);
    } else {
        evhttp_connection_free(c->evcon); /* frees c through on_close */
    }
}

struct bufferevent *http_conn_accept(struct event_base *base, void *loop)
{
    struct http_loop *l = loop;
    struct bufferevent *bev = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
    struct http_conn *c = calloc(1, sizeof(*c));
    if (bev == NULL || c == NULL) {
        free(c);
        return bev; /* requests of an unknown connection are answered 503 */
    }
    *c = (struct http_conn){.loop = l, .bev = bev, .fd = -1};
    c->timer = event_new(base, -1, 0, on_timer, c);
    if (c->timer == NULL) {
        free(c);
        return bev;
    }
    bufferevent_incref(bev);
    c->next = l->conns;
    if (l->conns != NULL) {
        l->conns->prev = c;
    }
    l->conns = c;
    atomic_fetch_add(&l->server->connections, 1);
    event_active(c->timer, EV_TIMEOUT, 1);
    return bev;
}

struct http_conn *http_conn_find(struct http_loop *l, struct evhttp_request *ev)
{
    struct evhttp_connection *evcon = evhttp_request_get_connection(ev);
    struct bufferevent *bev = evcon == NULL ? NULL : evhttp_connection_get_bufferevent(evcon);
    evutil_socket_t fd = bev == NULL ? -1 : bufferevent_getfd(bev);
    if (fd < 0 || (size_t)fd >= l->by_fd_n || l->by_fd[fd] == NULL || l->by_fd[fd]->bev != bev) {
        return NULL;
    }
    return l->by_fd[fd];
}

void http_conn_deadline(struct http_conn *c, size_t reply_len)
{
    arm(c, (int64_t)c->loop->server->idle_s + (int64_t)(reply_len / REPLY_RATE_MIN));
}

void http_conn_sent(struct evhttp_request *ev, void *conn)
{
    struct http_conn *c = conn;
    (void)ev;
    /* What has arrived by now belongs to the next request: the library took exactly this one's. */
    c->scan = (struct http_scan){0};
    scan_from(c, bufferevent_get_input(c->bev), 0);
    arm(c, c->loop->draining ? 0 : c->loop->server->idle_s);
}
