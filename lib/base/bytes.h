/* Byte strings: borrowed slices, growing buffers with a maximum, arenas, hex and base64.
 *
 * struct slice is passed by value and never owns. struct buf owns and never grows past its
 * maximum. struct arena hands out memory that lives until the arena is reset or cleared; one arena
 * per request, no secrets in it. None of these is safe to share between threads. */
#ifndef CHANCERY_BASE_BYTES_H
#define CHANCERY_BASE_BYTES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"

struct slice {
    const uint8_t *ptr;
    size_t len;
};

/* slice_of wraps `len` bytes at `ptr`. */
static inline struct slice slice_of(const void *ptr, size_t len)
{
    return (struct slice){(const uint8_t *)ptr, len};
}

/* slice_str wraps a NUL-terminated string without its NUL; NULL gives an empty slice. */
static inline struct slice slice_str(const char *s)
{
    return (struct slice){(const uint8_t *)s, s == NULL ? 0 : strlen(s)};
}

/* slice_eq compares contents. Not constant time: see secret_eq for secrets. */
static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* slice_cmp orders by bytes, then by length (memcmp order). */
int slice_cmp(struct slice a, struct slice b);

/* slice_sub returns bytes [from, from+len) of `s`, cut to what exists. */
struct slice slice_sub(struct slice s, size_t from, size_t len);

/* slice_has_nul says whether a NUL byte stands inside. */
static inline bool slice_has_nul(struct slice s)
{
    return s.len > 0 && memchr(s.ptr, 0, s.len) != NULL;
}

/* slice_is_utf8 says whether `s` is well-formed UTF-8 (RFC 3629: no surrogates, shortest form). */
bool slice_is_utf8(struct slice s);

/* ---- arena ---- */

struct arena_block;
struct arena {
    struct arena_block *head;
    size_t used, max; /* bytes handed out; limit, 0 = ARENA_DEFAULT_MAX */
};
#define ARENA_DEFAULT_MAX ((size_t)64 << 20)

/* arena_init prepares an arena that hands out at most `max` bytes (0: 64 MiB). */
void arena_init(struct arena *a, size_t max);

/* arena_alloc returns `size` zeroed bytes aligned to 16, NULL when the limit or memory is reached.
 */
void *arena_alloc(struct arena *a, size_t size);

/* arena_copy returns a copy of `s` followed by a NUL byte (not counted), NULL when out of memory.
 */
uint8_t *arena_copy(struct arena *a, struct slice s);

/* arena_str returns a NUL-terminated copy of `s`. The caller has checked that it holds no NUL. */
char *arena_str(struct arena *a, struct slice s);

/* arena_printf returns a formatted string in the arena, NULL when out of memory. */
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* arena_reset takes back everything, keeping the first block for reuse. */
void arena_reset(struct arena *a);

/* arena_clear frees everything; an all-zero arena is safe to clear. */
void arena_clear(struct arena *a);

/* ---- buf ---- */

struct buf {
    uint8_t *ptr;
    size_t len, cap, max;
};

/* buf_init prepares an empty buffer that never grows past `max` bytes. Nothing is allocated. */
void buf_init(struct buf *b, size_t max);

/* buf_clear frees; an all-zero buf is safe to clear. */
void buf_clear(struct buf *b);

/* buf_reset empties, keeping memory. */
static inline void buf_reset(struct buf *b)
{
    b->len = 0;
}

/* buf_reserve makes room for `more` bytes past len. CH_LIMIT past max, CH_NOMEM. */
enum chancery_err buf_reserve(struct buf *b, size_t more) MUST_CHECK;

/* buf_add appends bytes. CH_LIMIT past max (nothing appended), CH_NOMEM. */
enum chancery_err buf_add(struct buf *b, struct slice s) MUST_CHECK;
enum chancery_err buf_add_str(struct buf *b, const char *s) MUST_CHECK;
enum chancery_err buf_add_u8(struct buf *b, uint8_t v) MUST_CHECK;
enum chancery_err buf_add_u16be(struct buf *b, uint16_t v) MUST_CHECK;
enum chancery_err buf_add_u32be(struct buf *b, uint32_t v) MUST_CHECK;
enum chancery_err buf_add_u64be(struct buf *b, uint64_t v) MUST_CHECK;
enum chancery_err buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3) MUST_CHECK;

/* buf_slice borrows the content; invalid after the next buf_add. */
static inline struct slice buf_slice(const struct buf *b)
{
    return slice_of(b->ptr, b->len);
}

/* ---- text encodings ---- */

/* hex_encode writes 2*len lower-case digits and a NUL to `out` (size >= 2*len+1). */
void hex_encode(struct slice s, char *out);

/* hex_decode reads exactly `hex` (even length, either case) into `out` of `cap` bytes. */
enum chancery_err hex_decode(struct slice hex, uint8_t *out, size_t cap,
                             size_t *out_len) MUST_CHECK;

/* base64_encode appends standard padded base64 (RFC 4648 4) without line breaks. */
enum chancery_err base64_encode(struct slice s, struct buf *out) MUST_CHECK;

/* base64_decode appends the bytes of canonical padded base64: no white space, no missing padding,
 * unused bits zero. CH_MALFORMED otherwise. */
enum chancery_err base64_decode(struct slice text, struct buf *out) MUST_CHECK;

#endif
