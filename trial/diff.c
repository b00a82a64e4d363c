/* Facts compared, changes put in words, the same change of many requesters told once. */
#include "trial/diff.h"

#include <stdio.h>
#include <stdlib.h>

#include "trial/diff_words.h"
#include "trial/words.h"

#define MEMORY ((size_t)512 << 20)
#define WORDS_MAX ((size_t)(3 * 65536))
#define NAMES_SHOWN 5
#define ENTRIES_SHOWN 20 /* changes of one long list, told one by one */

struct diff {
    const struct trial_facts *was, *is;
    struct trial_differences *out;
    size_t cap;
};

const char *trial_effect_name(enum trial_effect e)
{
    return e == TRIAL_EFFECT_WIDER ? "wider" : e == TRIAL_EFFECT_NARROWER ? "narrower" : "other";
}

static enum chancery_err add(struct diff *d, const struct trial_fact *at, const char *words,
                             enum trial_effect effect)
{
    struct trial_differences *out = d->out;
    if (words == NULL) {
        return CH_NOMEM;
    }
    if (out->n == d->cap) {
        size_t cap = d->cap == 0 ? 256 : d->cap * 2;
        struct trial_difference *list = realloc(out->list, cap * sizeof *list);
        if (list == NULL) {
            return CH_NOMEM;
        }
        out->list = list;
        d->cap = cap;
    }
    struct arena *a = &out->arena;
    struct trial_difference x = {.section = arena_str(a, slice_str(at->section)),
                                 .key = arena_str(a, slice_str(at->key)),
                                 .words = words,
                                 .source = arena_str(a, slice_str(at->source)),
                                 .effect = effect,
                                 .sections = "",
                                 .count = 1};
    out->list[out->n++] = x;
    return x.section == NULL || x.key == NULL || x.source == NULL ? CH_NOMEM : CH_OK;
}

static enum trial_effect effect_of(int direction)
{
    return direction > 0   ? TRIAL_EFFECT_WIDER
           : direction < 0 ? TRIAL_EFFECT_NARROWER
                           : TRIAL_EFFECT_OTHER;
}

/* ---- one fact against another ---- */

static bool number_of(const char *text, int64_t *out)
{
    /* Words of durations have blanks: "90 d"; what lib/conf reads has none. */
    char compact[64];
    size_t n = 0;
    for (const char *p = text; *p != '\0' && n + 1 < sizeof compact; p++) {
        if (*p != ' ') {
            compact[n++] = *p;
        }
        if (strncmp(p, "min", 3) == 0) {
            p += 2; /* "min" is the letter m */
        }
    }
    compact[n] = '\0';
    if (trial_words_duration_read(compact, out)) {
        return true;
    }
    char *end;
    *out = strtoll(compact, &end, 10);
    return compact[0] != '\0' && *end == '\0';
}

/* +1 when the value grew, -1 when it fell, 0 when that cannot be said. */
static int growth(const char *was, const char *is)
{
    int64_t a, b;
    if (was == NULL || is == NULL || !number_of(was, &a) || !number_of(is, &b)) {
        return 0;
    }
    return b > a ? 1 : b < a ? -1 : 0;
}

static enum chancery_err value_changed(struct diff *d, const struct trial_fact *at,
                                       const struct trial_phrase *p, const char *was,
                                       const char *is)
{
    struct arena *a = &d->out->arena;
    const char *noun = p->noun == NULL ? at->key : p->noun;
    if (strncmp(at->key, "lints.severity.", 15) == 0) {
        return add(d, at, arena_printf(a, "lint %s: %s to %s", at->key + 15, was, is),
                   TRIAL_EFFECT_OTHER);
    }
    if (p->form == TRIAL_FORM_FLAG) {
        bool on = strcmp(is, "true") == 0;
        return add(d, at,
                   on ? arena_printf(a, "now: %s", noun) : arena_printf(a, "no longer: %s", noun),
                   effect_of(on ? p->more : -p->more));
    }
    if (strcmp(at->key, "names.dns.wildcard_depth") == 0 &&
        (strcmp(was, "0") == 0 || strcmp(is, "0") == 0)) {
        bool on = strcmp(was, "0") == 0;
        return add(d, at,
                   on ? arena_printf(a, "wildcards now allowed, %s deep", is)
                      : arena_str(a, slice_str("wildcards no longer allowed")),
                   on ? TRIAL_EFFECT_WIDER : TRIAL_EFFECT_NARROWER);
    }
    return add(d, at, arena_printf(a, "%s %s to %s", noun, was, is),
               effect_of(growth(was, is) * p->more));
}

