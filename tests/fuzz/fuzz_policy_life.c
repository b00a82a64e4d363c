/* policy: any bytes as the mark of a process (first octet 'M'), or as a promotion with its
 * approvals and its bundle's files, which nobody signed and which must never come into force. */
#include <stdlib.h>

#include "policy/life.h"
#include "policy/policy_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char head[] = "version: 1\nname: t\ncrl: {max_validity: 8d}\n";
static const char profile[] = "name: p\nissuer: i\ncallers: ['/user/*']\nkeys: {types: [P-256]}\n"
                              "signature_algorithms: [ecdsa-with-SHA256]\nvalidity: {max: 1d}\n"
                              "subject: {}\nnames: {required: false}\nextensions: {}\n";
static const char officers[] =
    "officers:\n"
    "  - {id: a, identity: /user/a, roles: [policy], key: "
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEbOeqFQIkz4NfJtfc8Yyk+1erLGfTbjhO/"
    "ThPLHkPbLMeP819D3Q1mmB6YTzLVZ2Y1iNafkwYkTO1rJG7pXgj+A==}\n"
    "promotion: {role: policy, quorum: 1}\n";

static enum chancery_err prepare(void *ctx, struct policy_bundle *take_bundle, void **out,
                                 struct diag *diag)
{
    (void)ctx;
    (void)diag;
    *out = take_bundle;
    return CH_OK;
}

static void release(void *payload)
{
    policy_bundle_free(payload);
}

struct input {
    struct slice rest, paper;
    struct policy_file files[3];
};

/* Takes up to n octets of the input. */
static struct slice take(struct input *in, size_t n)
{
    struct slice s = slice_sub(in->rest, 0, n);
    in->rest = slice_sub(in->rest, s.len, in->rest.len);
    return s;
}

static int64_t number(struct input *in)
{
    int64_t v = 0;
    struct slice s = take(in, 4);
    for (size_t i = 0; i < s.len; i++) {
        v = v * 256 + s.ptr[i];
    }
    return v;
}

static enum chancery_err files(void *ctx, const uint8_t sha256[32], struct arena *arena,
                               struct policy_file **out, size_t *out_n, struct diag *diag)
{
    struct input *in = ctx;
    (void)sha256;
    (void)arena;
    (void)diag;
    *out = in->files;
    *out_n = 3;
    return CH_OK;
}

static enum chancery_err links(void *ctx, uint64_t after, struct arena *arena,
                               struct policy_link **out, size_t *out_n, struct diag *diag)
{
    struct input *in = ctx;
    struct policy_link *l = arena_alloc(arena, sizeof *l);
    struct policy_approval *a = arena_alloc(arena, 4 * sizeof *a);
    uint8_t first[32];
    (void)diag;
    *out_n = 0;
    if (l == NULL || a == NULL || after != 0) {
        return CH_OK;
    }
    const struct policy_file was[] = {{"bundle.yaml", slice_str(head)},
                                      {"officers.yaml", slice_str(officers)},
                                      {"profiles/p.yaml", slice_str(profile)}};
    if (policy_files_hash(was, 3, first) != CH_OK ||
        policy_files_hash(in->files, 3, l->plan.bundle) != CH_OK) {
        abort();
    }
    memcpy(l->plan.first, first, 32);
    memcpy(l->plan.predecessor, first, 32);
    l->plan.sequence = (uint64_t)(number(in) % 3);
    l->promoted_at_s = number(in);
    l->not_before_s = number(in);
    l->plan.author = take(in, (size_t)(number(in) % 64));
    for (size_t i = 0; i < 4; i++) {
        a[i].bytes = take(in, (size_t)(number(in) % 256));
        a[i].signature = take(in, (size_t)(number(in) % 128));
    }
    l->approvals = a;
    l->n_approvals = 4;
    *out = l;
    *out_n = 1;
    return CH_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct policy_file first[] = {{"bundle.yaml", slice_str(head)},
                                        {"officers.yaml", slice_str(officers)},
                                        {"profiles/p.yaml", slice_str(profile)}};
    const struct policy_life_opts opts = {.trust_domain = "service.test",
                                          .files = first,
                                          .n_files = 3,
                                          .prepare = prepare,
                                          .release = release};
    static struct policy_life *life;
    struct diag d = {.text = ""};
    uint8_t end[32];
    if (life == NULL && policy_life_new(&opts, &life, NULL) != CH_OK) {
        abort();
    }
    if (size > 0 && data[0] == 'M') {
        struct policy_life *fresh = NULL;
        if (policy_life_new(&opts, &fresh, NULL) != CH_OK) {
            abort();
        }
        (void)!policy_life_expect(fresh, slice_of(data + 1, size - 1), &d);
        policy_life_free(fresh);
        return 0;
    }
    struct input in = {.rest = slice_of(data, size)};
    in.files[0] = first[0];
    in.files[1] = (struct policy_file){"officers.yaml", take(&in, size / 2)};
    in.files[2] = first[2];
    const struct policy_life_source source = {links, files, &in};
    if (size % 2 == 0) { /* a bundle that may well come after */
        in.files[1] = first[1];
        in.files[2].content = slice_sub(first[2].content, 0, first[2].content.len - 1);
    }
    if (policy_life_update(life, &source, 1764000000, &d) == CH_OK ||
        policy_life_end(life, end) != 0) {
        abort();
    }
    return 0;
}
