/* The request gate: what RFC 9112 and RFC 9110 want refused before any handler runs.
 *
 * A pure function over a request line and a field list, because the HTTP library behind this module
 * has a lax parser and no strict switch. Whatever it refuses is answered and the connection closed:
 * after a framing doubt nothing more of that connection is believed. */
#ifndef CHANCERY_HTTP_GATE_H
#define CHANCERY_HTTP_GATE_H

#include "http/http.h"

#define HTTP_FIELDS_MAX 64 /* browsers send about 20, OCSP clients 5 */

struct http_field {
    struct slice name, value;
};

struct http_gate_input {
    enum http_method method; /* HTTP_NONE: a known method that is not served */
    unsigned major, minor;
    struct slice target; /* as sent */
    const struct http_field *fields;
    size_t n_fields;
    size_t header_max; /* octets of names, values and separators */
};

struct http_gate_verdict {
    int status;            /* 0: passes; else the status to answer */
    const char *rule;      /* stable id, "http.content-length.repeated" */
    const char *reference; /* "RFC 9112 6.3" */
};

/* http_gate_check judges one request. *out refuses (400) until every rule has passed. */
void http_gate_check(const struct http_gate_input *in, struct http_gate_verdict *out);

/* What the library's parser hides from the gate, seen in the raw octets of a header section: NUL, a
 * CR without LF, a line that begins with white space (obsolete fold). All-zero before each request.
 */
struct http_scan {
    bool in_line, after_cr; /* position */
    bool any;               /* a line that is not empty was seen */
    bool done; /* the empty line that ends the section was seen: the rest is not looked at */
    bool fault;
};

/* http_scan_add looks at the next octets of the section. Once `done`, nothing changes any more. */
void http_scan_add(struct http_scan *scan, struct slice octets);

/* http_target_split gives path (as sent, at least "/") and query (without '?') of a request target
 * in origin-form or absolute-form (RFC 9112 3.2). CH_MALFORMED for any other form or octet. */
enum chancery_err http_target_split(struct slice target, struct slice *out_path,
                                    struct slice *out_query) MUST_CHECK;

#endif
