/* Characters and names. */
#include "policy/text.h"

static uint32_t next_code_point(struct slice *s)
{
    uint8_t c = s->ptr[0];
    size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    uint32_t v = n == 1 ? c : c & (0x7fU >> n);
    for (size_t i = 1; i < n; i++) {
        v = v << 6 | (s->ptr[i] & 0x3fU);
    }
    *s = slice_sub(*s, n, s->len);
    return v;
}

static bool refused_code_point(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) ||    /* controls */
           c == 0xad || c == 0x61c || c == 0x180e || /* soft hyphen, Arabic and Mongolian marks */
           (c >= 0x200b && c <= 0x200f) ||           /* zero width, left-to-right marks */
           (c >= 0x2028 && c <= 0x202e) ||           /* separators, embeddings, overrides */
           (c >= 0x2060 && c <= 0x206f) ||           /* joiners, isolates, deprecated */
           (c >= 0xe000 && c <= 0xf8ff) || c == 0xfeff || /* private use, byte order mark */
           (c >= 0xfff9 && c <= 0xfffb) ||                /* interlinear annotation */
           (c >= 0xfdd0 && c <= 0xfdef) || (c & 0xfffe) == 0xfffe || /* noncharacters */
           c >= 0xe0000;                                             /* tags, planes 15 and 16 */
}

bool policy_text_clean(struct slice s)
{
    if (!slice_is_utf8(s)) {
        return false;
    }
    while (s.len > 0) {
        if (refused_code_point(next_code_point(&s))) {
            return false;
        }
    }
    return true;
}

size_t policy_text_characters(struct slice s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        n += (s.ptr[i] & 0xc0) == 0x80 ? 0 : 1;
    }
    return n;
}

bool policy_text_ascii(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < 0x20 || s.ptr[i] > 0x7e) {
            return false;
        }
    }
    return true;
}

static bool alnum(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool policy_text_printable(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!alnum(s.ptr[i]) && (s.ptr[i] == 0 || strchr(" '()+,-./:=?", s.ptr[i]) == NULL)) {
            return false;
        }
    }
    return true;
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

/* One label: lower-case letters, digits, hyphens inside. */
static bool label_ok(struct slice l, bool a_labels)
{
    if (l.len == 0 || l.len > 63 || l.ptr[0] == '-' || l.ptr[l.len - 1] == '-') {
        return false;
    }
    for (size_t i = 0; i < l.len; i++) {
        uint8_t c = l.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) {
            return false;
        }
    }
    if (l.len >= 4 && l.ptr[2] == '-' && l.ptr[3] == '-') {
        return a_labels && memcmp(l.ptr, "xn", 2) == 0 && l.len > 4;
    }
    return true;
}

static bool numeric(struct slice l)
{
    for (size_t i = 0; i < l.len; i++) {
        if (l.ptr[i] < '0' || l.ptr[i] > '9') {
            return false;
        }
    }
    return true;
}

bool policy_text_dns(struct slice s, bool wildcard, bool a_labels)
{
    if (s.len == 0 || s.len > 253) {
        return false;
    }
    if (wildcard && s.len > 2 && s.ptr[0] == '*' && s.ptr[1] == '.') {
        s = slice_sub(s, 2, s.len);
    }
    for (;;) {
        const uint8_t *dot = memchr(s.ptr, '.', s.len);
        struct slice label = slice_of(s.ptr, dot == NULL ? s.len : (size_t)(dot - s.ptr));
        if (!label_ok(label, a_labels)) {
            return false;
        }
        if (dot == NULL) {
            return !numeric(label);
        }
        s = slice_sub(s, label.len + 1, s.len);
        if (s.len == 0) {
            return false;
        }
    }
}

bool policy_text_under(struct slice s, struct slice domain)
{
    if (domain.len == 0 || s.len < domain.len) {
        return false;
    }
    struct slice tail = slice_sub(s, s.len - domain.len, domain.len);
    for (size_t i = 0; i < domain.len; i++) {
        if (lower(tail.ptr[i]) != lower(domain.ptr[i])) {
            return false;
        }
    }
    return s.len == domain.len || s.ptr[s.len - domain.len - 1] == '.';
}

/* ---- URIs ---- */

