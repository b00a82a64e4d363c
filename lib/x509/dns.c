/* DNS names in certificates: preferred name syntax (RFC 1034 3.5, RFC 1123 2.1), wildcards (RFC
 * 6125 6.4.3), and A-labels that decode to something (RFC 5890 2.3.2.1, Punycode RFC 3492). Whether
 * a U-label is allowed by IDNA's tables is for the registry that runs the zone; here the form is
 * checked, and that nothing invisible hides in it. */
#include "x509/x509_int.h"

#define DNS_NAME_MAX 253 /* RFC 1035 3.1: 255 octets on the wire */
#define DNS_LABEL_MAX 63
#define REFERENCE_LDH "RFC 5280 4.2.1.6"

/* ---- Punycode, RFC 3492 5: parameters for IDNA ---- */

enum {
    PUNY_BASE = 36,
    PUNY_TMIN = 1,
    PUNY_TMAX = 26,
    PUNY_SKEW = 38,
    PUNY_DAMP = 700,
    PUNY_BIAS = 72,
    PUNY_N = 128
};

static uint32_t puny_adapt(uint32_t delta, uint32_t points, bool first)
{
    delta = first ? delta / PUNY_DAMP : delta / 2;
    delta += delta / points;
    uint32_t k = 0;
    for (; delta > (PUNY_BASE - PUNY_TMIN) * PUNY_TMAX / 2; k += PUNY_BASE) {
        delta /= PUNY_BASE - PUNY_TMIN;
    }
    return k + (PUNY_BASE - PUNY_TMIN + 1) * delta / (delta + PUNY_SKEW);
}

static uint32_t puny_threshold(uint32_t k, uint32_t bias)
{
    return k <= bias ? PUNY_TMIN : k >= bias + PUNY_TMAX ? PUNY_TMAX : k - bias;
}

static uint32_t puny_digit(uint8_t c)
{
    if (c >= 'a' && c <= 'z') {
        return (uint32_t)(c - 'a');
    }
    return c >= '0' && c <= '9' ? (uint32_t)(c - '0') + 26 : PUNY_BASE;
}

/* Reads one generalized variable-length integer at *pos into *i (RFC 3492 3.3). */
static bool puny_integer(struct slice s, size_t *pos, uint32_t bias, uint32_t *i)
{
    uint32_t weight = 1;
    for (uint32_t k = PUNY_BASE;; k += PUNY_BASE) {
        uint32_t digit = *pos < s.len ? puny_digit(s.ptr[(*pos)++]) : PUNY_BASE;
        if (digit >= PUNY_BASE || digit > (UINT32_MAX - *i) / weight) {
            return false;
        }
        *i += digit * weight;
        uint32_t t = puny_threshold(k, bias);
        if (digit < t) {
            return true;
        }
        if (weight > UINT32_MAX / (PUNY_BASE - t)) {
            return false;
        }
        weight *= PUNY_BASE - t;
    }
}

/* Decodes `s` (without "xn--") into code points; RFC 3492 6.2. */
static bool puny_decode(struct slice s, uint32_t *out, size_t *out_n)
{
    size_t basic = 0;
    for (size_t i = 0; i < s.len; i++) {
        basic = s.ptr[i] == '-' ? i : basic;
    }
    size_t n = 0;
    for (; n < basic; n++) {
        out[n] = s.ptr[n];
    }
    uint32_t code = PUNY_N, bias = PUNY_BIAS, i = 0;
    for (size_t pos = basic > 0 ? basic + 1 : 0; pos < s.len;) {
        uint32_t old = i;
        if (n >= DNS_LABEL_MAX || !puny_integer(s, &pos, bias, &i)) {
            return false;
        }
        uint32_t points = (uint32_t)n + 1;
        bias = puny_adapt(i - old, points, old == 0);
        if (i / points > 0x10ffff - code) {
            return false;
        }
        code += i / points;
        i %= points;
        memmove(out + i + 1, out + i, (n - i) * sizeof *out);
        out[i++] = code;
        n++;
    }
    *out_n = n;
    return true;
}

