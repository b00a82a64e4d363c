/* What is served over HTTP. Names are compared with tables of known names, never joined into paths
 * from what a client sent; what stands before them in the URL does not matter, so any base URL
 * works.
 *   .../<issuer>/<shard>.crl   the shard's CRL        .../root.crl      the root's CRL (ceremony)
 *   .../<issuer>.cer           the issuer             <ocsp>[/...]      OCSP, POST and GET */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "os/os.h"
#include "revocation.h"

#define CRL_MAX_AGE_S 60 /* so that a revocation passes caches within a minute */
#define STATIC_MAX_AGE_S 3600

static void reply_status(struct http_request *r, int status, const char *text)
{
    const struct http_reply reply = {
        .status = status, .content_type = "text/plain", .body = slice_str(text)};
    http_reply(r, &reply);
}

static bool ends_with(struct slice s, const char *end)
{
    size_t n = strlen(end);
    return s.len >= n && memcmp(s.ptr + s.len - n, end, n) == 0;
}

/* The last segment of a path; *rest gets what stands before its '/'. */
static struct slice last_segment(struct slice path, struct slice *rest)
{
    size_t at = path.len;
    while (at > 0 && path.ptr[at - 1] != '/') {
        at--;
    }
    *rest = slice_sub(path, 0, at > 0 ? at - 1 : 0);
    return slice_sub(path, at, path.len);
}

struct file {
    const char *path, *type, *etag;
    int64_t modified_s, expires_s; /* expires_s 0: not said */
    int64_t max_age_s;
};

static void reply_file(struct http_request *r, const struct file *f)
{
    char modified[32], expires[32], control[64];
    http_date(f->modified_s, modified);
    http_date(f->expires_s, expires);
    (void)snprintf(control, sizeof(control), "max-age=%lld, public", (long long)f->max_age_s);
    const char *const headers[] = {"ETag",
                                   f->etag,
                                   "Last-Modified",
                                   modified,
                                   "Cache-Control",
                                   control,
                                   f->expires_s > 0 ? "Expires" : NULL,
                                   expires,
                                   NULL};
    struct http_reply reply = {
        .status = 200, .content_type = f->type, .headers = headers, .file = f->path};
    if (http_not_modified(r, f->etag, f->modified_s)) {
        reply = (struct http_reply){.status = 304, .headers = headers};
    }
    http_reply(r, &reply);
}

/* ---- CRLs ---- */

static bool shard_number(struct slice digits, uint32_t *out)
{
    uint32_t v = 0;
    if (digits.len == 0 || digits.len > 5 || (digits.len > 1 && digits.ptr[0] == '0')) {
        return false;
    }
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.ptr[i] < '0' || digits.ptr[i] > '9') {
            return false;
        }
        v = v * 10 + (uint32_t)(digits.ptr[i] - '0');
    }
    *out = v;
    return true;
}

static bool serve_shard(struct revocation *rv, struct http_request *r, struct slice name,
                        struct slice before)
{
    struct slice rest;
    char path[700], etag[72], hex[33];
    uint32_t shard = 0;
    struct revocation_issuer *x = revocation_issuer_find(rv, last_segment(before, &rest));
    if (x == NULL || !shard_number(slice_sub(name, 0, name.len - 4), &shard) ||
        shard >= x->shards || revocation_crl_path(rv, x->id, shard, path, sizeof(path)) != CH_OK) {
        return false;
    }
    pthread_mutex_lock(&rv->lock);
    struct revocation_published p = x->published[shard];
    pthread_mutex_unlock(&rv->lock);
    if (p.number == 0) {
        return false;
    }
    hex_encode(slice_of(p.sha256, 16), hex);
    (void)snprintf(etag, sizeof(etag), "\"%s\"", hex);
    const struct file f = {
        path, "application/pkix-crl", etag, p.this_update_s, p.next_update_s, CRL_MAX_AGE_S};
    reply_file(r, &f);
    return true;
}

