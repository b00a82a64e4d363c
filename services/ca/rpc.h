/* The RPCs of chancery-ca. */
#ifndef CHANCERY_CA_RPC_H
#define CHANCERY_CA_RPC_H

#include "ca.h"
#include "chancery/common/v1/common.pb-c.h"
#include "rpc/rpc.h"

/* ca_rpc_add registers the service; allow-lists are in rpc.c. */
enum chancery_err ca_rpc_add(struct ca *ca) MUST_CHECK;

rpc_handler ca_rpc_issue, ca_rpc_crl, ca_rpc_find, ca_rpc_issuers;

/* What is the same in a certificate's message whether it was just stored or was found. */
struct ca_shown {
    const struct ca_issuer *issuer; /* NULL: unknown, no chain */
    struct slice issuer_id, serial, der, tbs_sha256, profile, requester, tenant, request_id,
        spki_sha256, subject;
    struct slice names; /* one per line */
    int64_t not_before_s, not_after_s, issued_at_s;
    uint32_t shard;
    uint64_t log_index;
};
/* ca_rpc_certificate makes the message in `arena`; NULL when out of memory. */
Chancery__Common__V1__Certificate *ca_rpc_certificate(struct arena *arena,
                                                      const struct ca_shown *s);

#endif
