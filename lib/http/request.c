/* Requests: from the library's object to a self-contained copy, through the gate, to the handler;
 * and answers back, from the loop's thread or from any other.
 *
 * The copy (one allocation) is what makes deferring safe: a worker may read path, header and body
 * while the connection dies. The library's request is touched by the loop's thread only. */
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http/http_int.h"

/* ---- life ---- */

static void link_request(struct http_request *r)
{
    struct http_loop *l = r->loop;
    r->next = l->requests;
    if (l->requests != NULL) {
        l->requests->prev = r;
    }
    l->requests = r;
    pthread_mutex_lock(&l->lock);
    l->refs++;
    pthread_mutex_unlock(&l->lock);
}

/* On the loop's thread, or after the loop was closed (then no list is left to leave). */
static void request_free(struct http_request *r, bool linked)
{
    struct http_loop *l = r->loop;
    if (linked) {
        if (r->prev != NULL) {
            r->prev->next = r->next;
        } else {
            l->requests = r->next;
        }
        if (r->next != NULL) {
            r->next->prev = r->prev;
        }
    }
    if (r->conn != NULL) {
        r->conn->request = NULL;
    }
    free(r);
    http_loop_unref(l);
}

void http_request_orphan(struct http_request *r)
{
    r->conn = NULL;
    if (r->ev != NULL && evhttp_request_get_connection(r->ev) != NULL) {
        r->ev = NULL; /* goes with its connection; a detached one is freed by answering it */
    }
}

static enum http_method method_of(const struct evhttp_request *ev)
{
    switch (ev->type) {
    case EVHTTP_REQ_GET:
        return HTTP_GET;
    case EVHTTP_REQ_HEAD:
        return HTTP_HEAD;
    case EVHTTP_REQ_POST:
        return HTTP_POST;
    default:
        return HTTP_NONE;
    }
}

static struct slice copy_to(uint8_t **at, struct slice s)
{
    struct slice out = slice_of(*at, s.len);
    if (s.len > 0) {
        memcpy(*at, s.ptr, s.len);
    }
    (*at)[s.len] = 0;
    *at += s.len + 1;
    return out;
}

/* Copies everything; NULL when memory is out. Path and query are set once the gate has passed. */
static struct http_request *request_copy(struct evhttp_request *ev, struct http_loop *l,
                                         struct slice *out_target)
{
    struct slice uri = slice_str(evhttp_request_get_uri(ev));
    struct evbuffer *in = evhttp_request_get_input_buffer(ev);
    size_t body_len = evbuffer_get_length(in), n = 0, text = uri.len + body_len + 2;
    struct evkeyval *kv;
    for (kv = ev->input_headers->tqh_first; kv != NULL; kv = kv->next.tqe_next) {
        n++;
        text += strlen(kv->key) + strlen(kv->value) + 2;
    }
    struct http_request *r = malloc(sizeof(*r) + n * sizeof(struct http_field) + text);
    if (r == NULL) {
        return NULL;
    }
    *r = (struct http_request){.loop = l, .ev = ev, .method = method_of(ev), .n_fields = n};
    r->fields = (struct http_field *)(r + 1);
    uint8_t *at = (uint8_t *)(r->fields + n);
    size_t i = 0;
    for (kv = ev->input_headers->tqh_first; kv != NULL; kv = kv->next.tqe_next) {
        r->fields[i].name = copy_to(&at, slice_str(kv->key));
        r->fields[i++].value = copy_to(&at, slice_str(kv->value));
    }
    *out_target = copy_to(&at, uri);
    r->body = slice_of(at, body_len);
    if (body_len > 0 && evbuffer_copyout(in, at, body_len) != (ev_ssize_t)body_len) {
        free(r);
        return NULL;
    }
    return r;
}

/* ---- answers ---- */

static const char *reason_phrase(int status)
{
    static const struct {
        int status;
        const char *phrase;
    } table[] = {{200, "OK"},
                 {201, "Created"},
                 {202, "Accepted"},
                 {204, "No Content"},
                 {301, "Moved Permanently"},
                 {302, "Found"},
                 {304, "Not Modified"},
                 {400, "Bad Request"},
                 {401, "Unauthorized"},
                 {403, "Forbidden"},
                 {404, "Not Found"},
                 {405, "Method Not Allowed"},
                 {409, "Conflict"},
                 {413, "Content Too Large"},
                 {414, "URI Too Long"},
                 {415, "Unsupported Media Type"},
                 {429, "Too Many Requests"},
                 {431, "Request Header Fields Too Large"},
                 {500, "Internal Server Error"},
                 {503, "Service Unavailable"},
                 {505, "HTTP Version Not Supported"}};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].status == status) {
            return table[i].phrase;
        }
    }
    return "Status"; /* any text serves: RFC 9112 4 tells clients to ignore it */
}

