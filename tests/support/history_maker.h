/* History records for tests and benchmarks: requests that were never made, built and judged by the
 * real writer and engine, so that a record says what chancery-policy would have recorded. Failures
 * end the program. */
#ifndef CHANCERY_TEST_HISTORY_MAKER_H
#define CHANCERY_TEST_HISTORY_MAKER_H

#include "trial/judge.h"
#include "trial/record.h"

#define HISTORY_MAKER_KEYS 16

struct history_maker {
    const struct trial_bundle *bundle; /* that judges */
    const struct trial_world *world;
    const char *trust_domain;
    struct crypto_public *keys[HISTORY_MAKER_KEYS]; /* P-256, made anew */
    struct arena arena;
    uint64_t made;
    struct policy_verdict verdict;
};

/* One request. */
struct history_request {
    const char *profile, *requester; /* requester: path, "/user/alice" */
    const char *dns;                 /* its one name */
    int64_t at_s;
    uint32_t validity_s; /* 0: as the profile says */
    bool forged;         /* the TBS is a day longer than ca would write it */
};

void history_maker_init(struct history_maker *m, const struct trial_bundle *bundle,
                        const struct trial_world *world, const char *trust_domain);
void history_maker_clear(struct history_maker *m);

/* history_maker_add appends one record and says whether it was permitted. */
bool history_maker_add(struct history_maker *m, const struct history_request *r, struct buf *out);

#endif
