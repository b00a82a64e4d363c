/* OCSP load: keep-alive POSTs of prepared requests from blocking client threads. */
#include "bench.h"

#include "os/os.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define OCSP_REQUESTS_MAX 4096

struct ocsp_client {
    pthread_t thread;
    const struct bench_opts *opts;
    struct buf *requests; /* whole HTTP requests */
    size_t n_requests, first;
    int64_t until_us;
    struct bench_samples samples;
    uint64_t done;
};

static int dial(const char *target)
{
    char host[64];
    const char *colon = strrchr(target, ':');
    if (colon == NULL || (size_t)(colon - target) >= sizeof host) {
        return -1;
    }
    memcpy(host, target, (size_t)(colon - target));
    host[colon - target] = '\0';
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10))};
    int fd = inet_pton(AF_INET, host, &a.sin_addr) == 1
                 ? socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)
                 : -1;
    int one = 1;
    if (fd >= 0 && (connect(fd, (struct sockaddr *)&a, sizeof a) != 0 ||
                    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0)) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

/* Reads one response with Content-Length; returns the status code, 0 on any fault. */
static unsigned read_reply(int fd)
{
    char reply[16384];
    size_t have = 0;
    for (;;) {
        ssize_t n = read(fd, reply + have, sizeof reply - 1 - have);
        if (n <= 0) {
            return 0;
        }
        have += (size_t)n;
        reply[have] = '\0';
        char *end = strstr(reply, "\r\n\r\n");
        char *length = end == NULL ? NULL : strcasestr(reply, "\r\ncontent-length:");
        if (end != NULL && (length == NULL || length > end)) {
            return 0;
        }
        if (end != NULL && have >= (size_t)(end - reply) + 4 + strtoul(length + 17, NULL, 10)) {
            return strncmp(reply, "HTTP/1.1 ", 9) == 0 ? (unsigned)strtoul(reply + 9, NULL, 10) : 0;
        }
        if (have == sizeof reply - 1) {
            return 0;
        }
    }
}

static void *ocsp_client_main(void *arg)
{
    struct ocsp_client *c = arg;
    int fd = dial(c->opts->target);
    for (size_t i = c->first; bench_now_us() < c->until_us; i++) {
        const struct buf *request = &c->requests[i % c->n_requests];
        int64_t started = bench_now_us();
        unsigned status = 0;
        if (fd >= 0 && write(fd, request->ptr, request->len) == (ssize_t)request->len) {
            status = read_reply(fd);
        }
        if (status == 200) {
            c->done++;
            bench_samples_add(&c->samples, bench_now_us() - started);
            continue;
        }
        (void)snprintf(c->samples.first_error, sizeof c->samples.first_error, "HTTP status %u",
                       status);
        if (c->samples.errors++ > 100) {
            break;
        }
        if (fd >= 0) {
            (void)close(fd);
        }
        fd = dial(c->opts->target);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return NULL;
}

static size_t load_requests(const char *folder, const char *target, struct buf *out)
{
    DIR *dir = opendir(folder);
    size_t n = 0;
    for (struct dirent *e = dir == NULL ? NULL : readdir(dir); e != NULL && n < OCSP_REQUESTS_MAX;
         e = readdir(dir)) {
        char path[4096];
        if (e->d_name[0] == '.' ||
            (size_t)snprintf(path, sizeof path, "%s/%s", folder, e->d_name) >= sizeof path) {
            continue;
        }
        struct buf body;
        buf_init(&body, 8192);
        buf_init(&out[n], 16384);
        if (os_file_read(path, &body, NULL) == CH_OK &&
            buf_printf(
                &out[n],
                "POST /ocsp HTTP/1.1\r\nHost: %s\r\nContent-Type: application/ocsp-request\r\n"
                "Content-Length: %zu\r\n\r\n",
                target, body.len) == CH_OK &&
            buf_add(&out[n], buf_slice(&body)) == CH_OK) {
            n++;
        }
        buf_clear(&body);
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    return n;
}

int bench_ocsp(const struct bench_opts *o)
{
    struct buf *requests = calloc(OCSP_REQUESTS_MAX, sizeof *requests);
    struct ocsp_client *clients = calloc(o->threads, sizeof *clients);
    size_t n =
        requests == NULL || o->files == NULL ? 0 : load_requests(o->files, o->target, requests);
    if (n == 0 || clients == NULL) {
        fprintf(stderr, "chancery-bench: no OCSP requests in --files\n");
        return 1;
    }
    printf("{\"bench\":\"mark\",\"at\":\"start\"}\n");
    (void)fflush(stdout);
    int64_t started = bench_now_us();
    struct bench_samples all;
    bench_samples_init(&all, 1u << 21);
    uint64_t done = 0;
    for (unsigned i = 0; i < o->threads; i++) {
        clients[i] = (struct ocsp_client){.opts = o,
                                          .requests = requests,
                                          .n_requests = n,
                                          .first = i * 37,
                                          .until_us = started + (int64_t)o->seconds * 1000000};
        bench_samples_init(&clients[i].samples, 1u << 18);
        if (pthread_create(&clients[i].thread, NULL, ocsp_client_main, &clients[i]) != 0) {
            abort();
        }
    }
    for (unsigned i = 0; i < o->threads; i++) {
        (void)pthread_join(clients[i].thread, NULL);
        done += clients[i].done;
        if (clients[i].samples.errors > 0) {
            all.errors += clients[i].samples.errors;
            memcpy(all.first_error, clients[i].samples.first_error, sizeof all.first_error);
        }
        for (size_t k = 0; k < clients[i].samples.n; k++) {
            bench_samples_add(&all, clients[i].samples.us[k]);
        }
        bench_samples_clear(&clients[i].samples);
    }
    bench_report("ocsp", &all, done, bench_now_us() - started);
    int failed = all.errors > 0;
    bench_samples_clear(&all);
    for (size_t i = 0; i < n; i++) {
        buf_clear(&requests[i]);
    }
    free(requests);
    free(clients);
    return failed;
}