/* ---- files of the ceremony ---- */

static bool serve_static(struct revocation *rv, struct http_request *r, const char *name,
                         const char *type, int64_t max_age_s)
{
    char path[700], etag[72];
    struct stat st;
    int n = snprintf(path, sizeof(path), "%s/%s", rv->conf.static_dir, name);
    if (n < 0 || (size_t)n >= sizeof(path) || stat(path, &st) != 0) {
        return false;
    }
    (void)snprintf(etag, sizeof(etag), "\"%llx-%llx\"", (unsigned long long)st.st_mtime,
                   (unsigned long long)st.st_size);
    const struct file f = {path, type, etag, (int64_t)st.st_mtime, 0, max_age_s};
    reply_file(r, &f);
    return true;
}

static bool serve_certificate(struct revocation *rv, struct http_request *r, struct slice name)
{
    char file[80];
    struct revocation_issuer *x =
        revocation_issuer_find(rv, slice_sub(name, 0, name.len - 4)); /* without ".cer" */
    if (x == NULL) {
        return false;
    }
    (void)snprintf(file, sizeof(file), "%s.cer", x->id);
    return serve_static(rv, r, file, "application/pkix-cert", STATIC_MAX_AGE_S);
}

/* ---- OCSP ---- */

/* The path part of an issuer's OCSP URL, without trailing '/'. */
static struct slice url_path(const char *url)
{
    const char *at = strstr(url, "://");
    at = at == NULL ? "" : strchr(at + 3, '/');
    struct slice path = slice_str(at == NULL ? "" : at);
    while (path.len > 0 && path.ptr[path.len - 1] == '/') {
        path.len--;
    }
    return path;
}

/* Whether `path` is an OCSP URL of an issuer; *rest gets what follows it. */
static bool is_ocsp(const struct revocation *rv, struct slice path, struct slice *rest)
{
    const struct daemon_trust *t = daemon_trust(rv->d);
    for (size_t i = 0; i < t->n_issuers; i++) {
        if (t->issuers[i].ocsp_url[0] == 0) {
            continue;
        }
        struct slice base = url_path(t->issuers[i].ocsp_url);
        if (path.len >= base.len && slice_eq(slice_sub(path, 0, base.len), base) &&
            (path.len == base.len || path.ptr[base.len] == '/')) {
            *rest = slice_sub(path, base.len, path.len);
            return true;
        }
    }
    return false;
}

static void serve_ocsp(struct revocation *rv, struct http_request *r, struct slice rest)
{
    struct buf der CLEANUP(buf_clear) = {0};
    if (http_method(r) == HTTP_POST) {
        revocation_serve(rv->serve, r, http_body(r), false, os_now_s());
        return;
    }
    buf_init(&der, REVOCATION_OCSP_REQUEST_MAX);
    if (revocation_ocsp_from_path(rest, &der) != CH_OK) {
        buf_reset(&der); /* answered as any request that does not parse */
    }
    revocation_serve(rv->serve, r, buf_slice(&der), true, os_now_s());
}

/* ---- the handler ---- */

static bool route_get(struct revocation *rv, struct http_request *r, struct slice path)
{
    struct slice before, name = last_segment(path, &before);
    if (ends_with(name, ".crl")) {
        return slice_eq(name, slice_str("root.crl"))
                   ? serve_static(rv, r, "root.crl", "application/pkix-crl", CRL_MAX_AGE_S)
                   : serve_shard(rv, r, name, before);
    }
    return ends_with(name, ".cer") && serve_certificate(rv, r, name);
}

void revocation_http(void *ctx, struct http_request *r)
{
    struct revocation *rv = ctx;
    struct slice path = http_path(r), rest;
    if (http_method(r) != HTTP_POST && route_get(rv, r, path)) {
        return;
    }
    if (is_ocsp(rv, path, &rest)) {
        serve_ocsp(rv, r, rest);
        return;
    }
    reply_status(r, 404, "not found\n");
}
