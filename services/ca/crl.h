/* Checking a streamed TBSCertList: against its header, the issuer, and the CRL before it. Pure:
 * what it needs to know comes from functions.
 *
 * Memory is constant. Both CRLs are sorted by serial, so that they are walked side by side; an
 * entry may vanish only after its certificate has expired, and no date or reason may change. */
#ifndef CHANCERY_CA_CRL_H
#define CHANCERY_CA_CRL_H

#include "ca.h"

struct ca_crl_header {
    const struct ca_issuer *issuer;
    uint32_t shard;
    uint64_t number;
    int64_t this_update_s, next_update_s;
};

struct ca_crl_sources {
    /* The next piece of the CRL before, CH_END after the last or when there is none. */
    enum chancery_err (*previous)(void *ctx, struct buf *out, struct diag *diag);
    /* Whether each of these certificates ended before thisUpdate. */
    enum chancery_err (*expired)(void *ctx, const struct slice *serials, size_t n, bool *out,
                                 struct diag *diag);
    void *ctx;
};

struct ca_crl_check;
/* ca_crl_check_new: CH_NOMEM; CH_LIMIT when the URL of the shard is too long. `header` is copied.
 */
enum chancery_err ca_crl_check_new(const struct ca_crl_header *header,
                                   const struct ca_crl_sources *sources,
                                   struct ca_crl_check **out) MUST_CHECK;
void ca_crl_check_free(struct ca_crl_check *c);

/* ca_crl_check_push takes the next octets; ca_crl_check_finish says that all have come and that all
 * is well. After an error only ca_crl_check_free. CH_INTEGRITY: the CRL would forget or change a
 * revocation. Rules "crl.*". */
enum chancery_err ca_crl_check_push(struct ca_crl_check *c, struct slice bytes,
                                    struct diag *diag) MUST_CHECK;
enum chancery_err ca_crl_check_finish(struct ca_crl_check *c, uint64_t *out_entries,
                                      struct diag *diag) MUST_CHECK;

#endif
