/* c2sp.org/tlog-proof@v1: an inclusion proof and its checkpoint in one text. */
#include "tlog/tlog_int.h"

static const char header[] = "c2sp.org/tlog-proof@v1";

enum chancery_err tlog_proof_write(uint64_t index, const struct tlog_hash *proof, size_t n,
                                   struct slice checkpoint_note, struct buf *out)
{
    if (n > TLOG_PROOF_MAX) {
        return CH_LIMIT;
    }
    TRY(buf_printf(out, "%s\nindex %llu\n", header, (unsigned long long)index));
    for (size_t i = 0; i < n; i++) {
        TRY(base64_encode(slice_of(proof[i].b, TLOG_HASH), out));
        TRY(buf_add_str(out, "\n"));
    }
    TRY(buf_add_str(out, "\n"));
    return buf_add(out, checkpoint_note);
}

static bool has_prefix(struct slice s, const char *prefix)
{
    size_t n = strlen(prefix);
    return s.len >= n && memcmp(s.ptr, prefix, n) == 0;
}

static enum chancery_err bad(struct diag *diag, const char *rule, const char *text)
{
    return diag_set(diag, CH_MALFORMED, "proof", rule, "%s", text);
}

/* Reads up to the empty line; what is left in *text is the checkpoint. */
static enum chancery_err read_head(struct slice *text, uint64_t *out_index,
                                   struct tlog_hash proof[TLOG_PROOF_MAX], size_t *out_n,
                                   struct diag *diag)
{
    struct slice line;
    if (!tlog_line_take(text, &line) || !slice_eq(line, slice_str(header))) {
        return bad(diag, "proof.header", "the first line is not c2sp.org/tlog-proof@v1");
    }
    if (!tlog_line_take(text, &line)) {
        return bad(diag, "proof.index", "no index line");
    }
    if (has_prefix(line, "extra ")) { /* unauthenticated; only its spelling is checked */
        CLEANUP(buf_clear) struct buf extra;
        buf_init(&extra, TLOG_NOTE_MAX);
        if (base64_decode(slice_sub(line, 6, line.len), &extra) != CH_OK ||
            !tlog_line_take(text, &line)) {
            return bad(diag, "proof.extra", "the extra line is not canonical base64");
        }
    }
    if (!has_prefix(line, "index ") ||
        tlog_number_read(slice_sub(line, 6, line.len), out_index) != CH_OK) {
        return bad(diag, "proof.index", "the index is not a canonical decimal number");
    }
    size_t n = 0;
    for (;;) {
        if (!tlog_line_take(text, &line)) {
            return bad(diag, "proof.split", "no empty line before the checkpoint");
        }
        if (line.len == 0) {
            break;
        }
        if (n == TLOG_PROOF_MAX || tlog_hash_read(line, &proof[n]) != CH_OK) {
            return bad(diag, "proof.hash", "a proof line is not the canonical base64 of a hash");
        }
        n++;
    }
    *out_n = n;
    return CH_OK;
}

enum chancery_err tlog_proof_verify(struct slice proof_text, struct slice entry,
                                    const struct tlog_key *keys, size_t n_keys, uint64_t *out_index,
                                    struct diag *diag)
{
    if (proof_text.len > TLOG_NOTE_MAX) {
        return diag_set(diag, CH_LIMIT, "proof", "proof.size", "the proof is longer than %zu bytes",
                        TLOG_NOTE_MAX);
    }
    uint64_t index = 0;
    struct tlog_hash proof[TLOG_PROOF_MAX];
    size_t n = 0;
    TRY(read_head(&proof_text, &index, proof, &n, diag));
    struct tlog_checkpoint c;
    TRY(tlog_checkpoint_open(proof_text, keys, n_keys, false, &c, diag));
    struct tlog_hash leaf;
    tlog_leaf_hash(entry, &leaf);
    bool valid = false;
    tlog_verify_inclusion(index, c.size, &leaf, proof, n, &c.root, &valid);
    if (!valid) {
        return diag_set(diag, CH_CRYPTO, "proof", "proof.inclusion",
                        "the entry is not at index %llu of this checkpoint",
                        (unsigned long long)index);
    }
    *out_index = index;
    return CH_OK;
}
