/* The entries themselves: each one canonical, and what they say about each other. */
#ifndef CHANCERY_VERIFY_LEAVES_H
#define CHANCERY_VERIFY_LEAVES_H

#include "report.h"
#include "set.h"
#include "trust.h"

/* An INTENT whose RESULT may still come. */
struct verify_intent {
    uint8_t what[VERIFY_SET_KEY]; /* key and TBS that it announced */
    bool answered;
};

struct verify_leaves {
    const struct verify_trust *trust;
    struct verify_report *report;
    struct arena arena; /* one entry at a time */
    struct buf scratch;
    char signer[512];          /* identity of the only process that signs */
    struct verify_set appends; /* (producer, boot, pseq) */
    struct verify_set permits; /* permit items of INTENTs */
    struct verify_set intents; /* index -> place in `list` */
    struct verify_intent *list;
    size_t n, cap;
    uint8_t current[VERIFY_SET_KEY]; /* Append of the entry before */
    bool have_current;
    bool broken; /* entries were left out: what refers to others is not judged any more */
};

enum chancery_err verify_leaves_init(struct verify_leaves *l, const struct verify_trust *trust,
                                     struct verify_report *report) MUST_CHECK;
void verify_leaves_clear(struct verify_leaves *l);

/* verify_leaves_add judges the entry at `index`, found at `offset` of `file`. Entries come in
 * order. */
enum chancery_err verify_leaves_add(struct verify_leaves *l, uint64_t index, struct slice line,
                                    const char *file, size_t offset) MUST_CHECK;

/* verify_leaves_skip says that entries could not be read. */
void verify_leaves_skip(struct verify_leaves *l);

/* verify_leaves_end counts INTENTs that have no RESULT: no fault, a crash leaves them. */
void verify_leaves_end(struct verify_leaves *l);

#endif
