/* Transparency-log mathematics and formats: RFC 6962 Merkle trees, C2SP tlog-tiles, checkpoint,
 * signed-note and tlog-proof. Pure but for nothing: bytes in, bytes out; files are the caller's. */
#ifndef CHANCERY_TLOG_TLOG_H
#define CHANCERY_TLOG_TLOG_H

#include "base/bytes.h"
#include "crypto/alg.h"

#define TLOG_HASH 32
#define TLOG_TILE_WIDTH 256  /* hashes per tile: tlog-tiles */
#define TLOG_ENTRY_MAX 65535 /* tlog-tiles: u16 length */
#define TLOG_PROOF_MAX 64    /* hashes in an inclusion proof of a 2^64 tree */
#define TLOG_NOTE_MAX ((size_t)64 << 10)

struct tlog_hash {
    uint8_t b[TLOG_HASH];
};

/* tlog_leaf_hash = SHA-256(0x00 || entry); tlog_node_hash = SHA-256(0x01 || l || r). RFC 6962 2.1.
 */
void tlog_leaf_hash(struct slice entry, struct tlog_hash *out);
void tlog_node_hash(const struct tlog_hash *l, const struct tlog_hash *r, struct tlog_hash *out);

/* Compact range: the roots of the perfect subtrees of a tree of `size` leaves, largest first. */
struct tlog_range {
    uint64_t size;
    struct tlog_hash nodes[64];
};
void tlog_range_add(struct tlog_range *r, const struct tlog_hash *leaf);
void tlog_range_root(const struct tlog_range *r,
                     struct tlog_hash *out); /* SHA-256("") when empty */

/* tlog_root computes the root over an array of leaf hashes. */
void tlog_root(const struct tlog_hash *leaves, size_t n, struct tlog_hash *out);

/* Reads hash number `index` of tree level `level` (level 0: leaf hashes; perfect subtrees only). */
typedef enum chancery_err tlog_node_fn(void *ctx, unsigned level, uint64_t index,
                                       struct tlog_hash *out);

/* tlog_prove_inclusion / tlog_prove_consistency: RFC 6962 2.1.1, 2.1.2. CH_INVALID (index not below
 * size, old above new), CH_LIMIT (consistency of trees over 2^63), or what `node` returned. */
enum chancery_err tlog_prove_inclusion(uint64_t index, uint64_t size, tlog_node_fn *node, void *ctx,
                                       struct tlog_hash proof[TLOG_PROOF_MAX],
                                       size_t *out_n) MUST_CHECK;
enum chancery_err tlog_prove_consistency(uint64_t old_size, uint64_t size, tlog_node_fn *node,
                                         void *ctx, struct tlog_hash proof[TLOG_PROOF_MAX],
                                         size_t *out_n) MUST_CHECK;
/* Verifiers: *out_valid false first. */
void tlog_verify_inclusion(uint64_t index, uint64_t size, const struct tlog_hash *leaf,
                           const struct tlog_hash *proof, size_t n, const struct tlog_hash *root,
                           bool *out_valid);
void tlog_verify_consistency(uint64_t old_size, const struct tlog_hash *old_root, uint64_t size,
                             const struct tlog_hash *root, const struct tlog_hash *proof, size_t n,
                             bool *out_valid);

/* tlog_tile_path writes "tile/<L>/<N>[.p/<W>]" (level -1: "tile/entries/..."); width 256 = full. */
enum chancery_err tlog_tile_path(int level, uint64_t index, unsigned width, char *out,
                                 size_t cap) MUST_CHECK;
/* tlog_bundle_add appends u16 length + entry. tlog_bundle_each walks a bundle strictly. */
enum chancery_err tlog_bundle_add(struct buf *bundle, struct slice entry) MUST_CHECK;
typedef enum chancery_err tlog_entry_fn(void *ctx, size_t i, struct slice entry);
enum chancery_err tlog_bundle_each(struct slice bundle, tlog_entry_fn *fn, void *ctx) MUST_CHECK;

/* ---- checkpoint and signed note ---- */

struct tlog_checkpoint {
    struct slice origin;
    uint64_t size;
    struct tlog_hash root;
};
/* tlog_checkpoint_body appends the note text (three lines). */
enum chancery_err tlog_checkpoint_body(const struct tlog_checkpoint *c, struct buf *out) MUST_CHECK;

struct tlog_key { /* a verifier or signer key of a note */
    struct slice name;
    const struct crypto_public *pub; /* P-256 (type 0x02) or Ed25519 (type 0x01) */
};
/* tlog_key_id: first four octets per signed-note: Ed25519 SHA-256(name || 0x0A || 0x01 || pub),
 * ECDSA SHA-256(SPKI DER). */
enum chancery_err tlog_key_id(const struct tlog_key *k, uint8_t out[4]) MUST_CHECK;
/* tlog_vkey appends the text form name+hex+base64. */
enum chancery_err tlog_vkey(const struct tlog_key *k, struct buf *out) MUST_CHECK;
/* tlog_note_add_signature appends one signature line; `note` already holds the text and the empty
 * line. */
enum chancery_err tlog_note_add_signature(const struct tlog_key *k, struct slice signature,
                                          struct buf *note) MUST_CHECK;
/* tlog_checkpoint_open reads a signed checkpoint and verifies: every key of `keys` must have
 * exactly one valid line; `strict` also refuses any other line. Canonical base64, canonical
 * numbers, nothing else. */
enum chancery_err tlog_checkpoint_open(struct slice note, const struct tlog_key *keys,
                                       size_t n_keys, bool strict, struct tlog_checkpoint *out,
                                       struct diag *diag) MUST_CHECK;

/* ---- c2sp.org/tlog-proof@v1 ---- */
enum chancery_err tlog_proof_write(uint64_t index, const struct tlog_hash *proof, size_t n,
                                   struct slice checkpoint_note, struct buf *out) MUST_CHECK;
enum chancery_err tlog_proof_verify(struct slice proof_text, struct slice entry,
                                    const struct tlog_key *keys, size_t n_keys, uint64_t *out_index,
                                    struct diag *diag) MUST_CHECK;

#endif
