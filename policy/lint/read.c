/* Readers of what certificates, CRLs and OCSP answers share (RFC 5280 4.1). */
#include "policy/lint/lint_int.h"

#define OID(name, ...)                                                                             \
    static const uint8_t name##_octets[] = {__VA_ARGS__};                                          \
    const struct slice name = {name##_octets, sizeof name##_octets}

OID(POLICY_OID_EXT_IAN, 0x55, 0x1d, 0x12);
OID(POLICY_OID_EXT_CRL_NUMBER, 0x55, 0x1d, 0x14);
OID(POLICY_OID_EXT_REASON, 0x55, 0x1d, 0x15);
OID(POLICY_OID_EXT_INVALIDITY, 0x55, 0x1d, 0x18);
OID(POLICY_OID_EXT_DELTA, 0x55, 0x1d, 0x1b);
OID(POLICY_OID_EXT_IDP, 0x55, 0x1d, 0x1c);
OID(POLICY_OID_EXT_CERT_ISSUER, 0x55, 0x1d, 0x1d);
OID(POLICY_OID_EXT_AKI, 0x55, 0x1d, 0x23);
OID(POLICY_OID_EXT_FRESHEST, 0x55, 0x1d, 0x2e);
OID(POLICY_OID_EXT_AIA_CRL, 0x2b, 6, 1, 5, 5, 7, 1, 1);
OID(POLICY_OID_EXT_NONCE, 0x2b, 6, 1, 5, 5, 7, 0x30, 1, 2);
OID(POLICY_OID_EXT_ARCHIVE, 0x2b, 6, 1, 5, 5, 7, 0x30, 1, 6);

bool policy_lint_any(struct policy_walk *w, uint8_t *tag, struct slice *content,
                     struct slice *whole)
{
    *tag = policy_walk_tag(w);
    return *tag != 0 && policy_walk_take(w, *tag, content, whole);
}

bool policy_lint_boolean(struct policy_walk *w, uint8_t tag, bool *out, bool *odd)
{
    struct slice s;
    if (!policy_walk_take(w, tag, &s, NULL) || s.len != 1) {
        return false;
    }
    *out = s.ptr[0] != 0;
    *odd = s.ptr[0] != 0 && s.ptr[0] != 0xff;
    return true;
}

bool policy_lint_minimal(struct slice i)
{
    return i.len == 1 || (i.len > 1 && !(i.ptr[0] == 0 && i.ptr[1] < 0x80) &&
                          !(i.ptr[0] == 0xff && i.ptr[1] >= 0x80));
}

bool policy_lint_http(struct slice url)
{
    return url.len > 7 && memcmp(url.ptr, "http://", 7) == 0 && url.ptr[7] != '/' &&
           url.ptr[7] != ':';
}

bool policy_lint_read_algorithm(struct policy_walk *w, struct policy_lint_algorithm *out)
{
    struct policy_walk in;
    struct slice s;
    uint8_t tag;
    *out = (struct policy_lint_algorithm){{NULL, 0}, {NULL, 0}, {NULL, 0}};
    if (!policy_walk_take(w, 0x30, &s, &out->whole)) {
        return false;
    }
    in = policy_walk_of(s);
    return policy_walk_oid(&in, &out->oid) &&
           (policy_walk_done(&in) || policy_lint_any(&in, &tag, &s, &out->parameters)) &&
           policy_walk_done(&in);
}

/* ---- times ---- */

static bool two(struct slice s, size_t at, int min, int max)
{
    if (at + 2 > s.len) {
        return false;
    }
    int v = (s.ptr[at] - '0') * 10 + s.ptr[at + 1] - '0';
    return v >= min && v <= max;
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

/* Days from 1970-01-01 to the first of March of `year`, the year counted from March: then leap days
 * come last and months are regular. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month <= 2 ? year - 1 : year, m = (month + 9) % 12;
    int64_t era = y / 400, of_era = y % 400;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + (m * 153 + 2) / 5 + day - 1 -
           719468;
}

static int64_t number(struct slice s, size_t at, size_t n)
{
    int64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        v = v * 10 + (s.ptr[at + i] - '0');
    }
    return v;
}

/* Looks at "MMDDHHMMSS" from `at` on; the year is known. */
static bool real_moment(struct slice s, size_t at, int64_t year, int64_t *out_s)
{
    static const int length[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (!two(s, at, 1, 12) || !two(s, at + 2, 1, 31) || !two(s, at + 4, 0, 23) ||
        !two(s, at + 6, 0, 59) || !two(s, at + 8, 0, 59)) {
        return false;
    }
    int64_t month = number(s, at, 2), day = number(s, at + 2, 2);
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (day > length[month - 1] || (month == 2 && day == 29 && !leap)) {
        return false;
    }
    *out_s = days_of(year, month, day) * 86400 + number(s, at + 4, 2) * 3600 +
             number(s, at + 6, 2) * 60 + number(s, at + 8, 2);
    return true;
}

bool policy_lint_read_time(struct policy_walk *w, struct policy_lint_time *out)
{
    *out = (struct policy_lint_time){.tag = policy_walk_tag(w)};
    if ((out->tag != 0x17 && out->tag != 0x18) ||
        !policy_walk_take(w, out->tag, &out->text, NULL)) {
        return false;
    }
    struct slice s = out->text;
    size_t year = out->tag == 0x17 ? 2 : 4;
    if (s.len >= year + 10 && all_digits(slice_sub(s, 0, year + 10))) {
        int64_t y = number(s, 0, year);
        y += year == 4 ? 0 : y >= 50 ? 1900 : 2000;
        out->real = real_moment(s, year, y, &out->at_s);
        out->exact = out->real && s.len == year + 11 && s.ptr[year + 10] == 'Z';
    } else {
        out->real = true; /* its form is at fault, which another lint says */
    }
    return true;
}

/* ---- distinguished names ---- */

static enum policy_lint_attribute_type attribute_type(struct slice oid)
{
    static const uint8_t x520[64] = {
        [3] = POLICY_LINT_AT_CN,        [4] = POLICY_LINT_AT_SN,      [5] = POLICY_LINT_AT_SERIAL,
        [6] = POLICY_LINT_AT_C,         [7] = POLICY_LINT_AT_L,       [8] = POLICY_LINT_AT_ST,
        [9] = POLICY_LINT_AT_STREET,    [10] = POLICY_LINT_AT_O,      [11] = POLICY_LINT_AT_OU,
        [12] = POLICY_LINT_AT_TITLE,    [17] = POLICY_LINT_AT_POSTAL, [42] = POLICY_LINT_AT_GN,
        [46] = POLICY_LINT_AT_QUALIFIER};
    static const uint8_t dc[] = {0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25};
    static const uint8_t email[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1};
    if (oid.len == 3 && oid.ptr[0] == 0x55 && oid.ptr[1] == 4) {
        return oid.ptr[2] < sizeof x520 ? x520[oid.ptr[2]] : POLICY_LINT_AT_OTHER;
    }
    if (slice_eq(oid, slice_of(dc, sizeof dc))) {
        return POLICY_LINT_AT_DC;
    }
    return slice_eq(oid, slice_of(email, sizeof email)) ? POLICY_LINT_AT_EMAIL
                                                        : POLICY_LINT_AT_OTHER;
}

static bool read_rdn(struct policy_walk *set, struct policy_lint_dn *out)
{
    struct slice s, whole, last = {NULL, 0};
    size_t n = 0;
    while (!policy_walk_done(set)) {
        struct policy_walk pair;
        if (out->n == POLICY_LINT_ATTRIBUTES || !policy_walk_take(set, 0x30, &s, &whole)) {
            return false;
        }
        struct policy_lint_attribute *a = &out->at[out->n++];
        pair = policy_walk_of(s);
        if (!policy_walk_oid(&pair, &a->oid) || !policy_lint_any(&pair, &a->tag, &a->value, NULL) ||
            !policy_walk_done(&pair)) {
            return false;
        }
        a->type = attribute_type(a->oid);
        /* X.690 11.6: the elements of a SET OF stand in ascending order of their octets. */
        out->unsorted = out->unsorted || (n > 0 && slice_cmp(last, whole) > 0);
        last = whole;
        n++;
    }
    out->several = out->several || n > 1;
    return n > 0;
}

bool policy_lint_read_dn(struct policy_walk *w, struct policy_lint_dn *out)
{
    struct policy_walk list, set;
    out->n = 0;
    out->several = out->unsorted = false;
    if (!policy_walk_into(w, 0x30, &list)) {
        return false;
    }
    while (!policy_walk_done(&list)) {
        if (!policy_walk_into(&list, 0x31, &set) || !read_rdn(&set, out)) {
            return false;
        }
    }
    return true;
}

/* ---- extensions ---- */

static bool read_extension(struct policy_walk *list, struct policy_lint_extension *out)
{
    struct policy_walk in;
    *out = (struct policy_lint_extension){.critical = false};
    if (!policy_walk_into(list, 0x30, &in) || !policy_walk_oid(&in, &out->oid)) {
        return false;
    }
    if (policy_walk_tag(&in) == 0x01) {
        bool odd = false;
        if (!policy_lint_boolean(&in, 0x01, &out->critical, &odd)) {
            return false;
        }
        out->odd_flag = odd || !out->critical; /* X.690 11.1 and 11.5 */
    }
    return policy_walk_take(&in, 0x04, &out->value, NULL) && policy_walk_done(&in);
}

bool policy_lint_read_extensions(struct policy_walk *w, struct policy_lint_extensions *out)
{
    struct policy_walk list;
    out->present = true;
    if (!policy_walk_into(w, 0x30, &list)) {
        return false;
    }
    out->empty = policy_walk_done(&list);
    while (!policy_walk_done(&list)) {
        if (out->n == POLICY_LINT_EXTENSIONS || !read_extension(&list, &out->at[out->n])) {
            return false;
        }
        if (policy_lint_extension_of(out, out->at[out->n].oid) != NULL) {
            out->repeated = true;
            out->repeated_oid = out->at[out->n].oid;
        }
        out->n++;
    }
    return true;
}

const struct policy_lint_extension *policy_lint_extension_of(const struct policy_lint_extensions *l,
                                                             struct slice oid)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct slice *o = &l->at[i].oid;
        /* OIDs of extensions differ at their end: that octet first. */
        if (o->len == oid.len && o->ptr[o->len - 1] == oid.ptr[oid.len - 1] && slice_eq(*o, oid)) {
            return &l->at[i];
        }
    }
    return NULL;
}

bool policy_lint_read_aki(struct slice value, struct policy_lint_aki *out)
{
    struct policy_walk outer = policy_walk_of(value), w;
    struct slice s;
    *out = (struct policy_lint_aki){.has_key = false};
    if (!policy_walk_into(&outer, 0x30, &w) || !policy_walk_done(&outer)) {
        return false;
    }
    out->has_key = policy_walk_take(&w, 0x80, &out->key, NULL);
    out->has_issuer = policy_walk_take(&w, 0xa1, &s, NULL);
    out->has_serial = policy_walk_take(&w, 0x82, &s, NULL);
    return policy_walk_done(&w);
}
