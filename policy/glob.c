/* Globs. */
#include "policy/glob.h"

#include "policy/text.h"

/* Octets of the character that starts at s[at]; `s` is valid UTF-8. */
static size_t character(struct slice s, size_t at)
{
    size_t n = 1;
    while (at + n < s.len && (s.ptr[at + n] & 0xc0) == 0x80) {
        n++;
    }
    return n;
}

bool policy_glob_ok(struct slice pattern)
{
    return pattern.len > 0 && pattern.len <= POLICY_GLOB_MAX && policy_text_clean(pattern);
}

bool policy_glob_match(struct slice pattern, struct slice s)
{
    size_t p = 0, at = 0;
    size_t star = SIZE_MAX, resume = 0; /* the last '*', and where what follows it was tried */
    while (at < s.len) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            star = p++;
            resume = at;
        } else if (p < pattern.len && pattern.ptr[p] == '?') {
            at += character(s, at);
            p++;
        } else if (p < pattern.len && pattern.ptr[p] == s.ptr[at]) {
            at++;
            p++;
        } else if (star != SIZE_MAX) {
            /* Pieces before the last '*' stay where they first fitted: later places cannot help. */
            resume += character(s, resume);
            at = resume;
            p = star + 1;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*') {
        p++;
    }
    return p == pattern.len;
}

/* ---- paths ---- */

/* Takes "/segment" off the front; false when there is none. */
static bool next_segment(struct slice *path, struct slice *segment)
{
    if (path->len == 0 || path->ptr[0] != '/') {
        return false;
    }
    size_t n = 1;
    while (n < path->len && path->ptr[n] != '/') {
        n++;
    }
    *segment = slice_of(path->ptr + 1, n - 1);
    *path = slice_sub(*path, n, path->len);
    return true;
}

static bool is_rest(struct slice segment)
{
    return slice_eq(segment, slice_of("**", 2));
}

static bool segment_ok(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              (c != 0 && strchr(".-_*?", c) != NULL))) {
            return false;
        }
    }
    return s.len > 0 && memmem(s.ptr, s.len, "**", 2) == NULL;
}

bool policy_glob_path_ok(struct slice pattern)
{
    struct slice segment;
    if (pattern.len == 0 || pattern.len > POLICY_GLOB_MAX) {
        return false;
    }
    while (pattern.len > 0) {
        if (!next_segment(&pattern, &segment) ||
            !(segment_ok(segment) || (is_rest(segment) && pattern.len == 0))) {
            return false;
        }
    }
    return true;
}

bool policy_glob_path(struct slice pattern, struct slice path)
{
    struct slice want, got;
    while (next_segment(&pattern, &want)) {
        if (!next_segment(&path, &got)) {
            return false;
        }
        if (is_rest(want)) {
            return true;
        }
        if (!policy_glob_match(want, got)) {
            return false;
        }
    }
    return path.len == 0;
}