static enum chancery_err entry_changed(struct diff *d, const struct trial_fact *at,
                                       const struct trial_phrase *p, bool added)
{
    static const char *const words[][2] = {
        [TRIAL_FORM_VALUE] = {"no longer there", "added"},
        [TRIAL_FORM_ALLOWED] = {"no longer allowed", "now allowed"},
        [TRIAL_FORM_NEEDED] = {"no longer needed", "now needed"},
        [TRIAL_FORM_CONTENT] = {"no longer in it", "now in it"},
        [TRIAL_FORM_FLAG] = {"no longer there", "added"},
    };
    const char *noun = p->noun == NULL ? at->key : p->noun;
    struct arena *a = &d->out->arena;
    const char *text = p->form == TRIAL_FORM_NEEDED && strcmp(at->key, "approvals") == 0
                           ? arena_printf(a, "approvals %s: %s", words[p->form][added], at->value)
                           : arena_printf(a, "%s %s %s", noun, at->value, words[p->form][added]);
    return add(d, at, text, effect_of(added ? p->more : -p->more));
}

/* ---- one key ---- */

/* Facts of one section and key. */
struct group {
    const struct trial_fact *at;
    size_t n;
};

static size_t group_end(const struct trial_facts *f, size_t i)
{
    size_t k = i + 1;
    while (k < f->n && strcmp(f->list[k].section, f->list[i].section) == 0 &&
           strcmp(f->list[k].key, f->list[i].key) == 0) {
        k++;
    }
    return k;
}

/* What only one side of two sorted lists has; `tell` says it or only counts. */
static enum chancery_err entries(struct diff *d, struct group was, struct group is,
                                 const struct trial_phrase *p, bool tell, size_t counts[2])
{
    size_t i = 0, k = 0;
    while (i < was.n || k < is.n) {
        int c = i == was.n ? 1 : k == is.n ? -1 : strcmp(was.at[i].value, is.at[k].value);
        if (c != 0) {
            counts[c > 0]++;
            TRY(tell ? entry_changed(d, c > 0 ? &is.at[k] : &was.at[i], p, c > 0) : CH_OK);
        }
        i += c <= 0 ? 1 : 0;
        k += c >= 0 ? 1 : 0;
    }
    return CH_OK;
}

static enum chancery_err list_changed(struct diff *d, struct group was, struct group is,
                                      const struct trial_phrase *p)
{
    size_t counts[2] = {0, 0};
    struct trial_fact standard = {.key = p->key, .value = p->otherwise, .source = "engine"};
    const struct trial_fact *any = is.n > 0 ? is.at : was.at;
    standard.section = any->section;
    if (p->otherwise != NULL && was.n == 0) {
        was = (struct group){&standard, 1};
    } else if (p->otherwise != NULL && is.n == 0) {
        is = (struct group){&standard, 1};
    }
    TRY(entries(d, was, is, p, false, counts));
    if (counts[0] + counts[1] <= ENTRIES_SHOWN) {
        counts[0] = counts[1] = 0;
        return entries(d, was, is, p, true, counts);
    }
    const char *noun = p->noun == NULL ? any->key : p->noun;
    return add(d, any,
               arena_printf(&d->out->arena, "%s: %zu entries added, %zu removed", noun, counts[1],
                            counts[0]),
               effect_of(counts[0] == 0   ? p->more
                         : counts[1] == 0 ? -p->more
                                          : 0));
}

static bool same_values(struct group was, struct group is)
{
    if (was.n != is.n) {
        return false;
    }
    for (size_t i = 0; i < was.n; i++) {
        if (strcmp(was.at[i].value, is.at[i].value) != 0) {
            return false;
        }
    }
    return true;
}

/* The order of rows is told only where the rows are the same: else the rows are told. */
static bool order_alone(const struct diff *d, const struct trial_fact *at)
{
    size_t n = strlen(at->key), a = 0, b = 0;
    char key[256];
    if (n < 7 || strcmp(at->key + n - 6, ":order") != 0) {
        return true;
    }
    (void)snprintf(key, sizeof key, "%.*s", (int)(n - 6), at->key);
    const struct trial_fact *x = trial_facts_find(d->was, at->section, key, &a);
    const struct trial_fact *y = trial_facts_find(d->is, at->section, key, &b);
    return same_values((struct group){x, a}, (struct group){y, b});
}

static enum chancery_err key_changed(struct diff *d, struct group was, struct group is)
{
    const struct trial_fact *any = is.n > 0 ? is.at : was.at;
    const struct trial_phrase *p = trial_phrase_of(any->key);
    if (same_values(was, is) || !order_alone(d, any)) {
        return CH_OK;
    }
    if (any->member) {
        return list_changed(d, was, is, p);
    }
    if (strcmp(any->key, "content") == 0) {
        return add(d, any, arena_str(&d->out->arena, slice_str("changed")), TRIAL_EFFECT_OTHER);
    }
    const char *otherwise = p->otherwise == NULL ? "none" : p->otherwise;
    const char *a = was.n > 0 ? was.at->value : otherwise;
    const char *b = is.n > 0 ? is.at->value : otherwise;
    return strcmp(a, b) == 0 ? CH_OK : value_changed(d, any, p, a, b);
}

/* ---- sections ---- */

static size_t section_end(const struct trial_facts *f, size_t i)
{
    size_t k = i + 1;
    while (k < f->n && strcmp(f->list[k].section, f->list[i].section) == 0) {
        k++;
    }
    return k;
}

