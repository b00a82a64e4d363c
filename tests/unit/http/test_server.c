/* The server over raw sockets: every probe of RFC 9112 strictness, pipelining, limits, deadlines,
 * deferred answers. Answers are awaited by poll; nothing sleeps. */
#include "cm.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/http.h"
#include "os/os.h"

#ifdef __SANITIZE_THREAD__
/* libevent's change list may tell a loop's own epoll to forget a descriptor number that another
 * loop has got meanwhile: ENOENT, harmless, yet a race on the number to the sanitizer. */
__attribute__((visibility("default"))) const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:libevent-2.1\n";
}
#endif

#define MODIFIED 1700000000
static const char *const etag = "\"v1\"";

struct fixture {
    struct http_server *server;
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    struct http_request *held; /* deferred by /defer */
    atomic_uint handled;
    char file[64];
};

static void hold(struct fixture *f, struct http_request *r)
{
    http_defer(r);
    pthread_mutex_lock(&f->lock);
    f->held = r;
    pthread_cond_signal(&f->arrived);
    pthread_mutex_unlock(&f->lock);
}

static struct http_request *await_held(struct fixture *f)
{
    pthread_mutex_lock(&f->lock);
    while (f->held == NULL) {
        pthread_cond_wait(&f->arrived, &f->lock);
    }
    struct http_request *r = f->held;
    f->held = NULL;
    pthread_mutex_unlock(&f->lock);
    return r;
}

static void handler(void *ctx, struct http_request *r)
{
    struct fixture *f = ctx;
    const char *const headers[] = {"ETag", etag, "X-Agent", "chancery", NULL};
    struct http_reply reply = {.status = 200, .content_type = "text/plain", .headers = headers};
    atomic_fetch_add(&f->handled, 1);
    struct slice path = http_path(r);
    if (slice_eq(path, slice_str("/defer"))) {
        hold(f, r);
        return;
    }
    if (slice_eq(path, slice_str("/none"))) {
        return;
    }
    if (slice_eq(path, slice_str("/file"))) {
        reply.file = f->file;
    } else if (slice_eq(path, slice_str("/gone"))) {
        reply.file = "/nonexistent/file";
    } else if (slice_eq(path, slice_str("/query"))) {
        reply.body = http_query(r);
    } else if (http_not_modified(r, etag, MODIFIED)) {
        reply.status = 304;
    } else {
        reply.body = http_method(r) == HTTP_POST ? http_body(r) : path;
    }
    http_reply(r, &reply);
}

static struct fixture *fixture_new(struct http_opts *opts)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct diag diag = {0};
    assert_non_null(f);
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->arrived, NULL);
    opts->listen = "127.0.0.1:0";
    assert_int_equal(http_server_new(opts, handler, f, &f->server, &diag), CH_OK);
    assert_int_equal(http_server_start(f->server), CH_OK);
    return f;
}

static void fixture_free(struct fixture *f)
{
    http_server_free(f->server);
    pthread_cond_destroy(&f->arrived);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

static struct fixture *simple(void)
{
    return fixture_new(&(struct http_opts){.threads = 2});
}

static int dial(const struct fixture *f)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)http_server_port(f->server)),
                            .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

static void put(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, text, len, MSG_NOSIGNAL);
        if (n <= 0) {
            return; /* the server has closed: its answer is judged, not our write */
        }
        text += n;
        len -= (size_t)n;
    }
}

static void say(int fd, const char *text)
{
    put(fd, text, strlen(text));
}

/* Reads until `enough` appears `times` times, or the peer closes. */
static size_t get(int fd, char *out, size_t cap, const char *enough, int times)
{
    size_t len = 0;
    out[0] = 0;
    while (len + 1 < cap) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, 20000) != 1) {
            return (size_t)snprintf(out, cap, "no answer in 20 s");
        }
        ssize_t n = recv(fd, out + len, cap - 1 - len, 0);
        if (n <= 0) {
            return len;
        }
        len += (size_t)n;
        out[len] = 0;
        int seen = 0;
        for (const char *at = out; enough != NULL && (at = strstr(at, enough)) != NULL; at++) {
            seen++;
        }
        if (enough != NULL && seen >= times) {
            return len;
        }
    }
    return len;
}

/* One exchange that the server must end by closing. */
static void ask_closed(const struct fixture *f, const char *text, size_t len, char *out, size_t cap)
{
    int fd = dial(f);
    put(fd, text, len);
    get(fd, out, cap, NULL, 0);
    close(fd);
}

static int status_of(const char *answer)
{
    return strncmp(answer, "HTTP/1.", 7) == 0 ? atoi(answer + 9) : -1;
}

