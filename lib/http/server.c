/* The server: binds once per loop (SO_REUSEPORT), starts, drains, frees. Also conditional requests.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/http_int.h"

#define THREADS_MAX 64
#define BACKLOG 1024

static enum chancery_err bind_one(struct sockaddr_storage *addr, socklen_t len, bool shared,
                                  int *out_fd, struct diag *diag)
{
    int one = 1;
    int fd = socket(addr->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return diag_set(diag, CH_IO, "http.listen", "http.socket", "socket: %s", strerror(errno));
    }
    /* Accepted sockets inherit TCP_NODELAY: without it small answers wait for delayed ACKs. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (shared) {
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
    }
    if (bind(fd, (struct sockaddr *)addr, len) != 0 || listen(fd, BACKLOG) != 0) {
        int e = errno;
        close(fd);
        return diag_set(diag, CH_IO, "http.listen", "http.bind", "cannot listen: %s", strerror(e));
    }
    *out_fd = fd;
    return CH_OK;
}

/* Learns the port of `fd` into `addr` and returns it. */
static int bound_port(int fd, struct sockaddr_storage *addr)
{
    struct sockaddr_storage got;
    socklen_t len = sizeof(got);
    if (getsockname(fd, (struct sockaddr *)&got, &len) != 0) {
        return 0;
    }
    in_port_t port = got.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)(void *)&got)->sin6_port
                                               : ((struct sockaddr_in *)(void *)&got)->sin_port;
    if (addr->ss_family == AF_INET6) {
        ((struct sockaddr_in6 *)(void *)addr)->sin6_port = port;
    } else {
        ((struct sockaddr_in *)(void *)addr)->sin_port = port;
    }
    return ntohs(port);
}

/* "192.0.2.1:80" or "[2001:db8::1]:80"; port 0 is fine. */
static enum chancery_err parse_address(const char *text, struct sockaddr_storage *out,
                                       socklen_t *out_len)
{
    char host[INET6_ADDRSTRLEN + 2];
    const char *colon = text == NULL ? NULL : strrchr(text, ':');
    size_t n = colon == NULL ? 0 : (size_t)(colon - text);
    unsigned port = 0;
    if (n == 0 || n >= sizeof(host) || colon[1] == 0) {
        return CH_INVALID;
    }
    for (const char *p = colon + 1; *p != 0; p++) {
        port = port * 10 + (unsigned)(*p - '0');
        if (*p < '0' || *p > '9' || port > 65535) {
            return CH_INVALID;
        }
    }
    memcpy(host, text, n);
    host[n] = 0;
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)out;
    if (host[0] == '[' && host[n - 1] == ']') {
        host[n - 1] = 0;
        *v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
        *out_len = sizeof(*v6);
        return inet_pton(AF_INET6, host + 1, &v6->sin6_addr) == 1 ? CH_OK : CH_INVALID;
    }
    *v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    *out_len = sizeof(*v4);
    return inet_pton(AF_INET, host, &v4->sin_addr) == 1 ? CH_OK : CH_INVALID;
}

static enum chancery_err make_loops(struct http_server *s, const char *listen_at, struct diag *diag)
{
    struct sockaddr_storage addr = {0};
    socklen_t len = 0;
    if (parse_address(listen_at, &addr, &len) != CH_OK) {
        return diag_set(diag, CH_INVALID, "http.listen", "http.address",
                        "\"%s\" is not address:port", listen_at == NULL ? "" : listen_at);
    }
    int fd = -1;
    /* A first socket without SO_REUSEPORT, so that another process on this port is noticed. */
    TRY(bind_one(&addr, len, false, &fd, diag));
    s->port = bound_port(fd, &addr);
    if (s->n_loops > 1) {
        close(fd);
    }
    for (unsigned i = 0; i < s->n_loops; i++) {
        if (s->n_loops > 1) {
            TRY(bind_one(&addr, len, true, &fd, diag));
        }
        enum chancery_err err = http_loop_new(s, fd, &s->loops[i]);
        if (err != CH_OK) {
            return diag_set(diag, err, "http.listen", "http.loop", "cannot make an event loop");
        }
    }
    return CH_OK;
}

