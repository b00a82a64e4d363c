/* chancery-bench: load generators against a running stack on this machine. Bounded in time and
 * count; targets are loopback only. tools/bench starts the stack, runs these and adds CPU per
 * process. */
#include "bench.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int64_t bench_now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void bench_samples_init(struct bench_samples *s, size_t cap)
{
    *s = (struct bench_samples){.cap = cap, .us = calloc(cap, sizeof *s->us)};
    if (s->us == NULL) {
        abort();
    }
}

void bench_samples_add(struct bench_samples *s, int64_t us)
{
    if (s->n < s->cap) {
        s->us[s->n++] = us;
    }
}

void bench_samples_clear(struct bench_samples *s)
{
    free(s->us);
    s->us = NULL;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

void bench_report(const char *name, struct bench_samples *s, uint64_t ops, int64_t elapsed_us)
{
    qsort(s->us, s->n, sizeof *s->us, by_value);
    int64_t p50 = s->n == 0 ? 0 : s->us[s->n / 2];
    int64_t p99 = s->n == 0 ? 0 : s->us[s->n - 1 - s->n / 100];
    double rate = elapsed_us == 0 ? 0 : (double)ops * 1e6 / (double)elapsed_us;
    printf("{\"bench\":\"%s\",\"ops\":%" PRIu64
           ",\"seconds\":%.2f,\"rate\":%.0f,\"p50_us\":%" PRId64 ",\"p99_us\":%" PRId64
           ",\"errors\":%" PRIu64 "}\n",
           name, ops, (double)elapsed_us / 1e6, rate, p50, p99, s->errors);
    if (s->errors > 0) {
        fprintf(stderr, "%s: first error: %s\n", name, s->first_error);
    }
}

static bool is_loopback(const char *target)
{
    return target == NULL || strncmp(target, "127.", 4) == 0 || strncmp(target, "unix:", 5) == 0 ||
           strncmp(target, "localhost:", 10) == 0;
}

static unsigned number(const char *s, unsigned max)
{
    char *end = NULL;
    unsigned long v = strtoul(s, &end, 10);
    if (*s == '\0' || *end != '\0' || v == 0 || v > max) {
        fprintf(stderr, "chancery-bench: %s is not in 1..%u\n", s, max);
        exit(2);
    }
    return (unsigned)v;
}

int main(int argc, char **argv)
{
    static const struct option longs[] = {
        {"target", 1, NULL, 't'},   {"tls", 1, NULL, 'c'},      {"trust-domain", 1, NULL, 'd'},
        {"profile", 1, NULL, 'p'},  {"module", 1, NULL, 'm'},   {"token", 1, NULL, 'k'},
        {"pin-file", 1, NULL, 'P'}, {"key", 1, NULL, 'K'},      {"conninfo", 1, NULL, 'D'},
        {"files", 1, NULL, 'f'},    {"inflight", 1, NULL, 'i'}, {"seconds", 1, NULL, 's'},
        {"out", 1, NULL, 'o'},      {"bundle", 1, NULL, 'B'},   {"records", 1, NULL, 'R'},
        {"batch", 1, NULL, 'b'},    {"threads", 1, NULL, 'T'},  {NULL, 0, NULL, 0},
    };
    struct bench_opts o = {.inflight = 64,
                           .seconds = 10,
                           .batch = 64,
                           .threads = 2,
                           .profile = "web",
                           .records = 100000};
    int c;
    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        const char **text = c == 't'   ? &o.target
                            : c == 'c' ? &o.tls
                            : c == 'd' ? &o.trust_domain
                            : c == 'p' ? &o.profile
                            : c == 'm' ? &o.module
                            : c == 'k' ? &o.token
                            : c == 'P' ? &o.pin_file
                            : c == 'K' ? &o.key
                            : c == 'D' ? &o.conninfo
                            : c == 'f' ? &o.files
                            : c == 'o' ? &o.out
                            : c == 'B' ? &o.bundle
                                       : NULL;
        unsigned *count = c == 'i'   ? &o.inflight
                          : c == 's' ? &o.seconds
                          : c == 'b' ? &o.batch
                          : c == 'T' ? &o.threads
                          : c == 'R' ? &o.records
                                     : NULL;
        if (text != NULL) {
            *text = optarg;
        } else if (count != NULL) {
            *count = number(optarg, c == 'R' ? 10000000 : 1024);
        } else {
            return 2;
        }
    }
    const char *what = optind < argc ? argv[optind] : "";
    if (!is_loopback(o.target)) {
        fprintf(stderr, "chancery-bench: only loopback targets\n");
        return 2;
    }
    if (strcmp(what, "issue") == 0) {
        return bench_issue(&o);
    }
    if (strcmp(what, "limit") == 0) {
        return bench_limit(&o);
    }
    if (strcmp(what, "ocsp") == 0) {
        return bench_ocsp(&o);
    }
    if (strcmp(what, "audit") == 0) {
        return bench_audit(&o);
    }
    if (strcmp(what, "history") == 0) {
        return bench_history(&o);
    }
    fprintf(
        stderr,
        "usage: chancery-bench issue|limit|ocsp|audit|history --target ... (see tools/bench)\n");
    return 2;
}
