/* Logged revocations, remembered outside the database: a derived file in state_dir with one
 * fixed-size record per "revocation" entry of the audit log, and how far the log was read. It is
 * what status rows are compared with (I6); losing it costs one reading of the log from its
 * beginning. One thread at a time. */
#ifndef CHANCERY_REVOCATION_JOURNAL_H
#define CHANCERY_REVOCATION_JOURNAL_H

#include "base/bytes.h"

struct revocation_logged {
    uint64_t log_index;
    char issuer_id[64];
    uint8_t serial[20];
    uint8_t serial_len;
    uint8_t reason;
    uint32_t shard;
    int64_t revoked_at_s, not_after_s;
};

struct revocation_journal;

/* revocation_journal_open reads the file (made when missing); a torn or damaged end is cut off and
 * its entries will be read from the log again. CH_IO, CH_NOMEM. */
enum chancery_err revocation_journal_open(const char *path, struct revocation_journal **out,
                                          struct diag *diag) MUST_CHECK;
void revocation_journal_free(struct revocation_journal *j);

/* Entries in log order; position: the next log index to read. */
size_t revocation_journal_count(const struct revocation_journal *j);
const struct revocation_logged *revocation_journal_at(const struct revocation_journal *j, size_t i);
uint64_t revocation_journal_position(const struct revocation_journal *j);

/* revocation_journal_find finds the entry with that log index, NULL when there is none. */
const struct revocation_logged *revocation_journal_find(const struct revocation_journal *j,
                                                        uint64_t log_index);

/* revocation_journal_add remembers an entry in memory and writes it; log_index must grow. */
enum chancery_err revocation_journal_add(struct revocation_journal *j,
                                         const struct revocation_logged *e) MUST_CHECK;
/* revocation_journal_advance notes that everything before `position` was read. Written now and
 * then. */
enum chancery_err revocation_journal_advance(struct revocation_journal *j,
                                             uint64_t position) MUST_CHECK;

#endif
