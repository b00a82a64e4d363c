/* Shared by the load generators: options, latency samples, one JSON line of results. */
#ifndef CHANCERY_BENCH_H
#define CHANCERY_BENCH_H

#include "base/bytes.h"

struct bench_opts {
    const char *target; /* host:port of the service */
    const char *tls;    /* identity folder */
    const char *trust_domain;
    const char *profile;
    const char *module, *token, *pin_file, *key; /* limit */
    const char *conninfo;                        /* limit */
    const char *files;                           /* ocsp: folder of requests */
    const char *out, *bundle;                    /* history */
    unsigned inflight, seconds, batch, threads, records;
};

struct bench_samples {
    int64_t *us; /* latencies */
    size_t n, cap;
    uint64_t errors;
    char first_error[512];
};

void bench_samples_init(struct bench_samples *s, size_t cap);
void bench_samples_add(struct bench_samples *s, int64_t us);
void bench_samples_clear(struct bench_samples *s);

/* bench_report prints {"bench":..., "ops":..., "rate":..., "p50_us":..., "p99_us":...,
 * "errors":...}. */
void bench_report(const char *name, struct bench_samples *s, uint64_t ops, int64_t elapsed_us);

int64_t bench_now_us(void);

int bench_issue(const struct bench_opts *o);
int bench_limit(const struct bench_opts *o);
int bench_ocsp(const struct bench_opts *o);
int bench_history(const struct bench_opts *o);
int bench_audit(const struct bench_opts *o);

#endif