static bool puny_put(uint8_t *out, size_t *len, uint32_t digit)
{
    if (*len >= DNS_LABEL_MAX) {
        return false;
    }
    out[(*len)++] = (uint8_t)(digit < 26 ? 'a' + digit : '0' + (digit - 26));
    return true;
}

static bool puny_put_integer(uint8_t *out, size_t *len, uint32_t q, uint32_t bias)
{
    for (uint32_t k = PUNY_BASE;; k += PUNY_BASE) {
        uint32_t t = puny_threshold(k, bias);
        if (q < t) {
            return puny_put(out, len, q);
        }
        if (!puny_put(out, len, t + (q - t) % (PUNY_BASE - t))) {
            return false;
        }
        q = (q - t) / (PUNY_BASE - t);
    }
}

static uint32_t smallest_from(const uint32_t *points, size_t n, uint32_t from)
{
    uint32_t best = UINT32_MAX;
    for (size_t j = 0; j < n; j++) {
        if (points[j] >= from && points[j] < best) {
            best = points[j];
        }
    }
    return best;
}

/* Encodes code points; RFC 3492 6.3. `out` has DNS_LABEL_MAX octets. */
static bool puny_encode(const uint32_t *points, size_t n, uint8_t *out, size_t *out_len)
{
    size_t len = 0, done = 0;
    for (size_t j = 0; j < n; j++) {
        if (points[j] < PUNY_N) {
            out[len++] = (uint8_t)points[j];
        }
    }
    size_t basic = len;
    done = basic;
    if (basic > 0) {
        out[len++] = '-';
    }
    uint32_t code = PUNY_N, delta = 0, bias = PUNY_BIAS;
    while (done < n) {
        uint32_t next = smallest_from(points, n, code);
        if (next - code > (UINT32_MAX - delta) / (uint32_t)(done + 1)) {
            return false;
        }
        delta += (next - code) * (uint32_t)(done + 1);
        code = next;
        for (size_t j = 0; j < n; j++) {
            if (points[j] < code) {
                delta++;
            } else if (points[j] == code) {
                if (!puny_put_integer(out, &len, delta, bias)) {
                    return false;
                }
                bias = puny_adapt(delta, (uint32_t)(done + 1), done == basic);
                delta = 0;
                done++;
            }
        }
        delta++;
        code++;
    }
    *out_len = len;
    return true;
}

/* An A-label holds at least one character beyond ASCII, none invisible, and is what encoding its
 * characters gives (RFC 5890 2.3.2.1: the two forms are equivalent). */
static bool a_label_ok(struct slice label)
{
    uint32_t points[DNS_LABEL_MAX + 1];
    uint8_t again[DNS_LABEL_MAX];
    size_t n, len;
    struct slice puny = slice_sub(label, 4, label.len);
    if (puny.len == 0 || !puny_decode(puny, points, &n)) {
        return false;
    }
    bool beyond = false;
    for (size_t i = 0; i < n; i++) {
        beyond = beyond || points[i] >= PUNY_N;
        /* Joiners are letters' companions in some scripts; policy judges where (RFC 5892 A.1, A.2).
         */
        bool joiner = points[i] == 0x200c || points[i] == 0x200d;
        if (x509_char_hidden(points[i]) && !joiner) {
            return false;
        }
    }
    return beyond && puny_encode(points, n, again, &len) && slice_eq(puny, slice_of(again, len));
}

/* Refuses a label in letters beyond ASCII; says how it is written, as far as that is known without
 * mapping it. */
