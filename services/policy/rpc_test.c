/* TestBundle: the table tests that a bundle brings, run where it will be judged by. */
#include <pthread.h>

#include "os/os.h"
#include "promote.h"
#include "service.h"
#include "trial/table.h"

#define FAILURES_MAX 100 /* told; all are counted */

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER; /* tests take a whole core */

enum chancery_err policy_bundle_try(const struct policy_service *s, const struct policy_file *files,
                                    size_t n, struct trial_table_report *out, struct diag *diag)
{
    if (pthread_mutex_trylock(&one_at_a_time) != 0) { /* never make Permit's workers wait */
        return diag_set(diag, CH_BUSY, "bundle", "bundle.busy",
                        "another bundle's tests are running; try again in a moment");
    }
    enum chancery_err err = trial_table_run(files, n, daemon_trust_domain(s->daemon), out, diag);
    pthread_mutex_unlock(&one_at_a_time);
    return err;
}

enum chancery_err policy_bundle_tried(const struct policy_service *s, const uint8_t sha256[32],
                                      const struct trial_table_report *r, struct diag *diag)
{
    return policy_store_tested(s->db, sha256, daemon_instance(s->daemon), os_now_s(), r->n_cases,
                               r->failed, diag);
}

static enum chancery_err answer(const struct trial_table_report *r, struct arena *arena,
                                Chancery__Policy__V1__TestBundleResponse *out)
{
    size_t room = r->failed < FAILURES_MAX ? r->failed : FAILURES_MAX;
    Chancery__Policy__V1__TestFailure *m = arena_alloc(arena, (room + 1) * sizeof *m);
    out->failures = arena_alloc(arena, (room + 1) * sizeof *out->failures);
    if (m == NULL || out->failures == NULL) {
        return CH_NOMEM;
    }
    out->tests = (uint32_t)r->n_cases;
    out->tests_failed = (uint32_t)r->failed;
    for (size_t i = 0; i < r->n_cases && out->n_failures < room; i++) {
        const struct trial_case_result *c = &r->cases[i];
        if (c->passed) {
            continue;
        }
        Chancery__Policy__V1__TestFailure *f = &m[out->n_failures];
        chancery__policy__v1__test_failure__init(f);
        f->name = arena_str(arena, slice_str(c->name));
        f->source = arena_str(arena, slice_str(c->source));
        f->why = arena_str(arena, slice_str(c->why == NULL ? "" : c->why));
        if (f->name == NULL || f->source == NULL || f->why == NULL) {
            return CH_NOMEM;
        }
        out->failures[out->n_failures++] = f;
    }
    return CH_OK;
}

enum chancery_err policy_rpc_test_bundle(struct rpc_call *call, const ProtobufCMessage *in_message,
                                         ProtobufCMessage *out_message, void *ctx)
{
    const struct policy_service *s = ctx;
    const Chancery__Policy__V1__TestBundleRequest *in =
        (const Chancery__Policy__V1__TestBundleRequest *)in_message;
    struct trial_table_report report CLEANUP(trial_table_report_clear) = {.n_cases = 0};
    struct policy_stored b;
    if (in->bundle_sha256.len != 32) {
        return diag_set(rpc_diag(call), CH_INVALID, "bundle_sha256", "bundle.name",
                        "a bundle is named by 32 octets");
    }
    TRY(policy_store_get(s->db, policy_bundles_first(s->bundles), in->bundle_sha256.data,
                         os_now_s(), true, rpc_arena(call), &b, rpc_diag(call)));
    TRY(policy_bundle_try(s, b.files, b.n_files, &report, rpc_diag(call)));
    TRY(policy_bundle_tried(s, b.sha256, &report, rpc_diag(call)));
    return answer(&report, rpc_arena(call),
                  (Chancery__Policy__V1__TestBundleResponse *)out_message);
}
