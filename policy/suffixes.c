/* The list of public suffixes. */
#include "policy/suffixes.h"

#include <libpsl.h>
#include <stdio.h>

#include "policy/policy_int.h"

#define RULE_MAX 120 /* octets of a line; libpsl has room for 127 */
#define NAME_MAX_OCTETS 253

static const char icann_begin[] = "===BEGIN ICANN DOMAINS===";
static const char icann_end[] = "===END ICANN DOMAINS===";
static const char private_begin[] = "===BEGIN PRIVATE DOMAINS===";
static const char private_end[] = "===END PRIVATE DOMAINS===";

struct reading {
    const char *path;
    struct buf
        *out; /* the rules and marks alone: libpsl would read a long comment's end as a rule */
    unsigned line;
    bool marks[4];
    struct diag *diag;
};

static enum chancery_err refuse(const struct reading *r, const char *why)
{
    char field[300];
    (void)snprintf(field, sizeof field, "%s:%u:1", r->path, r->line);
    return diag_set(r->diag, CH_INVALID, field, "policy.suffixes", "%s", why);
}

static bool holds(struct slice s, const char *text)
{
    return memmem(s.ptr, s.len, text, strlen(text)) != NULL;
}

/* The four marks stand in comments, in this order. */
static enum chancery_err read_comment(struct reading *r, struct slice s)
{
    const char *const marks[] = {icann_begin, icann_end, private_begin, private_end};
    for (size_t i = 0; i < 4; i++) {
        if (!holds(s, marks[i])) {
            continue;
        }
        if (r->marks[i] || (i > 0 && !r->marks[i - 1])) {
            return refuse(r, "a mark of a section stands out of its order");
        }
        r->marks[i] = true;
        TRY(buf_add_str(r->out, "// "));
        TRY(buf_add_str(r->out, marks[i]));
        return buf_add_u8(r->out, '\n');
    }
    return CH_OK;
}

/* A domain in UTF-8, or with "*." or "!" before it (publicsuffix.org/list, Format). */
static bool rule_ok(struct slice s)
{
    if (s.len > 2 && s.ptr[0] == '*' && s.ptr[1] == '.') {
        s = slice_sub(s, 2, s.len);
    } else if (s.len > 1 && s.ptr[0] == '!') {
        s = slice_sub(s, 1, s.len);
    }
    uint8_t before = '.';
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c >= 0x80;
        if (!letter && (c != '.' || before == '.')) {
            return false;
        }
        before = c;
    }
    return s.len > 0 && s.len <= RULE_MAX && before != '.' && policy_text_clean(s);
}

static enum chancery_err read_line(struct reading *r, struct slice s)
{
    while (s.len > 0 && strchr(" \t\r", s.ptr[s.len - 1]) != NULL && s.ptr[s.len - 1] != 0) {
        s.len--;
    }
    if (s.len == 0) {
        return CH_OK;
    }
    if (s.len >= 2 && memcmp(s.ptr, "//", 2) == 0) {
        return read_comment(r, s);
    }
    bool inside = (r->marks[0] && !r->marks[1]) || (r->marks[2] && !r->marks[3]);
    if (!inside) {
        return refuse(r, "a rule stands outside the sections ICANN DOMAINS and PRIVATE DOMAINS");
    }
    if (!rule_ok(s)) {
        return refuse(r,
                      "this is no rule of the public suffix list, such as \"co.uk\" or \"*.ck\"");
    }
    TRY(buf_add(r->out, s));
    return buf_add_u8(r->out, '\n');
}

static enum chancery_err read_all(struct reading *r, struct slice text)
{
    while (text.len > 0) {
        const uint8_t *end = memchr(text.ptr, '\n', text.len);
        size_t n = end == NULL ? text.len : (size_t)(end - text.ptr);
        r->line++;
        TRY(read_line(r, slice_of(text.ptr, n)));
        text = slice_sub(text, n + 1, text.len);
    }
    if (!r->marks[1] || (r->marks[2] && !r->marks[3])) {
        return refuse(r, "the list is cut off: an \"===END ... DOMAINS===\" is missing");
    }
    return CH_OK;
}

static enum chancery_err load(struct policy_bundle *b, struct reading *r)
{
    FILE *f = fmemopen(r->out->ptr, r->out->len, "r");
    if (f == NULL) {
        return CH_NOMEM;
    }
    b->suffixes = psl_load_fp(f);
    (void)fclose(f);
    if (b->suffixes == NULL || psl_suffix_count(b->suffixes) == 0) {
        return refuse(r, "the list holds no rules");
    }
    return CH_OK;
}

enum chancery_err policy_suffixes_compile(struct policy_bundle *b, const struct policy_file *f,
                                          struct diag *diag)
{
    struct buf rules CLEANUP(buf_clear);
    struct reading r = {.path = f->path, .out = &rules, .line = 0, .diag = diag};
    buf_init(&rules, POLICY_SUFFIXES_MAX + 256);
    if (f->content.len > POLICY_SUFFIXES_MAX || !slice_is_utf8(f->content)) {
        r.line = 1;
        return refuse(&r, "the list is UTF-8 of at most 2 MiB");
    }
    TRY(read_all(&r, f->content));
    return load(b, &r);
}

void policy_suffixes_free(struct psl_ctx_st *suffixes)
{
    psl_free(suffixes);
}

/* ---- searching ---- */

static struct slice without_wildcard(struct slice name)
{
    return name.len > 2 && name.ptr[0] == '*' && name.ptr[1] == '.' ? slice_sub(name, 2, name.len)
                                                                    : name;
}

bool policy_suffixes_has(const struct policy_bundle *b, struct slice name,
                         enum policy_suffix_guard guard)
{
    char text[NAME_MAX_OCTETS + 1];
    name = without_wildcard(name);
    if (b->suffixes == NULL || name.len == 0 || name.len > NAME_MAX_OCTETS || slice_has_nul(name)) {
        return true; /* cannot be looked up: not let through */
    }
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';
    int type = guard == POLICY_SUFFIX_ICANN ? PSL_TYPE_ICANN : PSL_TYPE_ANY;
    return psl_is_public_suffix2(b->suffixes, text, type) != 0;
}

bool policy_suffixes_knows(const struct policy_bundle *b, struct slice name)
{
    char text[64];
    while (name.len > 0 && memchr(name.ptr, '.', name.len) != NULL) {
        const uint8_t *dot = memchr(name.ptr, '.', name.len);
        name = slice_sub(name, (size_t)(dot - name.ptr) + 1, name.len);
    }
    if (b->suffixes == NULL) {
        return true;
    }
    if (name.len == 0 || name.len >= sizeof text || slice_has_nul(name)) {
        return false;
    }
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';
    return psl_is_public_suffix2(b->suffixes, text, PSL_TYPE_ICANN | PSL_TYPE_NO_STAR_RULE) != 0;
}
