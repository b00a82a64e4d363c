/* chancery-bench-policy: verdicts per second of the engine alone, in process, on one core: final
 * TBS bytes in, full list of rules out. Bundle of 200 profiles; requests walk over all of them.
 * Prints one JSON line as chancery-bench does, with the CPU time of the thread and the growth of
 * memory. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "policy/policy.h"
#include "unit/policy/fix.h"

#define PROFILES 200
#define BINDINGS 10000
#define BINDING_FILES 10
#define KEYS 64 /* different certificates and requesters */

static int64_t cpu_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static long resident_kib(void)
{
    struct rusage u;
    (void)getrusage(RUSAGE_SELF, &u);
    return u.ru_maxrss;
}

/* One binding per requester: names of its own besides those that the samples ask for. */
static struct slice make_bindings(struct arena *arena, size_t file)
{
    struct buf text;
    buf_init(&text, (size_t)4 << 20);
    enum chancery_err err = buf_add_str(&text, "bindings:\n");
    for (size_t i = file; i < BINDINGS && err == CH_OK; i += BINDING_FILES) {
        err = buf_printf(&text,
                         "  - requester: /user/team-%zu\n"
                         "    names:\n"
                         "      dns: {suffixes: [example.test, team-%zu.test], wildcard_depth: 1}\n"
                         "      ip: {networks: [10.1.0.0/16]}\n"
                         "      email: {domains: [example.test]}\n"
                         "      uri: {prefixes: ['https://id.example.test/d/']}\n",
                         i, i);
    }
    struct slice s = slice_of(arena_copy(arena, buf_slice(&text)), text.len);
    buf_clear(&text);
    if (err != CH_OK || s.ptr == NULL) {
        exit(1);
    }
    return s;
}

/* The fixture's profile under 200 names. */
static struct policy_bundle *make_bundle(struct arena *arena, const char *lints)
{
    struct policy_file files[1 + BINDING_FILES + PROFILES] = {
        {"bundle.yaml",
         slice_str("version: 1\nname: bench\ncrl: {max_validity: 8d, backdate: 1h}\n")}};
    size_t n = 1;
    struct policy_bundle *b = NULL;
    struct diag d = {0};
    for (size_t i = 0; i < BINDING_FILES; i++, n++) {
        files[n].path = arena_printf(arena, "bindings/b%zu.yaml", i);
        files[n].content = make_bindings(arena, i);
    }
    for (size_t i = 0; i < PROFILES; i++, n++) {
        const char *body = strchr(fix_profile_yaml, '\n'); /* after the line with the name */
        files[n].path = arena_printf(arena, "profiles/p%03zu.yaml", i);
        files[n].content = slice_str(arena_printf(
            arena, "name: p%03zu%sbinding: required\nlints: {set: %s}\n", i, body, lints));
    }
    if (policy_bundle_compile(files, n, &b, &d) != CH_OK ||
        policy_bundle_set_trust_domain(b, "chancery.test") != CH_OK) {
        fprintf(stderr, "%s: %s %s\n", d.field, d.rule, d.text);
        exit(1);
    }
    return b;
}

struct sample {
    struct permit_request request;
    struct slice tbs;
};

static void make_samples(struct fix *f, const char *curve, struct sample out[KEYS])
{
    for (size_t i = 0; i < KEYS; i++) {
        fix_key(f, fix_spki_ec(f, curve));
        f->request.requester = slice_str(
            arena_printf(&f->arena, "spiffe://chancery.test/user/team-%zu", i * (BINDINGS / KEYS)));
        f->request.evidence.caller = f->request.requester;
        fix_build(f);
        out[i].request = f->request;
        out[i].tbs = slice_of(arena_copy(&f->arena, f->facts.tbs), f->facts.tbs.len);
    }
}

static uint64_t run(struct fix *f, struct sample *samples, unsigned seconds)
{
    struct slice names[PROFILES];
    uint64_t ops = 0;
    for (size_t i = 0; i < PROFILES; i++) {
        names[i] = slice_str(arena_printf(&f->arena, "p%03zu", i));
    }
    for (int64_t end = cpu_us() + (int64_t)seconds * 1000000; cpu_us() < end;) {
        for (unsigned k = 0; k < 100; k++, ops++) {
            struct sample *s = &samples[ops % KEYS];
            s->request.profile = names[ops % PROFILES];
            f->facts.request = &s->request;
            f->facts.tbs = s->tbs;
            policy_judge_certificate(f->bundle, &f->facts, &f->v);
            if (f->v.verdict != POLICY_PASS) {
                fprintf(stderr, "a verdict did not pass\n");
                exit(1);
            }
        }
    }
    return ops;
}

int main(int argc, char **argv)
{
    static struct fix f;
    static struct sample samples[KEYS];
    unsigned seconds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 3;
    if (seconds == 0 || seconds > 60) {
        fprintf(stderr, "usage: chancery-bench-policy [SECONDS 1..60] [CURVE] [SET OF LINTS]\n");
        return 2;
    }
    fix_init(&f);
    policy_bundle_free(f.bundle);
    f.bundle = make_bundle(&f.arena, argc > 3 ? argv[3] : "rfc5280");
    make_samples(&f, argc > 2 ? argv[2] : "P-256", samples);
    (void)run(&f, samples, 1); /* warm */
    long before_kib = resident_kib();
    int64_t start = cpu_us();
    uint64_t ops = run(&f, samples, seconds);
    double us = (double)(cpu_us() - start);
    printf("{\"bench\":\"policy\",\"ops\":%" PRIu64 ",\"rate\":%.0f,\"cpu_us_per_op\":%.2f,"
           "\"rules\":%zu,\"pool\":%zu,\"grown_kib\":%ld}\n",
           ops, (double)ops * 1e6 / us, us / (double)ops, f.v.n, f.v.pool_len,
           resident_kib() - before_kib);
    fix_clear(&f);
    return 0;
}
