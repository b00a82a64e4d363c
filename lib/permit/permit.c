/* chancery/permit-item/v1 and chancery/permit/v1: what policy allows and signs. */
#include "permit/permit.h"

#include "crypto/alg.h"
#include "permit/canon.h"

static bool all_zero(const uint8_t *p, size_t n)
{
    uint8_t any = 0;
    for (size_t i = 0; i < n; i++) {
        any |= p[i];
    }
    return any == 0;
}

/* Each kind leaves the other kind's fields zero, so that one item has one encoding. */
static enum chancery_err check_item(const struct permit_item *i, struct diag *diag)
{
    if (i->purpose != PERMIT_CERTIFICATE && i->purpose != PERMIT_CRL) {
        return diag_set(diag, CH_INVALID, "item.purpose", "item.purpose", "unknown purpose");
    }
    if (i->verdict != PERMIT_REFUSE && i->verdict != PERMIT_ALLOW) {
        return diag_set(diag, CH_INVALID, "item.verdict", "item.verdict", "unknown verdict");
    }
    bool no_request = all_zero(i->request_digest, PERMIT_DIGEST);
    bool no_crl = i->crl_shard == 0 && i->crl_number == 0 && i->crl_this_update_s == 0;
    bool needs_request = i->verdict == PERMIT_ALLOW; /* a refused request may be undigestible */
    if (i->purpose == PERMIT_CRL ? !no_request : (needs_request && no_request) || !no_crl) {
        return diag_set(diag, CH_INVALID, "item", "item.fields",
                        "fields of the other purpose are filled, or the request digest is missing");
    }
    return CH_OK;
}

enum chancery_err permit_item_write(const struct permit_item *i, struct buf *out)
{
    TRY(check_item(i, NULL));
    TRY(buf_add_str(out, CANON_ITEM));
    TRY(buf_add_u8(out, (uint8_t)i->purpose));
    TRY(buf_add_u8(out, (uint8_t)i->verdict));
    TRY(canon_put_digest(out, i->issuer_spki_sha256));
    TRY(canon_put_digest(out, i->tbs_sha256));
    TRY(canon_put_digest(out, i->request_digest));
    TRY(canon_put_digest(out, i->rules_sha256));
    TRY(buf_add_u32be(out, i->crl_shard));
    TRY(buf_add_u64be(out, i->crl_number));
    return canon_put_i64(out, i->crl_this_update_s);
}

enum chancery_err permit_item_read(struct slice bytes, struct permit_item *out, struct diag *diag)
{
    struct canon_reader r = canon_open(bytes, CANON_ITEM);
    struct permit_item i = {.purpose = (enum permit_purpose)canon_u8(&r)};
    i.verdict = (enum permit_verdict)canon_u8(&r);
    canon_digest(&r, i.issuer_spki_sha256);
    canon_digest(&r, i.tbs_sha256);
    canon_digest(&r, i.request_digest);
    canon_digest(&r, i.rules_sha256);
    i.crl_shard = canon_u32(&r);
    i.crl_number = canon_u64(&r);
    i.crl_this_update_s = canon_i64(&r);
    TRY(canon_finish(&r, "item.format", diag));
    TRY(check_item(&i, diag));
    *out = i;
    return CH_OK;
}

void permit_item_id(struct slice item_bytes, uint8_t out[PERMIT_DIGEST])
{
    crypto_sha256(item_bytes, out);
}

enum chancery_err permit_write(const struct permit *p, struct buf *out)
{
    if (p->n == 0 || p->n > PERMIT_BATCH_MAX || p->expires_at_s < 0) {
        return CH_INVALID;
    }
    TRY(buf_add_str(out, CANON_PERMIT));
    TRY(canon_put_digest(out, p->bundle_sha256));
    TRY(canon_put_i64(out, p->expires_at_s));
    TRY(buf_add_u32be(out, p->n));
    return canon_put_digest(out, p->root);
}