static unsigned threads_for(const struct http_opts *opts)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned n = opts->threads != 0 ? opts->threads : cores < 1 ? 1U : (unsigned)cores;
    return n > THREADS_MAX ? THREADS_MAX : n;
}

enum chancery_err http_server_new(const struct http_opts *opts, http_handler *handler, void *ctx,
                                  struct http_server **out, struct diag *diag)
{
    struct http_server *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return CH_NOMEM;
    }
    s->handler = handler;
    s->ctx = ctx;
    s->connections_max = opts->connections_max == 0 ? 4096 : opts->connections_max;
    s->header_max = opts->header_max == 0 ? 8192 : opts->header_max;
    s->body_max = opts->body_max == 0 ? 65536 : opts->body_max;
    s->idle_s = opts->idle_s == 0 ? 30 : opts->idle_s;
    s->grace_ms = opts->grace_ms == 0 ? 5000 : opts->grace_ms;
    s->n_loops = threads_for(opts);
    s->loops = calloc(s->n_loops, sizeof(s->loops[0]));
    enum chancery_err err = s->loops == NULL ? CH_NOMEM : make_loops(s, opts->listen, diag);
    if (err != CH_OK) {
        http_server_free(s);
        return err;
    }
    *out = s;
    return CH_OK;
}

int http_server_port(const struct http_server *s)
{
    return s->port;
}

unsigned http_server_connections(const struct http_server *s)
{
    return atomic_load(&s->connections);
}

enum chancery_err http_server_start(struct http_server *s)
{
    for (unsigned i = 0; i < s->n_loops; i++) {
        TRY(http_loop_start(s->loops[i]));
    }
    return CH_OK;
}

void http_server_stop(struct http_server *s)
{
    if (s == NULL || s->loops == NULL) {
        return;
    }
    atomic_store(&s->stopping, true);
    for (unsigned i = 0; i < s->n_loops; i++) {
        if (s->loops[i] != NULL) {
            http_loop_wake(s->loops[i]);
        }
    }
    for (unsigned i = 0; i < s->n_loops; i++) {
        if (s->loops[i] != NULL) {
            http_loop_join(s->loops[i]);
            s->loops[i] = NULL;
        }
    }
}

void http_server_free(struct http_server *s)
{
    if (s == NULL) {
        return;
    }
    http_server_stop(s);
    free(s->loops);
    free(s);
}

/* ---- conditional requests ---- */

/* Whether `list` ("a", W/"b", or *) holds `etag` by weak comparison (RFC 9110 8.8.3.2). */
static bool etag_listed(struct slice list, const char *etag)
{
    size_t n = strlen(etag), i = 0;
    if (list.len == 1 && list.ptr[0] == '*') {
        return true;
    }
    while (i < list.len) {
        while (i < list.len && (list.ptr[i] == ' ' || list.ptr[i] == '\t' || list.ptr[i] == ',')) {
            i++;
        }
        if (i + 1 < list.len && list.ptr[i] == 'W' && list.ptr[i + 1] == '/') {
            i += 2;
        }
        size_t from = i;
        if (i >= list.len || list.ptr[i] != '"') {
            return false; /* malformed: answer in full */
        }
        i++;
        while (i < list.len && list.ptr[i] != '"') {
            i++;
        }
        i++;
        if (i - from == n && i <= list.len && memcmp(list.ptr + from, etag, n) == 0) {
            return true;
        }
    }
    return false;
}

bool http_not_modified(const struct http_request *r, const char *etag, int64_t modified_s)
{
    if (r->method != HTTP_GET && r->method != HTTP_HEAD) {
        return false;
    }
    struct slice match = http_header(r, "If-None-Match");
    if (match.ptr != NULL) {
        return etag != NULL && etag_listed(match, etag);
    }
    int64_t since = http_date_parse(http_header(r, "If-Modified-Since"));
    return since >= 0 && modified_s >= 0 && modified_s <= since;
}
