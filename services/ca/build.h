/* Building a TBSCertificate from profile, request and key: pure, no clock, no I/O, no randomness of
 * its own.
 *
 * It writes what a sound request deserves; whether the result may be signed is policy's judgement,
 * over the bytes. What breaks an encoding rule is refused here. */
#ifndef CHANCERY_CA_BUILD_H
#define CHANCERY_CA_BUILD_H

#include "ca.h"

struct ca_build {
    const struct ca_profile *profile;
    const struct permit_request *request;
    const struct crypto_public *key; /* proven to be the requester's */
    struct slice serial;             /* CA_SERIAL octets, first one 01..7f */
    int64_t now_s;
};
struct ca_built {
    struct slice tbs, subject; /* DER */
    uint8_t tbs_sha256[32];
    int64_t not_before_s, not_after_s;
    uint32_t shard;
};

/* ca_build_tbs writes the TBS; results live in `arena`. Rules "name.*", "build.*". */
enum chancery_err ca_build_tbs(const struct ca_build *in, struct arena *arena, struct ca_built *out,
                               struct diag *diag) MUST_CHECK;

/* ca_build_serial makes CA_SERIAL random octets, top bit clear, first octet not zero. */
void ca_build_serial(uint8_t out[CA_SERIAL]);

/* ca_build_crl_url writes the URL of a shard's CRL: <base>/<issuer>/<shard>.crl. CH_LIMIT. */
enum chancery_err ca_build_crl_url(const struct ca_issuer *issuer, uint32_t shard, char *out,
                                   size_t cap) MUST_CHECK;

#endif
