/* Bundles with officers, promotions between them, and a source that holds both. */
#ifndef CHANCERY_TEST_POLICY_CHAIN_FIX_H
#define CHANCERY_TEST_POLICY_CHAIN_FIX_H

#include "officers_fix.h"
#include "policy/life.h"

#define CHAIN_BUNDLES 64
#define CHAIN_T0 1764000000

struct chain_bundle {
    struct policy_file files[3];
    size_t n;
    uint8_t sha256[32];
    char head[96];
};

struct chain {
    struct arena arena;
    struct officers officers;
    struct chain_bundle bundles[CHAIN_BUNDLES]; /* 0 is the first bundle */
    struct policy_link links[CHAIN_BUNDLES];
    size_t n_links;
};

/* chain_make makes bundles that differ in their description and share officers.yaml. */
void chain_make(struct chain *c);
void chain_clear(struct chain *c);

/* chain_link makes the promotion of bundle `to` after `from` as number `sequence`, decided at `at`,
 * in force from `nb`, signed by the officers of `signers` ("ab"). */
struct policy_link chain_link(struct chain *c, unsigned from, unsigned to, uint64_t sequence,
                              int64_t at, int64_t nb, const char *author, const char *signers);

/* chain_officers compiles a bundle as far as its officers. */
struct policy_bundle *chain_officers(const struct chain *c, unsigned i);

/* chain_source gives c->links and c->bundles. */
struct policy_life_source chain_source(struct chain *c);

#endif
