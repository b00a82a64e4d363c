/* chancery/history/v1: what the judge had when it judged, one record per certificate request.
 *
 * Written by chancery-policy, read by replay; writer and reader stand together. A body is a row of
 * records, each after its length as u32; a file (chancery/history-file/v1) is a head and bodies.
 * Pure. docs/POLICY.md, History and replay, has the layouts. */
#ifndef CHANCERY_TRIAL_RECORD_H
#define CHANCERY_TRIAL_RECORD_H

#include "base/bytes.h"

#define TRIAL_RECORD_MAX ((size_t)1 << 20) /* a request and a TBS stay far below */
#define TRIAL_FAILED_MAX ((size_t)16384)   /* ids of all rules there are */
#define TRIAL_USAGE_MAX ((size_t)4096)
#define TRIAL_BODY_MAX ((size_t)4 << 20) /* of one row, one message, one piece of a file */

struct trial_record {
    int64_t judged_at_s;
    uint8_t bundle_sha256[32]; /* of the bundle that judged */
    bool permitted;
    uint8_t rules_sha256[32]; /* chancery/rules/v1 */
    uint8_t tbs_sha256[32];   /* of the TBS in `item` */
    struct slice failed;      /* ids of the failed rules, separated by commas */
    struct slice usage;       /* what limits knew (trial/usage.h); empty: nothing */
    struct slice item; /* chancery.policy.v1.CertificateItem: request, issuer, TBS, approvals */
};

/* trial_record_write appends length and record. CH_LIMIT, CH_NOMEM. */
enum chancery_err trial_record_write(const struct trial_record *r, struct buf *out) MUST_CHECK;

/* trial_record_next reads the next record of a body and moves `body` past it; slices borrow from
 * it. CH_END after the last, CH_MALFORMED "history.record", CH_LIMIT. */
enum chancery_err trial_record_next(struct slice *body, struct trial_record *out,
                                    struct diag *diag) MUST_CHECK;

/* ---- files ---- */

#define TRIAL_PIECE_MAX ((size_t)16 << 20) /* a bundle has 12 MiB at most */
#define TRIAL_FILE_MAGIC "chancery/history-file/v1\n"
enum trial_piece {
    TRIAL_PIECE_NONE = 0,
    TRIAL_PIECE_HEAD,
    TRIAL_PIECE_BUNDLE,
    TRIAL_PIECE_RECORDS
};

/* trial_piece_write appends kind, length and content; the first of a file comes after
 * TRIAL_FILE_MAGIC. */
enum chancery_err trial_piece_write(enum trial_piece kind, struct slice content,
                                    struct buf *out) MUST_CHECK;
#define TRIAL_PIECE_HEADER 5 /* octets before a piece's content */
/* trial_piece_header reads those octets: *out_len content octets follow. CH_MALFORMED
 * "history.file". */
enum chancery_err trial_piece_header(const uint8_t header[TRIAL_PIECE_HEADER],
                                     enum trial_piece *out_kind, size_t *out_len,
                                     struct diag *diag) MUST_CHECK;

#endif
