/* What each producer appended lately, so that a repeated (producer, boot, sequence) gets its first
 * acknowledgement. Owned and used by the writer thread; rebuilt from the log at start. */
#ifndef CHANCERY_AUDIT_PRODUCERS_H
#define CHANCERY_AUDIT_PRODUCERS_H

#include "entry.h"
#include "tlog/tlog.h"

#define AUDIT_WINDOW 4096      /* sequences remembered per (producer, boot): minutes at full rate */
#define AUDIT_STREAMS_MAX 4096 /* (producer, boot) pairs in all */
#define AUDIT_STREAMS_PER_PRODUCER                                                                 \
    1024 /* a process that restarts without end blocks itself only                                 \
          */
#define AUDIT_STREAM_KEEP_S                                                                        \
    600 /* a pair unused for so long is forgotten; nobody retries that long */

/* An entry that was refused, by its place in the Append. */
struct audit_refusal {
    uint32_t place;
    enum chancery_err err;
    const char *rule; /* static, one of audit_refusal_rule */
};

/* One Append: its accepted leaves stand side by side from first_index on. */
struct audit_record {
    uint64_t sequence, first_index;
    uint32_t n, n_refused; /* accepted, refused; n + n_refused is the size of the Append */
    struct tlog_hash *hashes;
    struct audit_refusal *refused; /* by ascending place */
    uint8_t content[32];           /* chain over action and fields of the accepted entries */
};

struct audit_ack {
    enum chancery_err err; /* CH_OK: durable at `index` */
    const char *rule;      /* static; why it was refused */
    uint64_t index;
    struct tlog_hash leaf_hash;
};

struct audit_producers;
struct audit_producers *audit_producers_new(void); /* NULL: out of memory */
void audit_producers_free(struct audit_producers *p);

/* audit_producers_clock sets the time of the log, which only grows. */
void audit_producers_clock(struct audit_producers *p, int64_t now_s);

/* audit_producers_find: CH_OK and the record; CH_NOT_FOUND for a new sequence; CH_PRECONDITION
 * ("audit.sequence.old") for one that left the window, of which nothing is known any more. */
enum chancery_err audit_producers_find(struct audit_producers *p, struct slice producer,
                                       const uint8_t boot[AUDIT_BOOT], uint64_t sequence,
                                       struct audit_record **out, struct diag *diag) MUST_CHECK;

/* audit_producers_open adds an empty record for a new sequence; owned by `p`. CH_NOMEM, CH_BUSY
 * (too many boots of this producer), CH_PRECONDITION as above. */
enum chancery_err audit_producers_open(struct audit_producers *p, struct slice producer,
                                       const uint8_t boot[AUDIT_BOOT], uint64_t sequence,
                                       struct audit_record **out, struct diag *diag) MUST_CHECK;

/* audit_record_accept notes the next accepted leaf; leaves of one record have consecutive indices
 * (CH_INTEGRITY otherwise). audit_record_refuse notes a refused place. */
enum chancery_err audit_record_accept(struct audit_record *r, uint64_t index,
                                      const struct tlog_hash *leaf_hash, struct slice action,
                                      struct slice f) MUST_CHECK;
enum chancery_err audit_record_refuse(struct audit_record *r, uint32_t place,
                                      const char *rule) MUST_CHECK;

/* audit_record_same says whether `items` are what the record was made from. */
bool audit_record_same(const struct audit_record *r, const struct audit_item *items, size_t n);

/* audit_record_acks fills one acknowledgement per place, n + n_refused of them. */
void audit_record_acks(const struct audit_record *r, struct audit_ack *out);

/* audit_refusal_rule maps a rule's text to the static rule and its error; NULL when unknown. */
const char *audit_refusal_rule(struct slice text, enum chancery_err *out_err);

#define AUDIT_RULE_USED "audit.permit.used"
#define AUDIT_RULE_EXPIRED "audit.permit.expired"
#define AUDIT_RULE_TERM "audit.permit.term"

#endif
