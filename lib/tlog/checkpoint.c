/* C2SP tlog-checkpoint inside a signed note: writer of the text, strict reader and verifier of the
 * whole. */
#include "tlog/tlog_int.h"

/* signed-note asks readers for 16 lines at least; more than this is nobody's checkpoint. */
#define NOTE_LINES_MAX 64
#define NOTE_KEYS_MAX 16

enum chancery_err tlog_checkpoint_body(const struct tlog_checkpoint *c, struct buf *out)
{
    if (!tlog_name_ok(c->origin)) {
        return CH_INVALID;
    }
    TRY(buf_add(out, c->origin));
    TRY(buf_printf(out, "\n%llu\n", (unsigned long long)c->size));
    TRY(base64_encode(slice_of(c->root.b, TLOG_HASH), out));
    return buf_add_str(out, "\n");
}

static enum chancery_err bad(struct diag *diag, const char *rule, const char *text)
{
    return diag_set(diag, CH_MALFORMED, "checkpoint", rule, "%s", text);
}

/* Splits at the last empty line; the text keeps its final newline. */
static enum chancery_err split_note(struct slice note, struct slice *out_text,
                                    struct slice *out_lines, struct diag *diag)
{
    if (note.len > TLOG_NOTE_MAX) {
        return diag_set(diag, CH_LIMIT, "checkpoint", "note.size",
                        "the note is longer than %zu bytes", TLOG_NOTE_MAX);
    }
    if (!slice_is_utf8(note)) {
        return bad(diag, "note.utf8", "the note is not UTF-8");
    }
    for (size_t i = 0; i < note.len; i++) {
        if (note.ptr[i] < 0x20 && note.ptr[i] != '\n') {
            return bad(diag, "note.control", "the note holds a control character");
        }
    }
    if (note.len < 3 || note.ptr[note.len - 1] != '\n') {
        return bad(diag, "note.end", "the note does not end with a newline");
    }
    for (size_t i = note.len - 1; i > 0; i--) {
        if (note.ptr[i] == '\n' && note.ptr[i - 1] == '\n') {
            *out_text = slice_sub(note, 0, i);
            *out_lines = slice_sub(note, i + 1, note.len - i - 1);
            return out_lines->len == 0
                       ? bad(diag, "note.unsigned", "the note has no signature line")
                       : CH_OK;
        }
    }
    return bad(diag, "note.split", "no empty line separates text and signatures");
}

static enum chancery_err read_body(struct slice text, struct tlog_checkpoint *out,
                                   struct diag *diag)
{
    struct slice origin;
    struct slice size;
    struct slice root;
    if (!tlog_line_take(&text, &origin) || !tlog_line_take(&text, &size) ||
        !tlog_line_take(&text, &root) || text.len != 0) {
        return bad(diag, "checkpoint.lines", "a checkpoint has exactly three lines");
    }
    if (!tlog_name_ok(origin)) {
        return bad(diag, "checkpoint.origin", "the origin is not a key name");
    }
    struct tlog_checkpoint c = {.origin = origin};
    if (tlog_number_read(size, &c.size) != CH_OK) {
        return bad(diag, "checkpoint.size", "the size is not a canonical decimal number");
    }
    if (tlog_hash_read(root, &c.root) != CH_OK) {
        return bad(diag, "checkpoint.root", "the root is not the canonical base64 of 32 octets");
    }
    *out = c;
    return CH_OK;
}

struct opening {
    struct slice text;
    const struct tlog_key *keys;
    size_t n_keys;
    bool strict;
    uint8_t ids[NOTE_KEYS_MAX][4];
    bool seen[NOTE_KEYS_MAX];
};

static enum chancery_err check_signature(const struct tlog_key *key, struct slice text,
                                         struct slice signature, struct diag *diag)
{
    enum crypto_alg alg = crypto_public_type(key->pub) == CRYPTO_KEY_ED25519
                              ? CRYPTO_ALG_ED25519
                              : CRYPTO_ALG_ECDSA_SHA256;
    bool valid = false;
    enum chancery_err err = crypto_verify(key->pub, alg, text, signature, &valid, NULL);
    if (err == CH_NOMEM) {
        return err;
    }
    if (err != CH_OK || !valid) {
        return diag_set(diag, CH_CRYPTO, "checkpoint", "note.signature.wrong",
                        "the signature of a pinned key (%s) is wrong",
                        crypto_key_type_name(crypto_public_type(key->pub)));
    }
    return CH_OK;
}

