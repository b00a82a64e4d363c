/* Bundles with officers, promotions between them, and a source that holds both. */
#include "chain_fix.h"

#include <stdio.h>

static const char PROFILE[] = "name: p\nissuer: i\ncallers: ['/user/*']\nkeys: {types: [P-256]}\n"
                              "signature_algorithms: [ecdsa-with-SHA256]\nvalidity: {max: 1d}\n"
                              "subject: {}\nnames: {required: false}\nextensions: {}\n";

void chain_make(struct chain *c)
{
    memset(c, 0, sizeof *c);
    officers_make(&c->officers);
    for (unsigned i = 0; i < CHAIN_BUNDLES; i++) {
        struct chain_bundle *b = &c->bundles[i];
        (void)snprintf(b->head, sizeof b->head, "version: 1\nname: t%u\ncrl: {max_validity: 8d}\n",
                       i);
        b->files[0] = (struct policy_file){"bundle.yaml", slice_str(b->head)};
        b->files[1] = (struct policy_file){"officers.yaml", slice_str(c->officers.yaml)};
        b->files[2] = (struct policy_file){"profiles/p.yaml", slice_str(PROFILE)};
        b->n = 3;
        assert_int_equal(policy_files_hash(b->files, b->n, b->sha256), CH_OK);
    }
}

void chain_clear(struct chain *c)
{
    officers_clear(&c->officers);
    arena_clear(&c->arena);
}

struct policy_bundle *chain_officers(const struct chain *c, unsigned i)
{
    struct policy_bundle *b = NULL;
    struct diag d = {0};
    if (policy_bundle_compile_officers(c->bundles[i].files, c->bundles[i].n, &b, &d) != CH_OK) {
        fail_msg("%s %s", d.field, d.text);
    }
    return b;
}

struct policy_link chain_link(struct chain *c, unsigned from, unsigned to, uint64_t sequence,
                              int64_t at, int64_t nb, const char *author, const char *signers)
{
    struct policy_link l = {.plan = {.sequence = sequence, .author = slice_str(author)},
                            .promoted_at_s = at,
                            .not_before_s = nb};
    memcpy(l.plan.first, c->bundles[0].sha256, 32);
    memcpy(l.plan.predecessor, c->bundles[from].sha256, 32);
    memcpy(l.plan.bundle, c->bundles[to].sha256, 32);
    struct approval a = {.purpose = APPROVAL_BUNDLE,
                         .decision = APPROVAL_APPROVE,
                         .step = slice_str(APPROVAL_STEP_PROMOTION),
                         .issued_at_s = at - 60,
                         .expires_at_s = at + 3600};
    assert_int_equal(policy_plan_digest(&l.plan, a.subject, NULL), CH_OK);
    struct policy_approval *list = arena_alloc(&c->arena, 8 * sizeof *list);
    for (size_t i = 0; signers[i] != '\0'; i++) {
        list[i] = officers_sign(&c->officers, (unsigned)(signers[i] - 'a'), &a, &c->arena);
        l.n_approvals = i + 1;
    }
    l.approvals = list;
    return l;
}

static enum chancery_err give_links(void *ctx, uint64_t after, struct arena *arena,
                                    struct policy_link **out, size_t *out_n, struct diag *diag)
{
    struct chain *c = ctx;
    (void)diag;
    *out = arena_alloc(arena, (c->n_links + 1) * sizeof **out);
    *out_n = 0;
    for (size_t i = 0; i < c->n_links && *out_n < 3; i++) { /* in pages of three */
        if (c->links[i].plan.sequence > after) {
            (*out)[(*out_n)++] = c->links[i];
        }
    }
    return CH_OK;
}

static enum chancery_err give_files(void *ctx, const uint8_t sha256[32], struct arena *arena,
                                    struct policy_file **out, size_t *out_n, struct diag *diag)
{
    struct chain *c = ctx;
    (void)diag;
    for (size_t i = 0; i < CHAIN_BUNDLES; i++) {
        if (memcmp(c->bundles[i].sha256, sha256, 32) == 0 && c->bundles[i].n > 0) {
            *out = arena_alloc(arena, sizeof c->bundles[i].files);
            memcpy(*out, c->bundles[i].files, sizeof c->bundles[i].files);
            *out_n = c->bundles[i].n;
            return CH_OK;
        }
    }
    return CH_NOT_FOUND;
}

struct policy_life_source chain_source(struct chain *c)
{
    return (struct policy_life_source){give_links, give_files, c};
}