static enum chancery_err section_both(struct diff *d, size_t i, size_t i_end, size_t k,
                                      size_t k_end)
{
    while (i < i_end || k < k_end) {
        int c = i == i_end ? 1 : k == k_end ? -1 : strcmp(d->was->list[i].key, d->is->list[k].key);
        struct group was = {NULL, 0}, is = {NULL, 0};
        if (c <= 0) {
            size_t e = group_end(d->was, i);
            was = (struct group){&d->was->list[i], e - i};
            i = e;
        }
        if (c >= 0) {
            size_t e = group_end(d->is, k);
            is = (struct group){&d->is->list[k], e - k};
            k = e;
        }
        TRY(key_changed(d, was, is));
    }
    return CH_OK;
}

static bool begins(const char *s, const char *head)
{
    return strncmp(s, head, strlen(head)) == 0;
}

/* A section that only one side has: one line, not one for each of its keys. */
static enum chancery_err section_one(struct diff *d, const struct trial_fact *at, bool added)
{
    struct trial_fact whole = *at;
    whole.key = "";
    bool grants = begins(at->section, "profile ") || begins(at->section, "requester ");
    return add(d, &whole, arena_str(&d->out->arena, slice_str(added ? "added" : "removed")),
               grants ? effect_of(added ? 1 : -1) : TRIAL_EFFECT_OTHER);
}

static enum chancery_err compare(struct diff *d)
{
    size_t i = 0, k = 0;
    while (i < d->was->n || k < d->is->n) {
        int c = i == d->was->n  ? 1
                : k == d->is->n ? -1
                                : strcmp(d->was->list[i].section, d->is->list[k].section);
        size_t i_end = c <= 0 ? section_end(d->was, i) : i;
        size_t k_end = c >= 0 ? section_end(d->is, k) : k;
        if (c != 0) {
            TRY(section_one(d, c < 0 ? &d->was->list[i] : &d->is->list[k], c > 0));
        } else {
            TRY(section_both(d, i, i_end, k, k_end));
        }
        i = i_end;
        k = k_end;
    }
    return CH_OK;
}

/* ---- the same change of many requesters ---- */

static int by_words(const void *a, const void *b)
{
    const struct trial_difference *x = a, *y = b;
    bool rx = begins(x->section, "requester "), ry = begins(y->section, "requester ");
    if (rx != ry) {
        return rx ? 1 : -1; /* requesters last */
    }
    int c = rx ? strcmp(x->words, y->words) : 0;
    c = c == 0 && rx ? strcmp(x->key, y->key) : c;
    c = c == 0 ? strcmp(x->section, y->section) : c;
    c = c == 0 ? strcmp(x->key, y->key) : c;
    return c == 0 ? strcmp(x->words, y->words) : c;
}

static enum chancery_err merge(struct trial_differences *out, size_t from, size_t to, size_t at)
{
    struct buf names CLEANUP(buf_clear);
    buf_init(&names, WORDS_MAX);
    for (size_t i = from; i < to && i < from + NAMES_SHOWN; i++) {
        TRY(buf_printf(&names, "%s%s", i == from ? "" : ", ",
                       out->list[i].section + strlen("requester ")));
    }
    TRY(to > from + NAMES_SHOWN ? buf_add_str(&names, ", ...") : CH_OK);
    struct trial_difference x = out->list[from];
    x.count = to - from;
    x.section = arena_printf(&out->arena, "%zu requesters", x.count);
    x.sections = arena_str(&out->arena, buf_slice(&names));
    out->list[at] = x;
    return x.section == NULL || x.sections == NULL ? CH_NOMEM : CH_OK;
}

static enum chancery_err gather(struct trial_differences *out)
{
    size_t kept = 0;
    if (out->n > 1) {
        qsort(out->list, out->n, sizeof *out->list, by_words);
    }
    for (size_t i = 0; i < out->n;) {
        size_t end = i + 1;
        while (end < out->n && begins(out->list[i].section, "requester ") &&
               begins(out->list[end].section, "requester ") &&
               strcmp(out->list[end].words, out->list[i].words) == 0 &&
               strcmp(out->list[end].key, out->list[i].key) == 0) {
            end++;
        }
        if (end - i > 1) {
            TRY(merge(out, i, end, kept));
        } else {
            out->list[kept] = out->list[i];
        }
        kept++;
        i = end;
    }
    out->n = kept;
    return CH_OK;
}

enum chancery_err trial_diff(const struct trial_facts *was, const struct trial_facts *is,
                             struct trial_differences *out)
{
    struct diff d = {.was = was, .is = is, .out = out};
    *out = (struct trial_differences){.n = 0};
    arena_init(&out->arena, MEMORY);
    enum chancery_err err = compare(&d);
    if (err == CH_OK) {
        err = gather(out);
    }
    if (err != CH_OK) {
        trial_differences_clear(out);
    }
    return err;
}

void trial_differences_clear(struct trial_differences *d)
{
    free(d->list);
    arena_clear(&d->arena);
    *d = (struct trial_differences){.n = 0};
}