static enum chancery_err check_line(struct opening *o, struct slice line, struct diag *diag)
{
    static const char dash[] = "\xE2\x80\x94 ";
    const size_t lead = sizeof dash - 1;
    const uint8_t *space = NULL;
    if (line.len > lead && memcmp(line.ptr, dash, lead) == 0) {
        space = memchr(line.ptr + lead, ' ', line.len - lead);
    }
    if (space == NULL) {
        return bad(diag, "note.signature.line", "a signature line is not \"dash name base64\"");
    }
    struct slice name = slice_of(line.ptr + lead, (size_t)(space - line.ptr) - lead);
    struct slice text = slice_of(space + 1, line.len - (size_t)(space - line.ptr) - 1);
    CLEANUP(buf_clear) struct buf raw;
    buf_init(&raw, TLOG_NOTE_MAX);
    enum chancery_err err = base64_decode(text, &raw);
    if (err == CH_NOMEM) {
        return err;
    }
    if (!tlog_name_ok(name) || err != CH_OK || raw.len < 5) {
        return bad(
            diag, "note.signature.base64",
            "a signature line has a bad name or is not canonical base64 of ID and signature");
    }
    for (size_t i = 0; i < o->n_keys; i++) {
        if (!slice_eq(name, o->keys[i].name) || memcmp(raw.ptr, o->ids[i], 4) != 0) {
            continue;
        }
        if (o->seen[i]) {
            return bad(diag, "note.signature.duplicate", "a pinned key has two signature lines");
        }
        o->seen[i] = true;
        return check_signature(&o->keys[i], o->text, slice_sub(buf_slice(&raw), 4, raw.len - 4),
                               diag);
    }
    if (o->strict) {
        return bad(diag, "note.signature.unknown", "a signature line is of no pinned key");
    }
    return CH_OK; /* signed-note: verifiers ignore unknown keys */
}

static enum chancery_err check_lines(struct opening *o, struct slice lines, struct diag *diag)
{
    for (size_t i = 0; i < o->n_keys; i++) {
        TRY(tlog_key_id(&o->keys[i], o->ids[i]));
    }
    struct slice line;
    size_t n = 0;
    while (tlog_line_take(&lines, &line)) {
        if (++n > NOTE_LINES_MAX) {
            return diag_set(diag, CH_LIMIT, "checkpoint", "note.signature.count",
                            "more than %d signature lines", NOTE_LINES_MAX);
        }
        TRY(check_line(o, line, diag));
    }
    for (size_t i = 0; i < o->n_keys; i++) {
        if (!o->seen[i]) {
            return diag_set(diag, CH_CRYPTO, "checkpoint", "note.signature.missing",
                            "a pinned key (%s) has not signed",
                            crypto_key_type_name(crypto_public_type(o->keys[i].pub)));
        }
    }
    return CH_OK;
}

enum chancery_err tlog_checkpoint_open(struct slice note, const struct tlog_key *keys,
                                       size_t n_keys, bool strict, struct tlog_checkpoint *out,
                                       struct diag *diag)
{
    if (n_keys == 0 || n_keys > NOTE_KEYS_MAX) {
        return diag_set(diag, CH_INVALID, "keys", "note.keys", "1 to %d keys are needed",
                        NOTE_KEYS_MAX);
    }
    struct opening o = {.keys = keys, .n_keys = n_keys, .strict = strict};
    struct slice lines;
    TRY(split_note(note, &o.text, &lines, diag));
    struct tlog_checkpoint c;
    TRY(read_body(o.text, &c, diag));
    /* An ECDSA key ID does not bind the name, so the origin is compared with every key's. */
    for (size_t i = 0; i < n_keys; i++) {
        if (!slice_eq(c.origin, keys[i].name)) {
            return diag_set(diag, CH_INVALID, "checkpoint", "checkpoint.origin",
                            "the checkpoint is of another log");
        }
    }
    TRY(check_lines(&o, lines, diag));
    *out = c;
    return CH_OK;
}
