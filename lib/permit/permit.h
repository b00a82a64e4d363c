/* The signed formats of the issuance cycle: request digest, statement, permit item, permit.
 *
 * Writer and reader of each format stand together here; docs/ISSUANCE.md has the layouts. All are
 * "canon" encodings: the ASCII name of the format and a newline, then fields in fixed order, each a
 * big-endian number of fixed width or u32 length + bytes. Readers take exactly one encoding:
 * nothing may trail, lists are sorted where the format says so. Pure: no clock, no I/O. */
#ifndef CHANCERY_PERMIT_PERMIT_H
#define CHANCERY_PERMIT_PERMIT_H

#include "base/bytes.h"

#define PERMIT_DIGEST 32
#define PERMIT_BATCH_MAX 64        /* items per statement and permit: one batch of the cycle */
#define PERMIT_TTL_S 60            /* life of a permit */
#define PERMIT_STATEMENT_TTL_S 300 /* life of a statement: covers queueing and two retries */
#define PERMIT_SANS_MAX 256
#define PERMIT_EXTENSIONS_MAX 32
#define PERMIT_METHODS_MAX 16 /* methods of authentication in one evidence: about ten exist */
#define PERMIT_CLAIMS_MAX 64  /* a token with more is not about one requester */

/* ---- chancery/request/v1 ---- */

struct permit_san {
    uint8_t type; /* proto SanType value */
    struct slice value;
};
struct permit_extension {
    struct slice oid;
    bool critical;
    struct slice value;
};
struct permit_claim {
    struct slice name, value;
};
struct permit_evidence {
    struct slice protocol, caller, client_cert_sha256, proof, proof_sha256;
    const struct slice *authentication; /* methods proven, strictly ascending */
    size_t n_authentication;
    const struct permit_claim *claims; /* strictly ascending by (name, value) */
    size_t n_claims;
};
struct permit_request {
    struct slice request_id; /* 16 */
    struct slice tenant, profile, requester;
    struct slice spki_sha256; /* 32 */
    struct slice subject_der;
    const struct permit_san *sans; /* strictly ascending by (type, value) */
    size_t n_sans;
    const struct permit_extension *extensions; /* in request order */
    size_t n_extensions;
    uint32_t max_validity_s;
    struct permit_evidence evidence;
};

/* permit_request_digest hashes the canonical request. CH_INVALID (sizes, order), CH_LIMIT. The
 * evidence enters by its own digest (chancery/evidence/v1). */
enum chancery_err permit_request_digest(const struct permit_request *r, uint8_t out[PERMIT_DIGEST],
                                        struct diag *diag) MUST_CHECK;

/* permit_evidence_digest hashes the canonical evidence (chancery/evidence/v1). CH_LIMIT, CH_NOMEM.
 */
enum chancery_err permit_evidence_digest(const struct permit_evidence *e,
                                         uint8_t out[PERMIT_DIGEST]) MUST_CHECK;

/* permit_request_from_proto borrows from a chancery.common.v1.Request; arrays live in `arena`. */
struct Chancery__Common__V1__Request;
enum chancery_err permit_request_from_proto(const struct Chancery__Common__V1__Request *m,
                                            struct arena *arena, struct permit_request *out,
                                            struct diag *diag) MUST_CHECK;

/* ---- chancery/statement/v1: what registration vouches for ---- */

struct permit_statement {
    struct slice instance; /* text, 1..64 */
    int64_t issued_at_s, expires_at_s;
    size_t n; /* 1..PERMIT_BATCH_MAX */
    uint8_t digests[PERMIT_BATCH_MAX][PERMIT_DIGEST];
};
enum chancery_err permit_statement_write(const struct permit_statement *s,
                                         struct buf *out) MUST_CHECK;
enum chancery_err permit_statement_read(struct slice bytes, struct permit_statement *out,
                                        struct diag *diag) MUST_CHECK;

/* ---- chancery/permit-item/v1 and chancery/permit/v1: what policy allows ---- */

enum permit_purpose { PERMIT_PURPOSE_NONE = 0, PERMIT_CERTIFICATE = 1, PERMIT_CRL = 2 };
enum permit_verdict { PERMIT_VERDICT_NONE = 0, PERMIT_REFUSE = 1, PERMIT_ALLOW = 2 };

struct permit_item {
    enum permit_purpose purpose;
    enum permit_verdict verdict;
    uint8_t issuer_spki_sha256[PERMIT_DIGEST];
    uint8_t tbs_sha256[PERMIT_DIGEST];
    uint8_t
        request_digest[PERMIT_DIGEST];   /* zero for a CRL, and where a refused request has none */
    uint8_t rules_sha256[PERMIT_DIGEST]; /* of the rule results, in order */
    uint32_t crl_shard;                  /* CRL only, else zero */
    uint64_t crl_number;
    int64_t crl_this_update_s;
};
enum chancery_err permit_item_write(const struct permit_item *i, struct buf *out) MUST_CHECK;
enum chancery_err permit_item_read(struct slice bytes, struct permit_item *out,
                                   struct diag *diag) MUST_CHECK;
/* permit_item_id is the single-use name of an item: SHA-256 of its canonical bytes. */
void permit_item_id(struct slice item_bytes, uint8_t out[PERMIT_DIGEST]);

struct permit {
    uint8_t bundle_sha256[PERMIT_DIGEST];
    int64_t expires_at_s;
    uint32_t n;
    uint8_t root[PERMIT_DIGEST]; /* RFC 6962 tree hash over the canonical item bytes */
};
enum chancery_err permit_write(const struct permit *p, struct buf *out) MUST_CHECK;
enum chancery_err permit_read(struct slice bytes, struct permit *out, struct diag *diag) MUST_CHECK;

/* permit_root computes the tree hash over `n` canonical items. */
void permit_root(const struct slice *items, size_t n, uint8_t out[PERMIT_DIGEST]);

/* permit_check verifies signature bytes over the permit with any of the pinned keys, its expiry at
 * now_s, and its root over all items; then reads item `index`s on demand with permit_item_read.
 * Rules "permit.signature", "permit.expired", "permit.life", "permit.root", "permit.items". */
struct crypto_public;
enum chancery_err permit_check(struct slice permit_bytes, struct slice signature,
                               struct crypto_public *const *keys, size_t n_keys,
                               const struct slice *items, size_t n_items, int64_t now_s,
                               struct permit *out, struct diag *diag) MUST_CHECK;

/* permit_statement_check verifies a statement's signature with any pinned key and its times. */
enum chancery_err permit_statement_check(struct slice bytes, struct slice signature,
                                         struct crypto_public *const *keys, size_t n_keys,
                                         int64_t now_s, struct permit_statement *out,
                                         struct diag *diag) MUST_CHECK;

#endif