static enum chancery_err u_label(struct slice label, const char *field, struct diag *diag)
{
    uint32_t points[DNS_LABEL_MAX];
    uint8_t puny[DNS_LABEL_MAX];
    size_t n = 0, len = 0;
    bool known = slice_is_utf8(label);
    for (size_t pos = 0; known && pos < label.len;) {
        uint32_t c = x509_utf8_next(label, &pos);
        known = c >= 0x80 || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
        points[n++] = c;
    }
    if (!known || !puny_encode(points, n, puny, &len)) {
        return x509_refuse(diag, CH_INVALID, field, "dns.ldh", "RFC 5890 2.3.2.1",
                           "a label is neither ASCII nor an international one: write A-labels");
    }
    return x509_refuse(diag, CH_INVALID, field, "dns.ldh", "RFC 5890 2.3.2.1",
                       "write the international label as the A-label \"xn--%.*s\"", (int)len,
                       (const char *)puny);
}

static enum chancery_err label_check(struct slice label, const char *field, struct diag *diag)
{
    if (label.len == 0 || label.len > DNS_LABEL_MAX) {
        return x509_refuse(diag, CH_INVALID, field,
                           label.len == 0 ? "dns.empty_label" : "dns.label_length", "RFC 1035 3.1",
                           "a label has %zu characters; 1 to %d are allowed", label.len,
                           DNS_LABEL_MAX);
    }
    for (size_t i = 0; i < label.len; i++) {
        uint8_t c = label.ptr[i];
        bool hyphen = c == '-' && i > 0 && i + 1 < label.len;
        if (c >= 0x80) {
            return u_label(label, field, diag);
        }
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || hyphen)) {
            return x509_refuse(diag, CH_INVALID, field, "dns.ldh", REFERENCE_LDH,
                               "octet %02x: labels hold letters, digits and inner hyphens; write "
                               "international names as A-labels (xn--)",
                               (unsigned)c);
        }
    }
    if (label.len >= 4 && label.ptr[2] == '-' && label.ptr[3] == '-') {
        bool a_label = label.ptr[0] == 'x' && label.ptr[1] == 'n';
        if (!a_label || !a_label_ok(label)) {
            return x509_refuse(diag, CH_INVALID, field,
                               a_label ? "dns.a_label" : "dns.reserved_label", "RFC 5890 2.3.2.1",
                               "label \"%.*s\" is no well-formed A-label", (int)label.len,
                               (const char *)label.ptr);
        }
    }
    return CH_OK;
}

static bool all_digits(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9') {
            return false;
        }
    }
    return true;
}

enum chancery_err x509_dns_check(struct slice name, bool wildcard, const char *field,
                                 struct diag *diag)
{
    if (name.len == 0 || name.len > DNS_NAME_MAX) {
        return x509_refuse(diag, CH_INVALID, field, name.len == 0 ? "dns.empty" : "dns.length",
                           "RFC 1035 3.1", "the name has %zu characters; 1 to %d are allowed",
                           name.len, DNS_NAME_MAX);
    }
    if (name.ptr[name.len - 1] == '.') {
        return x509_refuse(diag, CH_INVALID, field, "dns.trailing_dot", "RFC 5280 4.2.1.6",
                           "the name ends with a dot; write it without");
    }
    struct slice rest = name, label = rest;
    bool star = name.len >= 2 && name.ptr[0] == '*' && name.ptr[1] == '.';
    if (star && !wildcard) {
        return x509_refuse(diag, CH_INVALID, field, "dns.wildcard", "RFC 6125 6.4.3",
                           "a wildcard is not allowed here");
    }
    if (star) {
        rest = slice_sub(rest, 2, rest.len); /* the whole left-most label, nothing else */
    }
    for (bool more = true; more;) {
        const uint8_t *dot = memchr(rest.ptr, '.', rest.len);
        more = dot != NULL;
        label = more ? slice_of(rest.ptr, (size_t)(dot - rest.ptr)) : rest;
        TRY(label_check(label, field, diag));
        rest = more ? slice_sub(rest, label.len + 1, rest.len) : rest;
    }
    if (all_digits(label)) {
        return x509_refuse(diag, CH_INVALID, field, "dns.numeric", "RFC 1123 2.1",
                           "the last label is a number: IP addresses go into iPAddress");
    }
    return CH_OK;
}
