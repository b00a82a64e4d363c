/* C2SP signed-note: key identities and signature lines. */
#include "tlog/tlog_int.h"

enum { TYPE_ED25519 = 0x01, TYPE_ECDSA = 0x02 };
#define ED25519_PUBLIC 32
#define ED25519_SPKI 44 /* RFC 8410 4: twelve fixed octets, then the key */

/* Well-formed UTF-8 is known: reads one code point. */
static uint32_t code_point(struct slice s, size_t *at)
{
    uint8_t c = s.ptr[*at];
    size_t more = c < 0x80 ? 0 : c < 0xE0 ? 1 : c < 0xF0 ? 2 : 3;
    uint32_t v = more == 0 ? c : c & (0x3Fu >> more);
    for (size_t i = 1; i <= more; i++) {
        v = v << 6 | (s.ptr[*at + i] & 0x3Fu);
    }
    *at += more + 1;
    return v;
}

/* White_Space property of Unicode. */
static bool is_space(uint32_t v)
{
    return (v >= 0x09 && v <= 0x0D) || v == 0x20 || v == 0x85 || v == 0xA0 || v == 0x1680 ||
           (v >= 0x2000 && v <= 0x200A) || v == 0x2028 || v == 0x2029 || v == 0x202F ||
           v == 0x205F || v == 0x3000;
}

bool tlog_name_ok(struct slice name)
{
    if (name.len == 0 || !slice_is_utf8(name)) {
        return false;
    }
    for (size_t at = 0; at < name.len;) {
        uint32_t v = code_point(name, &at);
        if (v < 0x20 || v == '+' || is_space(v)) {
            return false;
        }
    }
    return true;
}

enum chancery_err tlog_number_read(struct slice text, uint64_t *out)
{
    if (text.len == 0 || (text.len > 1 && text.ptr[0] == '0')) {
        return CH_MALFORMED;
    }
    uint64_t v = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (c < '0' || c > '9' || __builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(c - '0'), &v)) {
            return CH_MALFORMED;
        }
    }
    *out = v;
    return CH_OK;
}

enum chancery_err tlog_hash_read(struct slice text, struct tlog_hash *out)
{
    CLEANUP(buf_clear) struct buf raw;
    buf_init(&raw, TLOG_HASH);
    enum chancery_err err = base64_decode(text, &raw);
    if (err == CH_NOMEM) {
        return err;
    }
    if (err != CH_OK || raw.len != TLOG_HASH) {
        return CH_MALFORMED;
    }
    memcpy(out->b, raw.ptr, TLOG_HASH);
    return CH_OK;
}

bool tlog_line_take(struct slice *rest, struct slice *out_line)
{
    const uint8_t *end = rest->len == 0 ? NULL : memchr(rest->ptr, '\n', rest->len);
    if (end == NULL) {
        return false;
    }
    size_t len = (size_t)(end - rest->ptr);
    *out_line = slice_of(rest->ptr, len);
    *rest = slice_of(end + 1, rest->len - len - 1);
    return true;
}

/* Type octet and key bytes of a key; CH_UNSUPPORTED for other than P-256 and Ed25519. */
static enum chancery_err key_material(const struct tlog_key *k, uint8_t *out_type,
                                      struct slice *out)
{
    struct slice spki = crypto_public_spki(k->pub);
    switch (crypto_public_type(k->pub)) {
    case CRYPTO_KEY_ED25519:
        if (spki.len != ED25519_SPKI) {
            return CH_INTERNAL;
        }
        *out_type = TYPE_ED25519;
        *out = slice_sub(spki, ED25519_SPKI - ED25519_PUBLIC, ED25519_PUBLIC);
        return CH_OK;
    case CRYPTO_KEY_P256:
        *out_type = TYPE_ECDSA;
        *out = spki;
        return CH_OK;
    case CRYPTO_KEY_NONE:
    case CRYPTO_KEY_RSA_2048:
    case CRYPTO_KEY_RSA_3072:
    case CRYPTO_KEY_RSA_4096:
    case CRYPTO_KEY_RSA_OTHER:
    case CRYPTO_KEY_P384:
    case CRYPTO_KEY_P521:
        break;
    }
    return CH_UNSUPPORTED;
}

enum chancery_err tlog_key_id(const struct tlog_key *k, uint8_t out[4])
{
    uint8_t type = 0;
    struct slice material = {0};
    if (!tlog_name_ok(k->name)) {
        return CH_INVALID;
    }
    TRY(key_material(k, &type, &material));
    uint8_t digest[32];
    if (type == TYPE_ECDSA) {
        crypto_sha256(material, digest); /* signed-note: ECDSA IDs have neither name nor type */
    } else {
        CLEANUP(buf_clear) struct buf b;
        buf_init(&b, TLOG_NOTE_MAX);
        TRY(buf_add(&b, k->name));
        TRY(buf_add_u8(&b, '\n'));
        TRY(buf_add_u8(&b, type));
        TRY(buf_add(&b, material));
        crypto_sha256(buf_slice(&b), digest);
    }
    memcpy(out, digest, 4);
    return CH_OK;
}

enum chancery_err tlog_vkey(const struct tlog_key *k, struct buf *out)
{
    uint8_t id[4];
    TRY(tlog_key_id(k, id));
    uint8_t type = 0;
    struct slice material = {0};
    TRY(key_material(k, &type, &material));
    CLEANUP(buf_clear) struct buf raw;
    buf_init(&raw, 1024);
    TRY(buf_add_u8(&raw, type));
    TRY(buf_add(&raw, material));
    char hex[9];
    hex_encode(slice_of(id, sizeof id), hex);
    TRY(buf_add(out, k->name));
    TRY(buf_printf(out, "+%s+", hex));
    return base64_encode(buf_slice(&raw), out);
}

enum chancery_err tlog_note_add_signature(const struct tlog_key *k, struct slice signature,
                                          struct buf *note)
{
    uint8_t id[4];
    TRY(tlog_key_id(k, id));
    CLEANUP(buf_clear) struct buf raw;
    buf_init(&raw, TLOG_NOTE_MAX);
    TRY(buf_add(&raw, slice_of(id, sizeof id)));
    TRY(buf_add(&raw, signature));
    TRY(buf_add_str(note, "\xE2\x80\x94 "));
    TRY(buf_add(note, k->name));
    TRY(buf_add_str(note, " "));
    TRY(base64_encode(buf_slice(&raw), note));
    return buf_add_str(note, "\n");
}
