/* One pass over a dNSName: what stands in it (RFC 1034 3.5, RFC 1123 2.1, RFC 5890 2.3.1). */
#include "policy/lint/cert.h"

static unsigned octet_mask(uint8_t c)
{
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-') {
        return 0;
    }
    if (c >= 'A' && c <= 'Z') {
        return POLICY_LINT_DNS_UPPER;
    }
    switch (c) {
    case '_':
        return POLICY_LINT_DNS_UNDERSCORE;
    case '*':
        return POLICY_LINT_DNS_STAR;
    case ':':
    case '/':
    case '@':
    case '?':
    case '#':
        return POLICY_LINT_DNS_PORT;
    default:
        return c > 0x7e    ? POLICY_LINT_DNS_NOT_ASCII
               : c <= 0x20 ? POLICY_LINT_DNS_BLANK
                           : POLICY_LINT_DNS_OTHER;
    }
}

static unsigned label_mask(struct slice l)
{
    if (l.len == 0) {
        return POLICY_LINT_DNS_EMPTY;
    }
    unsigned mask = l.len > 63 ? POLICY_LINT_DNS_LONG : 0;
    if (l.ptr[0] == '-' || l.ptr[l.len - 1] == '-') {
        mask |= POLICY_LINT_DNS_HYPHEN;
    }
    if (l.len >= 4 && l.ptr[2] == '-' && l.ptr[3] == '-') {
        bool xn = (l.ptr[0] | 0x20) == 'x' && (l.ptr[1] | 0x20) == 'n';
        mask |= !xn ? POLICY_LINT_DNS_RESERVED
                    : POLICY_LINT_DNS_A_LABEL |
                          (l.len == 4 || l.ptr[4] == '-' ? POLICY_LINT_DNS_A_BAD : 0U);
    }
    return mask;
}

static bool digits_only(struct slice l)
{
    for (size_t i = 0; i < l.len; i++) {
        if (l.ptr[i] < '0' || l.ptr[i] > '9') {
            return false;
        }
    }
    return l.len > 0;
}

void policy_lint_dns_scan(struct policy_lint_name *name)
{
    struct slice s = name->value;
    unsigned mask = s.len > 253 ? POLICY_LINT_DNS_LONG : 0;
    size_t start = 0;
    name->labels = 0;
    name->last = s;
    if (s.len == 0) {
        name->dns = POLICY_LINT_DNS_EMPTY;
        return;
    }
    if (s.ptr[0] == '.' || s.ptr[s.len - 1] == '.') {
        mask |= POLICY_LINT_DNS_EDGE_DOT;
    }
    for (size_t i = 0; i <= s.len; i++) {
        if (i < s.len && s.ptr[i] != '.') {
            mask |= octet_mask(s.ptr[i]);
            continue;
        }
        struct slice label = slice_of(s.ptr + start, i - start);
        bool edge = label.len == 0 && (start == 0 || i == s.len);
        mask |= edge ? 0 : label_mask(label); /* a dot at an edge is a finding of its own */
        name->labels += edge ? 0 : 1;
        name->last = edge ? name->last : label;
        start = i + 1;
    }
    mask |= digits_only(name->last) ? POLICY_LINT_DNS_NUMERIC : 0;
    name->dns = mask;
}
