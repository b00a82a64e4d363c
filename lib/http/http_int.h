/* Private to lib/http: loops, connections, requests. Everything here is touched by its loop's
 * thread only, but for what stands under http_loop.lock. */
#ifndef CHANCERY_HTTP_HTTP_INT_H
#define CHANCERY_HTTP_HTTP_INT_H

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <pthread.h>
#include <stdatomic.h>

#include "http/gate.h"
#include "http/http.h"

struct http_loop;

/* One accepted connection. Freed by the close callback of the library's connection object. */
struct http_conn {
    struct http_loop *loop;
    struct http_conn *prev, *next;
    struct bufferevent *bev;
    struct evhttp_connection *evcon; /* NULL until attached */
    struct event *timer;             /* first run attaches; later runs end slow peers */
    struct http_request *request;    /* being handled; NULL while reading or writing */
    struct http_scan scan;           /* of the request that is arriving */
    int fd;
};

struct http_queued {
    struct http_queued *next;
    struct http_request *request;
    struct http_reply reply; /* points into `memory` */
    struct buf memory;
    const char **headers;
};

struct http_dispatch {
    bool replied, deferred;
};

/* A request owns copies of all it shows, so that a deferred one survives its connection. */
struct http_request {
    struct http_loop *loop;
    struct http_request *prev, *next; /* those of the loop */
    struct http_conn *conn;           /* NULL when the connection is gone */
    struct evhttp_request *ev;        /* NULL when it is gone */
    struct http_dispatch *dispatch;   /* while the handler runs */
    enum http_method method;
    bool close;
    struct slice path, query, body;
    struct http_field *fields;
    size_t n_fields;
};

struct http_loop {
    struct http_server *server;
    pthread_t thread;
    bool running;
    struct event_base *base;
    struct evhttp *http;
    struct evconnlistener *listener;
    struct evhttp_bound_socket *bound;
    struct event *wake, *retry_accept, *grace;
    int wake_fd;
    struct http_conn *conns;
    struct http_conn **by_fd; /* attached connections by descriptor */
    size_t by_fd_n;
    struct http_request *requests;
    bool draining;

    pthread_mutex_t lock;
    struct http_queued *queue; /* answers of other threads, newest first; under lock */
    bool closed;               /* no more answers are taken; under lock */
    unsigned refs;             /* server and each request; under lock */
};

struct http_server {
    http_handler *handler;
    void *ctx;
    unsigned connections_max, idle_s, grace_ms;
    size_t header_max, body_max;
    int port;
    struct http_loop **loops;
    unsigned n_loops;
    atomic_uint connections;
    atomic_bool stopping;
};

/* loop.c */
enum chancery_err http_loop_new(struct http_server *s, int listen_fd, struct http_loop **out);
enum chancery_err http_loop_start(struct http_loop *l);
void http_loop_wake(struct http_loop *l);
void http_loop_join(struct http_loop *l);
void http_loop_unref(struct http_loop *l);

/* conn.c */
struct bufferevent *http_conn_accept(struct event_base *base, void *loop);
struct http_conn *http_conn_find(struct http_loop *l, struct evhttp_request *ev);
void http_conn_deadline(struct http_conn *c, size_t reply_len);
void http_conn_sent(struct evhttp_request *ev, void *conn);

/* request.c */
void http_request_take(struct evhttp_request *ev, void *loop);
void http_request_orphan(struct http_request *r);
void http_queue_run(struct http_loop *l, struct http_queued *q);
void http_queue_drop(struct http_queued *q);

#endif
