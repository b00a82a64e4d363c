/* Append load on the audit log: batches in flight, durable acknowledgement measured. */
#include "bench.h"

#include "chancery/audit/v1/audit.pb-c.h"
#include "os/os.h"
#include "rpc/rpc.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

struct audit_run {
    sem_t free_slots;
    pthread_mutex_t lock;
    struct bench_samples samples;
    uint64_t done;
};
struct audit_call {
    struct audit_run *run;
    int64_t started_us;
};

static void on_ack(void *ctx, enum chancery_err err, const ProtobufCMessage *out,
                   const struct diag *diag)
{
    struct audit_call *call = ctx;
    struct audit_run *run = call->run;
    (void)pthread_mutex_lock(&run->lock);
    if (err == CH_OK) {
        const Chancery__Audit__V1__AppendResponse *acks =
            (const Chancery__Audit__V1__AppendResponse *)out;
        run->done += acks->n_acks;
        bench_samples_add(&run->samples, bench_now_us() - call->started_us);
    } else if (run->samples.errors++ == 0) {
        (void)snprintf(run->samples.first_error, sizeof run->samples.first_error, "%s: %s",
                       err_name(err), diag == NULL ? "" : diag->text);
    }
    (void)pthread_mutex_unlock(&run->lock);
    free(call);
    (void)sem_post(&run->free_slots);
}

static void send_one(struct rpc_channel *channel, struct audit_run *run, const uint8_t boot[16],
                     uint64_t sequence, unsigned batch)
{
    Chancery__Audit__V1__AppendRequest req = CHANCERY__AUDIT__V1__APPEND_REQUEST__INIT;
    Chancery__Audit__V1__Entry entries[256];
    Chancery__Audit__V1__Entry *rows[256];
    Chancery__Audit__V1__Field fields[2];
    Chancery__Audit__V1__Field *columns[2] = {&fields[0], &fields[1]};
    uint8_t digest[32];
    os_random(digest, sizeof digest);
    for (size_t i = 0; i < 2; i++) {
        chancery__audit__v1__field__init(&fields[i]);
    }
    fields[0].name = (char *)"tbs";
    fields[0].value_case = CHANCERY__AUDIT__V1__FIELD__VALUE_DIGEST;
    fields[0].digest.data = digest;
    fields[0].digest.len = sizeof digest;
    fields[1].name = (char *)"purpose";
    fields[1].value_case = CHANCERY__AUDIT__V1__FIELD__VALUE_TEXT;
    fields[1].text = (char *)"certificate";
    for (unsigned i = 0; i < batch; i++) {
        chancery__audit__v1__entry__init(&entries[i]);
        entries[i].action = (char *)"bench";
        entries[i].fields = columns;
        entries[i].n_fields = 2;
        rows[i] = &entries[i];
    }
    req.boot.data = (uint8_t *)boot;
    req.boot.len = 16;
    req.sequence = sequence;
    req.entries = rows;
    req.n_entries = batch;
    struct audit_call *call = calloc(1, sizeof *call);
    if (call == NULL) {
        abort();
    }
    *call = (struct audit_call){run, bench_now_us()};
    enum chancery_err err = rpc_call_async(channel, &chancery__audit__v1__audit_service__descriptor,
                                           "Append", &req.base, 10000, on_ack, call);
    if (err != CH_OK) {
        on_ack(call, err, NULL, NULL);
    }
}

int bench_audit(const struct bench_opts *o)
{
    struct diag diag;
    struct rpc_channel *channel = NULL;
    struct rpc_channel_opts opts = {
        .tls = {.dir = o->tls}, .trust_domain = o->trust_domain, .peer_uri = "/chancery/audit"};
    unsigned batch = o->batch > 256 ? 256 : o->batch;
    if (rpc_init() != CH_OK || rpc_channel_new(o->target, &opts, &channel, &diag) != CH_OK) {
        fprintf(stderr, "chancery-bench: cannot open a channel: %s\n", diag.text);
        return 1;
    }
    struct audit_run run = {.done = 0};
    (void)pthread_mutex_init(&run.lock, NULL);
    (void)sem_init(&run.free_slots, 0, o->inflight);
    bench_samples_init(&run.samples, 1u << 20);
    uint8_t boot[16];
    os_random(boot, sizeof boot);
    printf("{\"bench\":\"mark\",\"at\":\"start\"}\n");
    (void)fflush(stdout);
    int64_t started = bench_now_us();
    int64_t until = started + (int64_t)o->seconds * 1000000;
    for (uint64_t sequence = 1; bench_now_us() < until; sequence++) {
        (void)sem_wait(&run.free_slots);
        send_one(channel, &run, boot, sequence, batch);
    }
    for (unsigned i = 0; i < o->inflight; i++) {
        (void)sem_wait(&run.free_slots);
    }
    bench_report("audit", &run.samples, run.done, bench_now_us() - started);
    int failed = run.samples.errors > 0;
    bench_samples_clear(&run.samples);
    rpc_channel_free(channel);
    rpc_shutdown();
    return failed;
}
