/* Faults that were found, and the report of a run: for people or as one JSON object. */
#ifndef CHANCERY_VERIFY_REPORT_H
#define CHANCERY_VERIFY_REPORT_H

#include <stdio.h>

#include "tlog/tlog.h"

#define VERIFY_FAULTS_MAX 1000 /* kept; all are counted */

struct verify_fault {
    char file[256]; /* relative to the log's folder */
    char rule[64];
    char text[256];
    int64_t offset; /* octet in the file, -1: none */
    int64_t index;  /* entry of the log, -1: none */
};

struct verify_report {
    struct verify_fault *faults;
    size_t n_kept, n_faults;
    uint64_t size;    /* of the checkpoint */
    uint64_t entries; /* read and found right */
    uint64_t intents, results, open_intents;
    int64_t first_ts_ns, last_ts_ns;
    bool have_checkpoint;
    struct tlog_hash root;
};

/* verify_fault_add notes one fault; offset and index -1 where they do not apply. */
void verify_fault_add(struct verify_report *r, const char *file, int64_t offset, int64_t index,
                      const char *rule, const char *fmt, ...) PRINTF_LIKE(6, 7);
void verify_report_clear(struct verify_report *r);

struct verify_trust;
/* verify_report_print writes the report. Text of files is escaped: a log cannot forge a line. */
void verify_report_print(const struct verify_report *r, const struct verify_trust *t,
                         const char *dir, bool json, FILE *to);

#endif