/* Adds the file's content (unless HEAD). false: there is no such regular file. */
static bool add_file(struct evbuffer *out, const char *path, bool head, size_t *out_len)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        return false;
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return false;
    }
    *out_len = (size_t)st.st_size;
    if (head || st.st_size == 0) {
        close(fd);
        return true;
    }
    evbuffer_set_flags(out, EVBUFFER_FLAG_DRAINS_TO_FD); /* sendfile instead of mmap */
    return evbuffer_add_file(out, fd, 0, (ev_off_t)st.st_size) == 0;
}

static void add_headers(struct evkeyvalq *out, const struct http_reply *reply)
{
    if (reply->content_type != NULL) {
        (void)evhttp_add_header(out, "Content-Type", reply->content_type);
    }
    for (const char *const *h = reply->headers; h != NULL && h[0] != NULL && h[1] != NULL; h += 2) {
        (void)evhttp_add_header(out, h[0], h[1]); /* refuses line breaks by itself */
    }
}

/* Sends on the loop's thread; r->ev is there. */
static void send_now(struct http_request *r, const struct http_reply *reply)
{
    struct evbuffer *body = evhttp_request_get_output_buffer(r->ev);
    struct evkeyvalq *out = evhttp_request_get_output_headers(r->ev);
    static const struct http_reply not_found = {
        .status = 404, .content_type = "text/plain", .body = {(const uint8_t *)"not found\n", 10}};
    bool head = r->method == HTTP_HEAD;
    bool bare = reply->status == 304 || reply->status == 204;
    size_t len = reply->body.len;
    if (reply->file != NULL && !bare && !add_file(body, reply->file, head, &len)) {
        reply = &not_found;
        len = reply->body.len;
    }
    if (reply->file == NULL && !bare && !head && len > 0) {
        (void)evbuffer_add(body, reply->body.ptr, len);
    }
    add_headers(out, reply);
    if (!bare) {
        char text[24];
        (void)snprintf(text, sizeof(text), "%zu", len);
        (void)evhttp_add_header(out, "Content-Length", text);
    }
    if (r->close || r->loop->draining) {
        (void)evhttp_add_header(out, "Connection", "close");
    }
    if (r->conn != NULL) {
        evhttp_request_set_on_complete_cb(r->ev, http_conn_sent, r->conn);
        http_conn_deadline(r->conn, head ? 0 : len);
    }
    evhttp_send_reply(r->ev, reply->status, reason_phrase(reply->status), NULL);
}

static void finish(struct http_request *r, const struct http_reply *reply)
{
    struct http_conn *c = r->conn;
    struct http_dispatch *d = r->dispatch;
    if (d != NULL) {
        d->replied = true;
    }
    if (c != NULL) {
        c->request = NULL; /* from here on the connection is only writing */
    }
    if (r->ev != NULL) {
        send_now(r, reply);
    }
    r->conn = NULL;
    request_free(r, true);
}

static void queued_free(struct http_queued *q)
{
    buf_clear(&q->memory);
    free((void *)q->headers);
    free(q);
}

void http_queue_run(struct http_loop *l, struct http_queued *q)
{
    (void)l;
    while (q != NULL) {
        struct http_queued *next = q->next;
        finish(q->request, &q->reply);
        queued_free(q);
        q = next;
    }
}

/* Answers that came too late: the loop has ended and its lists are being taken down. */
void http_queue_drop(struct http_queued *q)
{
    while (q != NULL) {
        struct http_queued *next = q->next;
        request_free(q->request, true);
        queued_free(q);
        q = next;
    }
}

static enum chancery_err copy_strings(struct http_queued *q, const struct http_reply *reply,
                                      size_t n)
{
    buf_init(&q->memory, SIZE_MAX / 2);
    size_t need = reply->body.len + 3;
    need += reply->content_type == NULL ? 0 : strlen(reply->content_type);
    need += reply->file == NULL ? 0 : strlen(reply->file);
    for (size_t i = 0; i < n; i++) {
        need += strlen(reply->headers[i]) + 1;
    }
    TRY(buf_reserve(&q->memory, need)); /* nothing moves from here on */
    uint8_t *at = q->memory.ptr;
    q->reply.status = reply->status;
    q->reply.body = copy_to(&at, reply->body);
    if (reply->content_type != NULL) {
        q->reply.content_type = (const char *)copy_to(&at, slice_str(reply->content_type)).ptr;
    }
    if (reply->file != NULL) {
        q->reply.file = (const char *)copy_to(&at, slice_str(reply->file)).ptr;
    }
    for (size_t i = 0; i < n; i++) {
        q->headers[i] = (const char *)copy_to(&at, slice_str(reply->headers[i])).ptr;
    }
    q->reply.headers = q->headers;
    return CH_OK;
}

