/* HTTP/1.1 server behind one small interface (libevent inside, hidden): for OCSP, CRLs and, later,
 * the protocol gateways. A strict gate refuses what RFC 9112 wants refused before any handler runs.
 * Handlers run on loop threads and must not block; long answers are deferred and finished from any
 * thread. Plain HTTP here; TLS comes with the gateways.
 *
 * Known methods but GET, HEAD and POST are answered 405, unknown ones 501. A request must arrive
 * whole within idle_s of the previous answer (or of accept); an answer must be taken at 16 KiB/s or
 * more. HEAD and conditional requests: handlers answer as for GET, the body of a HEAD answer is
 * dropped. */
#ifndef CHANCERY_HTTP_HTTP_H
#define CHANCERY_HTTP_HTTP_H

#include "base/bytes.h"

struct http_server;
struct http_request;

struct http_opts {
    const char *listen; /* "127.0.0.1:8080", "[::1]:8080" (port 0: any); addresses, no names */
    unsigned threads;   /* loops with SO_REUSEPORT; 0: one per core */
    unsigned connections_max;    /* 0: 4096 in all; more are closed at accept */
    size_t header_max, body_max; /* 0: 8 KiB, 64 KiB */
    unsigned idle_s;             /* 0: 30 */
    unsigned grace_ms;           /* longest drain at stop; 0: 5000 */
};

enum http_method { HTTP_NONE = 0, HTTP_GET, HTTP_HEAD, HTTP_POST };
typedef void http_handler(void *ctx, struct http_request *req);

/* http_server_new binds; nothing is accepted before http_server_start. CH_INVALID (address), CH_IO
 * (bind: diag says why), CH_NOMEM. */
enum chancery_err http_server_new(const struct http_opts *opts, http_handler *handler, void *ctx,
                                  struct http_server **out, struct diag *diag) MUST_CHECK;
int http_server_port(const struct http_server *s); /* the bound one */
enum chancery_err http_server_start(struct http_server *s) MUST_CHECK;

/* http_server_stop closes the listeners and idle connections, waits grace_ms for answers that are
 * under way, then drops the rest and joins. Requests still deferred stay valid: their http_reply
 * goes nowhere. NULL and repetition are fine. */
void http_server_stop(struct http_server *s);
void http_server_free(struct http_server *s); /* stops first */

/* http_server_connections counts connections open now. */
unsigned http_server_connections(const struct http_server *s);

/* A request and what these return are valid until http_reply, also for deferred ones. http_header
 * compares names without case. */
enum http_method http_method(const struct http_request *r);
struct slice
http_path(const struct http_request *r); /* as sent, before any decoding; without query */
struct slice http_query(const struct http_request *r);
struct slice http_body(const struct http_request *r);
struct slice http_header(const struct http_request *r, const char *name); /* empty when absent */

struct http_reply {
    int status;
    const char *content_type;
    struct slice body;          /* copied */
    const char *const *headers; /* NULL-terminated "Name", "value", ... */
    const char *file;           /* instead of body: sent from disk with sendfile when not NULL */
};
/* http_reply answers; the request is gone afterwards. In the handler, or from any thread after
 * http_defer, exactly once. A handler that does neither gets its client a 500. A file that cannot
 * be opened gives 404. Content-Length and Date are added here. */
void http_reply(struct http_request *r, const struct http_reply *reply);
void http_defer(struct http_request *r);

/* http_not_modified evaluates If-None-Match, else If-Modified-Since (RFC 9110 13.2.2) of a GET or
 * HEAD against `etag` (quoted, NULL: none) and `modified_s` (-1: none): true means answer 304. */
bool http_not_modified(const struct http_request *r, const char *etag, int64_t modified_s);

/* http_date formats IMF-fixdate; http_date_parse reads it (If-Modified-Since), -1 when not a date.
 */
void http_date(int64_t t_s, char out[32]);
int64_t http_date_parse(struct slice s);

#endif