struct slice policy_text_uri_host(struct slice uri)
{
    for (size_t i = 0; i + 2 < uri.len; i++) {
        if (memcmp(uri.ptr + i, "://", 3) != 0) {
            continue;
        }
        struct slice rest = slice_sub(uri, i + 3, uri.len);
        size_t n = 0, from = 0;
        while (n < rest.len && strchr("/?#\\", rest.ptr[n]) == NULL) {
            from = rest.ptr[n] == '@' ? n + 1 : from;
            n++;
        }
        struct slice host = slice_of(rest.ptr + from, n - from);
        const uint8_t *port = memchr(host.ptr, ':', host.len);
        if (port != NULL && host.ptr[0] != '[') {
            host.len = (size_t)(port - host.ptr);
        }
        return host;
    }
    return slice_of(NULL, 0);
}

/* A path segment of one or two dots, each dot possibly written %2e. */
static bool dot_segment(struct slice seg)
{
    size_t dots = 0;
    while (seg.len > 0) {
        if (seg.ptr[0] == '.') {
            seg = slice_sub(seg, 1, seg.len);
        } else if (seg.len >= 3 && seg.ptr[0] == '%' && seg.ptr[1] == '2' &&
                   lower(seg.ptr[2]) == 'e') {
            seg = slice_sub(seg, 3, seg.len);
        } else {
            return false;
        }
        dots++;
    }
    return dots == 1 || dots == 2;
}

static bool path_ok(struct slice rest, bool no_empty)
{
    while (rest.len > 0 && rest.ptr[0] == '/') {
        rest = slice_sub(rest, 1, rest.len);
        size_t n = 0;
        while (n < rest.len && strchr("/?#", rest.ptr[n]) == NULL) {
            n++;
        }
        struct slice seg = slice_of(rest.ptr, n);
        if (dot_segment(seg) || (no_empty && seg.len == 0)) {
            return false;
        }
        rest = slice_sub(rest, n, rest.len);
    }
    return true;
}

bool policy_text_uri(struct slice uri)
{
    size_t scheme = 0;
    if (!policy_text_ascii(uri)) {
        return false;
    }
    for (size_t i = 0; i < uri.len; i++) {
        if (strchr(" \"<>\\^`{|}", uri.ptr[i]) != NULL) {
            return false;
        }
    }
    while (scheme < uri.len && ((uri.ptr[scheme] >= 'a' && uri.ptr[scheme] <= 'z') ||
                                (scheme > 0 && (numeric(slice_of(uri.ptr + scheme, 1)) ||
                                                strchr("+-.", uri.ptr[scheme]) != NULL)))) {
        scheme++;
    }
    struct slice rest = slice_sub(uri, scheme, uri.len), host = policy_text_uri_host(uri);
    if (scheme == 0 || rest.len < 4 || memcmp(rest.ptr, "://", 3) != 0 || host.len == 0) {
        return false;
    }
    rest = slice_sub(rest, 3, rest.len);
    if (host.ptr != rest.ptr) { /* userinfo stands before the host */
        return false;
    }
    while (rest.len > 0 && strchr("/?#", rest.ptr[0]) == NULL) {
        rest = slice_sub(rest, 1, rest.len);
    }
    return path_ok(rest, false);
}

bool policy_text_spiffe(struct slice uri)
{
    if (uri.len < 11 || memcmp(uri.ptr, "spiffe://", 9) != 0 || !policy_text_uri(uri)) {
        return false;
    }
    struct slice rest = slice_sub(uri, 9, uri.len);
    size_t n = 0;
    for (; n < rest.len && rest.ptr[n] != '/'; n++) {
        uint8_t c = rest.ptr[n];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
              c == '_')) {
            return false;
        }
    }
    if (n == 0 || n == rest.len) {
        return false;
    }
    struct slice path = slice_sub(rest, n, rest.len);
    for (size_t i = 0; i < path.len; i++) {
        if (!alnum(path.ptr[i]) && strchr("/.-_", path.ptr[i]) == NULL) {
            return false;
        }
    }
    return path_ok(path, true);
}

bool policy_text_match(struct slice pattern, struct slice s)
{
    if (pattern.len > 0 && pattern.ptr[pattern.len - 1] == '*') {
        size_t n = pattern.len - 1;
        return s.len >= n && (n == 0 || memcmp(s.ptr, pattern.ptr, n) == 0);
    }
    return slice_eq(pattern, s);
}
