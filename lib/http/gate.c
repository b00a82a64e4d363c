/* The request gate (gate.h). No allocation, no I/O; safe from any thread. */
#include "http/gate.h"

#include <strings.h>

static bool is_alnum(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_hex(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* tchar of RFC 9110 5.6.2. */
static bool is_token_char(uint8_t c)
{
    return is_alnum(c) || (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_token(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!is_token_char(s.ptr[i])) {
            return false;
        }
    }
    return s.len > 0;
}

/* field-value of RFC 9110 5.5: visible octets, space, tab; no other control character. */
static bool is_field_value(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return true;
}

static bool name_is(struct slice s, const char *name)
{
    return s.len == strlen(name) && strncasecmp((const char *)s.ptr, name, s.len) == 0;
}

static bool is_digits(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9') {
            return false;
        }
    }
    return s.len > 0 && s.len <= 18; /* 18 digits always fit 64 bits */
}

static bool is_zero(struct slice digits)
{
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.ptr[i] != '0') {
            return false;
        }
    }
    return true;
}

/* uri-host [ ":" port ] by its alphabet (RFC 3986 3.2.2); no userinfo, no empty host. */
static bool is_host(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.ptr[i];
        if (!is_alnum(c) && (c == 0 || strchr("-._~!$&'()*+,;=:%[]", c) == NULL)) {
            return false;
        }
    }
    return s.len > 0 && s.ptr[0] != ':';
}

/* pchar, "/", "?" of RFC 3986 3.3 and 3.4; '%' only with two hex digits. */
static bool is_path_and_query(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.ptr[i];
        if (c == '%') {
            if (i + 2 >= s.len || !is_hex(s.ptr[i + 1]) || !is_hex(s.ptr[i + 2])) {
                return false;
            }
            i += 2;
        } else if (!is_alnum(c) && (c == 0 || strchr("-._~!$&'()*+,;=:@/?", c) == NULL)) {
            return false;
        }
    }
    return true;
}

static size_t scheme_len(struct slice target)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < 2; i++) {
        size_t n = strlen(schemes[i]);
        if (target.len > n && strncasecmp((const char *)target.ptr, schemes[i], n) == 0) {
            return n;
        }
    }
    return 0;
}

enum chancery_err http_target_split(struct slice target, struct slice *out_path,
                                    struct slice *out_query)
{
    struct slice rest = target;
    if (target.len == 0) {
        return CH_MALFORMED;
    }
    if (target.ptr[0] != '/') { /* absolute-form: RFC 9112 3.2.2 wants it accepted */
        size_t at = scheme_len(target);
        size_t end = at;
        while (end < target.len && target.ptr[end] != '/' && target.ptr[end] != '?') {
            end++;
        }
        if (at == 0 || !is_host(slice_sub(target, at, end - at))) {
            return CH_MALFORMED;
        }
        rest = slice_sub(target, end, target.len - end);
    }
    if (!is_path_and_query(rest)) {
        return CH_MALFORMED;
    }
    const uint8_t *mark = rest.len == 0 ? NULL : memchr(rest.ptr, '?', rest.len);
    size_t path_len = mark == NULL ? rest.len : (size_t)(mark - rest.ptr);
    *out_path = path_len == 0 ? slice_str("/") : slice_sub(rest, 0, path_len);
    *out_query = mark == NULL ? slice_of(NULL, 0) : slice_sub(rest, path_len + 1, rest.len);
    return CH_OK;
}

void http_scan_add(struct http_scan *scan, struct slice octets)
{
    for (size_t i = 0; i < octets.len && !scan->done; i++) {
        uint8_t c = octets.ptr[i];
        if (c == '\n') { /* a bare LF ends a line too: RFC 9112 2.2 */
            scan->done = !scan->in_line && scan->any;
            scan->in_line = scan->after_cr = false;
            continue;
        }
        if (c == 0 || scan->after_cr || (!scan->in_line && (c == ' ' || c == '\t'))) {
            scan->fault = true; /* RFC 9110 5.5, RFC 9112 2.2, RFC 9112 5.2 */
        }
        scan->after_cr = c == '\r';
        if (c != '\r') {
            scan->in_line = scan->any = true;
        }
    }
}

