/* HTTP/1.1 server behind one small interface (libevent inside, hidden): for OCSP, CRLs and, later, the
 * protocol gateways. A strict gate refuses what RFC 9112 wants refused before any handler runs.
 * Handlers run on loop threads and must not block; long answers are deferred and finished from any
 * thread. Plain HTTP here; TLS comes with the gateways. */
#ifndef CHANCERY_HTTP_HTTP_H
#define CHANCERY_HTTP_HTTP_H

#include "base/bytes.h"

struct http_server;
struct http_request;

struct http_opts {
    const char *listen;          /* "127.0.0.1:8080" (port 0: any) */
    unsigned threads;            /* loops with SO_REUSEPORT; 0: one per core */
    unsigned connections_max;    /* 0: 4096 in all; more are closed at accept */
    size_t header_max, body_max; /* 0: 8 KiB, 64 KiB */
    unsigned idle_s;             /* 0: 30 */
};

enum http_method { HTTP_NONE = 0, HTTP_GET, HTTP_HEAD, HTTP_POST };
typedef void http_handler(void *ctx, struct http_request *req);

enum chancery_err http_server_new(const struct http_opts *opts, http_handler *handler, void *ctx,
                                  struct http_server **out, struct diag *diag) MUST_CHECK;
int http_server_port(const struct http_server *s);
enum chancery_err http_server_start(struct http_server *s) MUST_CHECK;
void http_server_stop(struct http_server *s);   /* drains, joins */
void http_server_free(struct http_server *s);

enum http_method http_method(const struct http_request *r);
struct slice http_path(const struct http_request *r);   /* as sent, before any decoding; without query */
struct slice http_query(const struct http_request *r);
struct slice http_body(const struct http_request *r);
struct slice http_header(const struct http_request *r, const char *name); /* empty when absent */

struct http_reply {
    int status;
    const char *content_type;
    struct slice body;           /* copied */
    const char *const *headers;  /* NULL-terminated "Name", "value", ... */
    const char *file;            /* instead of body: sent from disk with sendfile when not NULL */
};
/* http_reply answers; the request is gone afterwards. May be called from any thread after http_defer. */
void http_reply(struct http_request *r, const struct http_reply *reply);
void http_defer(struct http_request *r);

/* http_date formats IMF-fixdate; http_date_parse reads it (If-Modified-Since), -1 when not a date. */
void http_date(int64_t t_s, char out[32]);
int64_t http_date_parse(struct slice s);

#endif