static void plain_get_is_answered_without_server_header(void **state)
{
    (void)state;
    struct fixture *f = simple();
    char out[4096];
    int fd = dial(f);
    say(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    get(fd, out, sizeof(out), "/hello", 1);
    assert_int_equal(status_of(out), 200);
    assert_non_null(strstr(out, "Content-Length: 6\r\n"));
    assert_non_null(strstr(out, "Content-Type: text/plain\r\n"));
    assert_non_null(strstr(out, "X-Agent: chancery\r\n"));
    assert_non_null(strstr(out, "Date: "));
    assert_null(strstr(out, "Server:"));
    say(fd, "GET /query?a=b HTTP/1.1\r\nHost: x\r\n\r\n"); /* the connection was kept */
    get(fd, out, sizeof(out), "a=b", 1);
    assert_int_equal(status_of(out), 200);
    close(fd);
    fixture_free(f);
}

struct probe {
    const char *what, *text;
    size_t len;
    int status;
};
#define P(what, text, status)                                                                      \
    {                                                                                              \
        what, text, sizeof(text) - 1, status                                                       \
    }

static const struct probe probes[] = {
    P("CL and TE",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: "
      "chunked\r\n\r\n0\r\n\r\n"
      "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
      400),
    P("two Content-Length",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 400),
    P("same Content-Length twice",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400),
    P("Content-Length +5", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello", 400),
    P("Content-Length -5", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\nhello", 400),
    P("Content-Length 5x", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5x\r\n\r\nhello", 400),
    P("space before colon", "GET / HTTP/1.1\r\nHost: x\r\nX-A : 1\r\n\r\n", 400),
    P("space before colon of framing",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length : 5\r\n\r\nhello", 400),
    P("no Host", "GET / HTTP/1.1\r\n\r\n", 400),
    P("two Hosts", "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
    P("TE gzip", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
    P("TE xchunked", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
      400),
    P("TE chunked twice",
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
      "chunked\r\n\r\n"
      "0\r\n\r\n",
      400),
    P("NUL in value", "GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n", 400),
    P("NUL in name", "GET / HTTP/1.1\r\nHost: x\r\nX\0Y: ab\r\n\r\n", 400),
    P("NUL in target", "GET /\0x HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    P("obs-fold of the first field", "GET / HTTP/1.1\r\n Host: x\r\n\r\n", 400),
    P("obs-fold", "GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n", 400),
    P("obs-fold by tab", "GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n\tb\r\n\r\n", 400),
    P("bare CR", "GET / HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n", 400),
    P("GET with a body",
      "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 33\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: "
      "x\r\n\r\n",
      400),
    P("bad name", "GET / HTTP/1.1\r\nHost: x\r\nX(A): 1\r\n\r\n", 400),
    P("no colon", "GET / HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n", 400),
    P("control in value", "GET / HTTP/1.1\r\nHost: x\r\nX: a\001b\r\n\r\n", 400),
    P("bad target", "GET /a\"b HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    P("space in target", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    P("asterisk", "GET * HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    P("HTTP/2.0", "GET / HTTP/2.0\r\nHost: x\r\n\r\n", 400),
    P("no version", "GET /\r\n\r\n", 400),
    P("garbage", "\x16\x03\x01\x02garbage\r\n\r\n", 400),
    P("PUT", "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 405),
    P("OPTIONS", "OPTIONS / HTTP/1.1\r\nHost: x\r\n\r\n", 405),
    P("TRACE", "TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", 405),
    P("unknown method", "BREW / HTTP/1.1\r\nHost: x\r\n\r\n", 501),
};

static void every_probe_is_refused_and_closed(void **state)
{
    (void)state;
    struct fixture *f = simple();
    for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
        char out[4096];
        ask_closed(f, probes[i].text, probes[i].len, out, sizeof(out));
        if (status_of(out) != probes[i].status || strstr(out + 1, "HTTP/1.") != NULL) {
            fail_msg("%s: %s", probes[i].what, out);
        }
        if (probes[i].status == 405) {
            assert_non_null(strstr(out, "Allow: GET, HEAD, POST\r\n"));
        }
    }
    assert_int_equal(atomic_load(&f->handled), 0);
    fixture_free(f);
}

static void post_bodies_arrive_plain_and_chunked(void **state)
{
    (void)state;
    struct fixture *f = simple();
    char out[4096];
    int fd = dial(f);
    say(fd, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
    get(fd, out, sizeof(out), "hello", 1);
    assert_int_equal(status_of(out), 200);
    const char chunked[] = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                           "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    put(fd, chunked, sizeof(chunked) - 1);
    get(fd, out, sizeof(out), "abcde", 1);
    assert_int_equal(status_of(out), 200);
    close(fd);
    fixture_free(f);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    struct fixture *f = simple();
    char out[4096];
    int fd = dial(f);
    const char text[] = "GET /one HTTP/1.1\r\nHost: x\r\n\r\nGET /two HTTP/1.1\r\nHost: x\r\n\r\n"
                        "GET /end HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    put(fd, text, sizeof(text) - 1);
    get(fd, out, sizeof(out), NULL, 0);
    const char *one = strstr(out, "/one"), *two = strstr(out, "/two"), *end = strstr(out, "/end");
    assert_true(one != NULL && two != NULL && end != NULL && one < two && two < end);
    close(fd);
    fixture_free(f);
}

static void pipelined_hidden_octets_are_found(void **state)
{
    (void)state;
    struct fixture *f = simple();
    char out[4096];
    const char text[] = "POST /one HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n\0a\r"
                        "GET /two HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n"
                        "GET /three HTTP/1.1\r\nHost: x\r\n\r\n";
    ask_closed(f, text, sizeof(text) - 1, out, sizeof(out));
    assert_int_equal(status_of(out), 200); /* a body may hold anything */
    assert_int_equal(atomic_load(&f->handled), 1);
    fixture_free(f);
}

static void requests_in_single_octets_pass(void **state)
{
    (void)state;
    struct fixture *f = simple();
    char out[4096];
    int fd = dial(f);
    const char text[] = "GET /one HTTP/1.1\r\nHost: x\n\r\n";
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        put(fd, text + i, 1);
    }
    get(fd, out, sizeof(out), "/one", 1);
    assert_int_equal(status_of(out), 200);
    close(fd);
    fixture_free(f);
}

static void head_has_length_and_no_body(void **state)
{
    (void)state;
    struct fixture *f = simple();
    char out[4096];
    const char text[] = "HEAD /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    ask_closed(f, text, sizeof(text) - 1, out, sizeof(out));
    assert_int_equal(status_of(out), 200);
    assert_non_null(strstr(out, "Content-Length: 6\r\n"));
    assert_null(strstr(out, "/hello"));
    fixture_free(f);
}

static void http10_is_closed_unless_kept_alive(void **state)
{
    (void)state;
    struct fixture *f = simple();
    char out[4096];
    ask_closed(f, "GET /a HTTP/1.0\r\n\r\n", 19, out, sizeof(out));
    assert_int_equal(status_of(out), 200);
    assert_non_null(strstr(out, "\r\n\r\n/a"));
    fixture_free(f);
}

static void conditional_requests_give_304(void **state)
{
    (void)state;
    static const struct {
        const char *field;
        int status;
    } cases[] = {
        {"If-None-Match: \"v1\"", 304},
        {"If-None-Match: \"v0\", W/\"v1\"", 304},
        {"If-None-Match: *", 304},
        {"If-None-Match: \"v2\"", 200},
        {"If-None-Match: v1", 200},
        {"If-None-Match: \"v1", 200},
        {"If-Modified-Since: Tue, 14 Nov 2023 22:13:20 GMT", 304},
        {"If-Modified-Since: Tue, 14 Nov 2023 22:13:19 GMT", 200},
        {"If-Modified-Since: nonsense", 200},
        {"If-None-Match: \"v2\"\r\nIf-Modified-Since: Tue, 14 Nov 2023 22:13:20 GMT", 200}};
    struct fixture *f = simple();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[512], out[4096];
        int n = snprintf(text, sizeof(text),
                         "GET /c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n\r\n",
                         cases[i].field);
        ask_closed(f, text, (size_t)n, out, sizeof(out));
        if (status_of(out) != cases[i].status) {
            fail_msg("%s: %s", cases[i].field, out);
        }
        if (cases[i].status == 304) {
            assert_non_null(strstr(out, "ETag: \"v1\"\r\n"));
            assert_string_equal(strstr(out, "\r\n\r\n"), "\r\n\r\n");
        }
    }
    fixture_free(f);
}

static void files_are_sent_and_missing_ones_404(void **state)
{
    (void)state;
    struct fixture *f = simple();
    char text[200], *out = malloc(400000), *content = malloc(300000);
    struct diag diag = {0};
    assert_true(out != NULL && content != NULL);
    memset(content, 'z', 300000);
    (void)snprintf(f->file, sizeof(f->file), "/tmp/chancery-http-%d", (int)getpid());
    assert_int_equal(os_file_write_atomic(f->file, slice_of(content, 300000), 0600, &diag), CH_OK);
    int n =
        snprintf(text, sizeof(text), "GET /file HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    ask_closed(f, text, (size_t)n, out, 400000);
    assert_int_equal(status_of(out), 200);
    assert_non_null(strstr(out, "Content-Length: 300000\r\n"));
    assert_int_equal(strlen(strstr(out, "\r\n\r\n") + 4), 300000);
    n = snprintf(text, sizeof(text), "GET /gone HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    ask_closed(f, text, (size_t)n, out, 400000);
    assert_int_equal(status_of(out), 404);
    n = snprintf(text, sizeof(text), "GET /none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    ask_closed(f, text, (size_t)n, out, 400000);
    assert_int_equal(status_of(out), 500);
    unlink(f->file);
    free(out);
    free(content);
    fixture_free(f);
}

/* Fills a request with `n` octets of padding field. */
static size_t padded(char *out, size_t cap, size_t n)
{
    int at = snprintf(out, cap, "GET / HTTP/1.1\r\nHost: x\r\nX-Pad: ");
    memset(out + at, 'a', n);
    memcpy(out + at + n, "\r\n\r\n", 4);
    return (size_t)at + n + 4;
}

static void oversized_header_and_body_are_refused(void **state)
{
    (void)state;
    struct fixture *f =
        fixture_new(&(struct http_opts){.threads = 1, .header_max = 1024, .body_max = 100});
    char text[20000], out[4096];
    size_t n = padded(text, sizeof(text), 2000);
    ask_closed(f, text, n, out, sizeof(out));
    assert_int_equal(status_of(out), 431);
    n = padded(text, sizeof(text), 16000); /* past the library's own limit */
    ask_closed(f, text, n, out, sizeof(out));
    assert_int_equal(status_of(out), 400);
    int len =
        snprintf(text, sizeof(text), "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n");
    memset(text + len, 'b', 101);
    ask_closed(f, text, (size_t)len + 101, out, sizeof(out));
    assert_int_equal(status_of(out), 413);
    len = snprintf(text, sizeof(text),
                   "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n");
    ask_closed(f, text, (size_t)len, out, sizeof(out));
    assert_int_equal(status_of(out), 413);
    assert_int_equal(atomic_load(&f->handled), 0);
    fixture_free(f);
}

static void slow_client_is_cut_off_although_it_keeps_sending(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(&(struct http_opts){.threads = 1, .idle_s = 1});
    int fd = dial(f);
    int64_t begin = os_mono_ms();
    say(fd, "GET / HTTP/1.1\r\nHost: x\r\n");
    for (;;) { /* one octet every 100 ms: never idle, never complete */
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int got = poll(&p, 1, 100);
        if (got == 1) {
            char c;
            assert_true(recv(fd, &c, 1, 0) <= 0);
            break;
        }
        say(fd, "X");
        assert_true(os_mono_ms() - begin < 10000);
    }
    assert_true(os_mono_ms() - begin >= 900);
    close(fd);
    assert_int_equal(atomic_load(&f->handled), 0);
    fixture_free(f);
}

static void silent_connection_is_closed(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(&(struct http_opts){.threads = 1, .idle_s = 1});
    char out[64];
    int fd = dial(f);
    assert_int_equal(get(fd, out, sizeof(out), NULL, 0), 0);
    close(fd);
    fixture_free(f);
}

static void too_many_connections_are_closed_at_accept(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(&(struct http_opts){.threads = 1, .connections_max = 3});
    char out[4096];
    int fds[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = dial(f);
        say(fds[i], "GET /k HTTP/1.1\r\nHost: x\r\n\r\n");
        get(fds[i], out, sizeof(out), "/k", 1);
    }
    assert_int_equal(http_server_connections(f->server), 3);
    int extra = dial(f);
    say(extra, "GET /k HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(get(extra, out, sizeof(out), NULL, 0), 0);
    close(extra);
    say(fds[0], "GET /k HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    get(fds[0], out, sizeof(out), NULL, 0); /* a place came free */
    close(fds[0]);
    while (http_server_connections(f->server) > 2) {
        (void)poll(NULL, 0, 1);
    }
    extra = dial(f);
    say(extra, "GET /k HTTP/1.1\r\nHost: x\r\n\r\n");
    get(extra, out, sizeof(out), "/k", 1);
    assert_int_equal(status_of(out), 200);
    close(extra);
    close(fds[1]);
    close(fds[2]);
    fixture_free(f);
}

static void deferred_request_is_answered_from_another_thread(void **state)
{
    (void)state;
    struct fixture *f = simple();
    char out[4096];
    int fd = dial(f);
    const char *const headers[] = {"X-Late", "yes", NULL};
    const char text[] =
        "POST /defer HTTP/1.1\r\nHost: x\r\nX-In: 7\r\nContent-Length: 3\r\n\r\nabc";
    put(fd, text, sizeof(text) - 1);
    struct http_request *r = await_held(f);
    assert_true(slice_eq(http_body(r), slice_str("abc")));
    assert_true(slice_eq(http_header(r, "x-in"), slice_str("7")));
    http_reply(r, &(struct http_reply){.status = 200,
                                       .content_type = "a/b",
                                       .headers = headers,
                                       .body = slice_str("late answer")});
    get(fd, out, sizeof(out), "late answer", 1);
    assert_int_equal(status_of(out), 200);
    assert_non_null(strstr(out, "X-Late: yes\r\n"));
    say(fd, "GET /next HTTP/1.1\r\nHost: x\r\n\r\n");
    get(fd, out, sizeof(out), "/next", 1);
    close(fd);
    fixture_free(f);
}

static void deferred_reply_after_the_client_left_is_harmless(void **state)
{
    (void)state;
    struct fixture *f = simple();
    char out[4096];
    for (int i = 0; i < 20; i++) {
        int fd = dial(f);
        say(fd, "GET /defer HTTP/1.1\r\nHost: x\r\n\r\n");
        struct http_request *r = await_held(f);
        struct linger hard = {.l_onoff = 1};
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)); /* reset, not just FIN */
        close(fd);
        http_reply(r, &(struct http_reply){.status = 200, .body = slice_str("nobody reads this")});
    }
    int fd = dial(f);
    say(fd, "GET /alive HTTP/1.1\r\nHost: x\r\n\r\n");
    get(fd, out, sizeof(out), "/alive", 1);
    close(fd);
    fixture_free(f);
}

static void stop_answers_what_is_under_way(void **state)
{
    (void)state;
    struct fixture *f = simple();
    char out[4096];
    int idle = dial(f), fd = dial(f);
    say(fd, "GET /defer HTTP/1.1\r\nHost: x\r\n\r\n");
    struct http_request *r = await_held(f);
    http_reply(r, &(struct http_reply){.status = 200, .body = slice_str("under way")});
    http_server_stop(f->server);
    get(fd, out, sizeof(out), NULL, 0);
    assert_non_null(strstr(out, "under way"));
    assert_int_equal(get(idle, out, sizeof(out), NULL, 0), 0);
    close(fd);
    close(idle);
    fixture_free(f);
}

static void reply_after_the_server_is_gone_is_harmless(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(&(struct http_opts){.threads = 1, .grace_ms = 50});
    int fd = dial(f);
    say(fd, "POST /defer HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok");
    struct http_request *r = await_held(f);
    http_server_stop(f->server);
    assert_true(slice_eq(http_body(r), slice_str("ok")));
    http_reply(r, &(struct http_reply){.status = 200});
    close(fd);
    fixture_free(f);
}

static void port_in_use_is_reported(void **state)
{
    (void)state;
    struct fixture *f = simple();
    char at[32];
    struct http_server *other = NULL;
    struct diag diag = {0};
    (void)snprintf(at, sizeof(at), "127.0.0.1:%d", http_server_port(f->server));
    struct http_opts opts = {.listen = at, .threads = 2};
    assert_int_equal(http_server_new(&opts, handler, f, &other, &diag), CH_IO);
    assert_null(other);
    opts.listen = "localhost:1";
    assert_int_equal(http_server_new(&opts, handler, f, &other, &diag), CH_INVALID);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_get_is_answered_without_server_header),
        cmocka_unit_test(every_probe_is_refused_and_closed),
        cmocka_unit_test(post_bodies_arrive_plain_and_chunked),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(pipelined_hidden_octets_are_found),
        cmocka_unit_test(requests_in_single_octets_pass),
        cmocka_unit_test(head_has_length_and_no_body),
        cmocka_unit_test(http10_is_closed_unless_kept_alive),
        cmocka_unit_test(conditional_requests_give_304),
        cmocka_unit_test(files_are_sent_and_missing_ones_404),
        cmocka_unit_test(oversized_header_and_body_are_refused),
        cmocka_unit_test(slow_client_is_cut_off_although_it_keeps_sending),
        cmocka_unit_test(silent_connection_is_closed),
        cmocka_unit_test(too_many_connections_are_closed_at_accept),
        cmocka_unit_test(deferred_request_is_answered_from_another_thread),
        cmocka_unit_test(deferred_reply_after_the_client_left_is_harmless),
        cmocka_unit_test(stop_answers_what_is_under_way),
        cmocka_unit_test(reply_after_the_server_is_gone_is_harmless),
        cmocka_unit_test(port_in_use_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