static bool refuse(struct http_gate_verdict *out, int status, const char *rule,
                   const char *reference)
{
    *out = (struct http_gate_verdict){status, rule, reference};
    return false;
}

struct framing {
    const struct http_field *host, *length, *encoding;
};

/* Remembers the one occurrence of a framing field; a second one refuses. */
static bool once(const struct http_field **slot, const struct http_field *f, const char *rule,
                 const char *reference, struct http_gate_verdict *out)
{
    if (*slot != NULL) {
        return refuse(out, 400, rule, reference);
    }
    *slot = f;
    return true;
}

static bool check_fields(const struct http_gate_input *in, struct framing *fr,
                         struct http_gate_verdict *out)
{
    size_t total = 0;
    if (in->n_fields > HTTP_FIELDS_MAX) {
        return refuse(out, 431, "http.fields.count", "RFC 6585 5");
    }
    for (size_t i = 0; i < in->n_fields; i++) {
        const struct http_field *f = &in->fields[i];
        total += f->name.len + f->value.len + 4;
        if (total > in->header_max) {
            return refuse(out, 431, "http.fields.size", "RFC 6585 5");
        }
        if (!is_token(f->name)) { /* also white space before the colon */
            return refuse(out, 400, "http.field.name", "RFC 9112 5.1");
        }
        if (!is_field_value(f->value)) {
            return refuse(out, 400, "http.field.value", "RFC 9110 5.5");
        }
        bool ok = true;
        if (name_is(f->name, "host")) {
            ok = once(&fr->host, f, "http.host.repeated", "RFC 9112 3.2", out);
        } else if (name_is(f->name, "content-length")) {
            ok = once(&fr->length, f, "http.content-length.repeated", "RFC 9112 6.3", out);
        } else if (name_is(f->name, "transfer-encoding")) {
            ok = once(&fr->encoding, f, "http.transfer-encoding.repeated", "RFC 9112 6.1", out);
        }
        if (!ok) {
            return false;
        }
    }
    return true;
}

static bool check_framing(const struct http_gate_input *in, const struct framing *fr,
                          struct http_gate_verdict *out)
{
    if (fr->host == NULL && (in->major > 1 || in->minor >= 1)) {
        return refuse(out, 400, "http.host.missing", "RFC 9112 3.2");
    }
    if (fr->host != NULL && !is_host(fr->host->value)) {
        return refuse(out, 400, "http.host.value", "RFC 9112 3.2");
    }
    if (fr->length != NULL && fr->encoding != NULL) {
        return refuse(out, 400, "http.length-and-encoding", "RFC 9112 6.1");
    }
    if (fr->length != NULL && !is_digits(fr->length->value)) {
        return refuse(out, 400, "http.content-length.value", "RFC 9112 6.3");
    }
    if (fr->encoding != NULL && (!name_is(fr->encoding->value, "chunked") || in->minor == 0)) {
        return refuse(out, 400, "http.transfer-encoding.value", "RFC 9112 6.1");
    }
    if (in->method != HTTP_POST &&
        (fr->encoding != NULL || (fr->length != NULL && !is_zero(fr->length->value)))) {
        /* The library behind reads no body of a GET: its octets would become a next request. */
        return refuse(out, 400, "http.body.unexpected", "RFC 9110 9.3.1");
    }
    return true;
}

void http_gate_check(const struct http_gate_input *in, struct http_gate_verdict *out)
{
    struct slice path, query;
    struct framing fr = {0};
    *out = (struct http_gate_verdict){400, "http.malformed", "RFC 9112"};
    if (in->major != 1 || in->minor > 1) {
        (void)refuse(out, 505, "http.version", "RFC 9110 15.6.6");
        return;
    }
    if (http_target_split(in->target, &path, &query) != CH_OK) {
        (void)refuse(out, 400, "http.target", "RFC 9112 3.2");
        return;
    }
    if (!check_fields(in, &fr, out) || !check_framing(in, &fr, out)) {
        return;
    }
    if (in->method == HTTP_NONE) {
        (void)refuse(out, 405, "http.method", "RFC 9110 15.5.6");
        return;
    }
    *out = (struct http_gate_verdict){0, "", ""};
}
