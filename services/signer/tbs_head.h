/* What kind of thing a TBS is: its first four fields, read strictly, and nothing further.
 *
 * This is the signer's own last line: whatever a permit says, bytes that begin like a certificate
 * are never signed as a CRL, and the other way round. A version 1 certificate looks like a version
 * 2 CRL up to its fourth field (INTEGER 1 may be its serial number), where it has a SEQUENCE and a
 * CRL has a time. Pure. */
#ifndef CHANCERY_SIGNER_TBS_HEAD_H
#define CHANCERY_SIGNER_TBS_HEAD_H

#include "crypto/alg.h"
#include "permit/permit.h"

/* The first four fields end within this many octets: names are at most 16 KiB (as policy has it),
 * the other fields a few hundred. */
#define SIGNER_TBS_HEAD_MAX 32768

struct signer_tbs_head {
    enum permit_purpose kind;
    enum crypto_alg alg;
    int64_t this_update_s; /* CRL only */
};

/* signer_tbs_head_read reads the head of a TBSCertificate or TBSCertList (as `purpose` says) of
 * `total` octets of which `start` holds the first ones: all of them, or at least
 * SIGNER_TBS_HEAD_MAX. CH_MALFORMED (not strict DER, or bytes trail), CH_INVALID (not what
 * `purpose` says), CH_UNSUPPORTED (algorithm). Rules "tbs.*". RFC 5280 4.1 and 5.1. */
enum chancery_err signer_tbs_head_read(struct slice start, uint64_t total,
                                       enum permit_purpose purpose, struct signer_tbs_head *out,
                                       struct diag *diag) MUST_CHECK;

#endif