static struct http_queued *queued_copy(struct http_request *r, const struct http_reply *reply)
{
    struct http_queued *q = calloc(1, sizeof(*q));
    size_t n = 0;
    while (reply->headers != NULL && reply->headers[n] != NULL) {
        n++;
    }
    if (q == NULL) {
        return NULL;
    }
    q->request = r;
    q->headers = calloc(n + 1, sizeof(q->headers[0]));
    if (q->headers == NULL || copy_strings(q, reply, n) != CH_OK) {
        queued_free(q);
        return NULL;
    }
    return q;
}

void http_reply(struct http_request *r, const struct http_reply *reply)
{
    struct http_loop *l = r->loop;
    if (r->dispatch != NULL) { /* in the handler, on the loop's thread */
        finish(r, reply);
        return;
    }
    static const struct http_reply busy = {.status = 503};
    struct http_queued *q = queued_copy(r, reply);
    if (q == NULL) {
        q = queued_copy(r, &busy);
    }
    pthread_mutex_lock(&l->lock);
    bool closed = l->closed;
    if (!closed && q != NULL) {
        q->next = l->queue;
        l->queue = q;
        http_loop_wake(l); /* under the lock: the descriptor is closed only after `closed` is set */
    }
    pthread_mutex_unlock(&l->lock);
    if (closed) {
        if (q != NULL) {
            queued_free(q);
        }
        request_free(r, false);
    }
}

void http_defer(struct http_request *r)
{
    if (r->dispatch != NULL) {
        r->dispatch->deferred = true;
        r->dispatch = NULL; /* the handler's stack ends; answers go through the queue now */
    }
}

/* ---- arrival ---- */

static void refuse(struct http_request *r, const struct http_gate_verdict *v)
{
    static const char *const allow[] = {"Allow", "GET, HEAD, POST", NULL};
    char text[160];
    int n = snprintf(text, sizeof(text), "%d %s (%s)\n", v->status, v->rule, v->reference);
    struct http_reply reply = {.status = v->status,
                               .content_type = "text/plain",
                               .body = slice_of(text, n < 0 ? 0 : (size_t)n)};
    if (v->status == 405) {
        reply.headers = allow;
    }
    r->close = true;
    finish(r, &reply);
}

static void dispatch(struct http_request *r)
{
    struct http_dispatch d = {0};
    struct http_server *s = r->loop->server;
    r->dispatch = &d;
    s->handler(s->ctx, r);
    if (d.replied) {
        return;
    }
    if (!d.deferred) {
        finish(r, &(struct http_reply){.status = 500});
    }
}

void http_request_take(struct evhttp_request *ev, void *loop)
{
    struct http_loop *l = loop;
    struct slice target = {0};
    struct http_conn *c = http_conn_find(l, ev);
    struct http_request *r = c == NULL ? NULL : request_copy(ev, l, &target);
    if (r == NULL) {
        (void)evhttp_add_header(evhttp_request_get_output_headers(ev), "Connection", "close");
        evhttp_send_reply(ev, 503, reason_phrase(503), NULL);
        return;
    }
    link_request(r);
    r->conn = c;
    c->request = r;
    (void)event_del(c->timer); /* the handler may take its time */
    struct http_gate_input in = {.method = r->method,
                                 .major = (unsigned)(unsigned char)ev->major,
                                 .minor = (unsigned)(unsigned char)ev->minor,
                                 .target = target,
                                 .fields = r->fields,
                                 .n_fields = r->n_fields,
                                 .header_max = l->server->header_max};
    struct http_gate_verdict verdict;
    http_gate_check(&in, &verdict);
    if (c->scan.fault || !c->scan.done) {
        verdict = (struct http_gate_verdict){400, "http.octets", "RFC 9112 2.2"};
    }
    if (verdict.status == 0 && http_target_split(target, &r->path, &r->query) != CH_OK) {
        verdict = (struct http_gate_verdict){400, "http.target", "RFC 9112 3.2"};
    }
    if (verdict.status != 0) {
        refuse(r, &verdict);
        return;
    }
    dispatch(r);
}

/* ---- what handlers see ---- */

enum http_method http_method(const struct http_request *r)
{
    return r->method;
}

struct slice http_path(const struct http_request *r)
{
    return r->path;
}

struct slice http_query(const struct http_request *r)
{
    return r->query;
}

struct slice http_body(const struct http_request *r)
{
    return r->body;
}

struct slice http_header(const struct http_request *r, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < r->n_fields; i++) {
        struct slice n = r->fields[i].name;
        if (n.len == len && strncasecmp((const char *)n.ptr, name, len) == 0) {
            return r->fields[i].value;
        }
    }
    return slice_of(NULL, 0);
}