enum chancery_err permit_read(struct slice bytes, struct permit *out, struct diag *diag)
{
    struct canon_reader r = canon_open(bytes, CANON_PERMIT);
    struct permit p = {0};
    canon_digest(&r, p.bundle_sha256);
    p.expires_at_s = canon_i64(&r);
    p.n = canon_u32(&r);
    canon_digest(&r, p.root);
    TRY(canon_finish(&r, "permit.format", diag));
    if (p.n == 0 || p.n > PERMIT_BATCH_MAX || p.expires_at_s < 0) {
        return diag_set(diag, CH_INVALID, "permit", "permit.range",
                        "a permit has 1 to %d items and a time after 1970", PERMIT_BATCH_MAX);
    }
    *out = p;
    return CH_OK;
}

/* ---- RFC 6962 2.1 tree hash ---- */

#define LEAF_INLINE 512 /* items are 174 octets; longer ones are hashed in pieces */

static void leaf_hash(struct slice item, uint8_t out[PERMIT_DIGEST])
{
    uint8_t b[1 + LEAF_INLINE];
    b[0] = 0x00;
    if (item.len <= LEAF_INLINE) {
        if (item.len > 0) {
            memcpy(b + 1, item.ptr, item.len);
        }
        crypto_sha256(slice_of(b, item.len + 1), out);
        return;
    }
    struct crypto_hasher *h = crypto_hasher_new(CRYPTO_HASH_SHA256);
    crypto_hasher_update(h, slice_of(b, 1));
    crypto_hasher_update(h, item);
    crypto_hasher_final(h, out);
    crypto_hasher_free(h);
}

/* Recursion depth: log2(n). */
static void subtree(const struct slice *items, size_t n, uint8_t out[PERMIT_DIGEST])
{
    if (n == 1) {
        leaf_hash(items[0], out);
        return;
    }
    size_t k = 1;
    while (k < n - k) {
        k *= 2;
    }
    uint8_t b[1 + 2 * PERMIT_DIGEST];
    b[0] = 0x01;
    subtree(items, k, b + 1);
    subtree(items + k, n - k, b + 1 + PERMIT_DIGEST);
    crypto_sha256(slice_of(b, sizeof b), out);
}

void permit_root(const struct slice *items, size_t n, uint8_t out[PERMIT_DIGEST])
{
    if (n == 0) {
        crypto_sha256(slice_of(NULL, 0), out);
        return;
    }
    subtree(items, n, out);
}

enum chancery_err permit_check(struct slice permit_bytes, struct slice signature,
                               struct crypto_public *const *keys, size_t n_keys,
                               const struct slice *items, size_t n_items, int64_t now_s,
                               struct permit *out, struct diag *diag)
{
    struct permit p;
    TRY(canon_verify(permit_bytes, signature, keys, n_keys, "permit.signature", diag));
    TRY(permit_read(permit_bytes, &p, diag));
    if (p.expires_at_s <= now_s) {
        return diag_set(diag, CH_PRECONDITION, "permit.expires_at_s", "permit.expired",
                        "the permit expired; ask policy again");
    }
    if (p.expires_at_s - PERMIT_TTL_S - CANON_SKEW_S > now_s) {
        return diag_set(diag, CH_PRECONDITION, "permit.expires_at_s", "permit.life",
                        "the permit lives longer than %d seconds; compare the clocks",
                        PERMIT_TTL_S);
    }
    if (p.n != n_items) {
        return diag_set(diag, CH_INVALID, "permit.items", "permit.items",
                        "the permit has %u items, %zu came with it", (unsigned)p.n, n_items);
    }
    uint8_t root[PERMIT_DIGEST];
    permit_root(items, n_items, root);
    if (memcmp(root, p.root, sizeof root) != 0) {
        return diag_set(diag, CH_INVALID, "permit.items", "permit.root",
                        "these are not the items that the permit was signed over");
    }
    *out = p;
    return CH_OK;
}
