/* Blocklists of a bundle: reading, sorting, looking up. */
#include "policy/blocklists.h"

#include <stdio.h>
#include <stdlib.h>

#include "policy/policy_int.h"

/* ---- reading ---- */

struct reading {
    const char *path;
    struct diag *diag;
    struct slice rest;
    size_t line;
    struct slice text; /* of the line, without its end */
};

static bool next_line(struct reading *r)
{
    if (r->rest.len == 0) {
        return false;
    }
    const uint8_t *end = memchr(r->rest.ptr, '\n', r->rest.len);
    size_t n = end == NULL ? r->rest.len : (size_t)(end - r->rest.ptr);
    r->text = slice_of(r->rest.ptr, n);
    r->rest = slice_sub(r->rest, n + 1, r->rest.len);
    r->line++;
    return true;
}

static enum chancery_err refuse(const struct reading *r, enum chancery_err err, size_t column,
                                const char *rule, const char *why)
{
    char where[192];
    (void)snprintf(where, sizeof where, "%.128s:%zu:%zu", r->path, r->line, column);
    return diag_set(r->diag, err, where, rule, "%s", why);
}

static bool is_hex(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* What a line holds: 0 nothing, else the octets of its hash. */
static enum chancery_err line_kind(const struct reading *r, size_t *octets)
{
    *octets = 0;
    if (r->text.len == 0 || r->text.ptr[0] == '#') {
        return CH_OK;
    }
    for (size_t i = 0; i < r->text.len; i++) {
        if (!is_hex(r->text.ptr[i])) {
            return refuse(r, CH_INVALID, i + 1, "policy.blocklist",
                          r->text.ptr[i] == '\r'
                              ? "the line ends in CR LF; lines end in LF"
                              : "no hex digit; a comment begins with # in the first column");
        }
    }
    if (r->text.len == 64 || r->text.len == 20) {
        *octets = r->text.len / 2;
        return CH_OK;
    }
    return refuse(r, CH_INVALID, r->text.len + 1, "policy.blocklist",
                  r->text.len == 40
                      ? "40 hex digits; of the SHA-1 of a modulus the last 20 are written, and of "
                        "any key the SHA-256 of its SubjectPublicKeyInfo (64)"
                      : "a line has 64 hex digits (SHA-256 of a SubjectPublicKeyInfo) or 20 (end "
                        "of the SHA-1 of a modulus)");
}

static enum chancery_err count_lines(const struct policy_file *f, size_t *keys, size_t *moduli,
                                     struct diag *diag)
{
    struct reading r = {f->path, diag, f->content, 0, {NULL, 0}};
    while (next_line(&r)) {
        size_t octets;
        TRY(line_kind(&r, &octets));
        *keys += octets == 32 ? 1 : 0;
        *moduli += octets == POLICY_MODULUS_TAIL ? 1 : 0;
        if (*keys + *moduli > POLICY_BLOCKLIST_LINES) {
            return refuse(&r, CH_LIMIT, 1, "policy.blocklist",
                          "more than 1,000,000 keys in one list; divide it into several");
        }
    }
    return CH_OK;
}

static enum chancery_err fill(const struct policy_file *f, uint8_t (*keys)[32],
                              uint8_t (*moduli)[POLICY_MODULUS_TAIL])
{
    struct reading r = {f->path, NULL, f->content, 0, {NULL, 0}};
    size_t k = 0, m = 0, octets, n;
    while (next_line(&r)) {
        TRY(line_kind(&r, &octets));
        if (octets == 32) {
            TRY(hex_decode(r.text, keys[k++], 32, &n));
        } else if (octets == POLICY_MODULUS_TAIL) {
            TRY(hex_decode(r.text, moduli[m++], POLICY_MODULUS_TAIL, &n));
        }
    }
    return CH_OK;
}

static int by_key(const void *a, const void *b)
{
    return memcmp(a, b, 32);
}

static int by_modulus(const void *a, const void *b)
{
    return memcmp(a, b, POLICY_MODULUS_TAIL);
}

/* The name of "blocklists/NAME.txt". */
static struct slice list_name(const char *path)
{
    struct slice s = slice_str(path + strlen("blocklists/"));
    return slice_sub(s, 0, s.len - strlen(".txt"));
}

enum chancery_err policy_blocklist_compile(struct policy_bundle *b, const struct policy_file *f,
                                           struct diag *diag)
{
    struct policy_blocklists *all = &b->blocklists;
    size_t n_keys = 0, n_moduli = 0;
    if (!policy_compile_name_ok(list_name(f->path))) {
        return diag_set(diag, CH_INVALID, f->path, "policy.name",
                        "the name of a blocklist must be 1 to 64 of a-z 0-9 - .");
    }
    if (all->n == POLICY_BLOCKLISTS_MAX) {
        return diag_set(diag, CH_LIMIT, f->path, "policy.blocklist", "more than %d blocklists",
                        POLICY_BLOCKLISTS_MAX);
    }
    TRY(count_lines(f, &n_keys, &n_moduli, diag));
    struct policy_blocklist *l = &all->at[all->n];
    uint8_t(*keys)[32] = arena_alloc(&b->arena, (n_keys + 1) * sizeof *keys);
    uint8_t(*moduli)[POLICY_MODULUS_TAIL] = arena_alloc(&b->arena, (n_moduli + 1) * sizeof *moduli);
    l->name = arena_str(&b->arena, list_name(f->path));
    l->source = arena_str(&b->arena, slice_str(f->path));
    if (keys == NULL || moduli == NULL || l->name == NULL || l->source == NULL) {
        return CH_NOMEM;
    }
    TRY(fill(f, keys, moduli));
    qsort(keys, n_keys, sizeof *keys, by_key);
    qsort(moduli, n_moduli, sizeof *moduli, by_modulus);
    l->keys = (const uint8_t(*)[32])keys;
    l->n_keys = n_keys;
    l->moduli = (const uint8_t(*)[POLICY_MODULUS_TAIL])moduli;
    l->n_moduli = n_moduli;
    all->moduli = all->moduli || n_moduli > 0;
    all->n++;
    return CH_OK;
}

/* ---- which of them hold ---- */

enum chancery_err policy_blocklists_chosen(struct policy_bundle *b, const struct conf_node *root,
                                           struct policy_profile *p, struct diag *diag)
{
    struct policy_list names = {NULL, 0};
    const struct conf_node *at = conf_get(root, "blocklists");
    p->blocklists = ~(uint64_t)0;
    p->blocklists_source = policy_compile_source(b, at == NULL ? root : at);
    if (p->blocklists_source == NULL) {
        return CH_NOMEM;
    }
    if (at == NULL) {
        return CH_OK;
    }
    TRY(policy_compile_list(b, root, "blocklists", CONF_REQUIRED, true, policy_compile_name_ok,
                            &names, diag));
    p->blocklists = 0;
    for (size_t i = 0; i < names.n; i++) {
        size_t k = 0;
        while (k < b->blocklists.n && !slice_eq(names.at[i], slice_str(b->blocklists.at[k].name))) {
            k++;
        }
        if (k == b->blocklists.n) {
            return conf_error(at, CH_INVALID, "policy.value", diag,
                              "there is no blocklists/%.64s.txt in this bundle",
                              (const char *)names.at[i].ptr);
        }
        p->blocklists |= (uint64_t)1 << k;
    }
    return CH_OK;
}

/* ---- looking up ---- */

const struct policy_blocklist *policy_blocklist_key(const struct policy_blocklists *l,
                                                    uint64_t mask, const uint8_t sha256[32])
{
    for (size_t i = 0; i < l->n; i++) {
        const struct policy_blocklist *list = &l->at[i];
        if ((mask >> i & 1) != 0 && list->n_keys > 0 &&
            bsearch(sha256, list->keys, list->n_keys, 32, by_key) != NULL) {
            return list;
        }
    }
    return NULL;
}

const struct policy_blocklist *policy_blocklist_modulus(const struct policy_blocklists *l,
                                                        uint64_t mask, struct slice n)
{
    static const char digits[] = "0123456789ABCDEF";
    char text[8 + 2 * 2048 + 1] = "Modulus="; /* 16,384 bits, the longest key that can be read */
    uint8_t sha1[20];
    size_t at = 8;
    while (n.len > 0 && n.ptr[0] == 0) {
        n = slice_sub(n, 1, n.len);
    }
    if (!l->moduli || n.len == 0 || n.len > 2048) {
        return NULL;
    }
    for (size_t i = 0; i < n.len; i++) {
        text[at++] = digits[n.ptr[i] >> 4];
        text[at++] = digits[n.ptr[i] & 15];
    }
    text[at++] = '\n';
    crypto_digest(CRYPTO_HASH_SHA1, slice_of(text, at), sha1);
    for (size_t i = 0; i < l->n; i++) {
        const struct policy_blocklist *list = &l->at[i];
        if ((mask >> i & 1) != 0 && list->n_moduli > 0 &&
            bsearch(sha1 + 10, list->moduli, list->n_moduli, POLICY_MODULUS_TAIL, by_modulus) !=
                NULL) {
            return list;
        }
    }
    return NULL;
}
