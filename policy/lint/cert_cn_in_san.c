/* BR 7.1.4.3: a commonName is a dNSName of the SAN, character for character, or the text of an
 * iPAddress: dotted decimal, or RFC 5952 4 for IPv6. */
#include <stdio.h>

#include "policy/lint/cert.h"

/* RFC 5952 4: lower-case hex without leading zeros; the longest run of two or more zero groups,
 * the first of equals, is "::". */
static void ip6_text(const uint8_t *ip, char out[48])
{
    int best = -1, best_n = 1, at = 0;
    for (int i = 0; i < 8; i++) {
        int n = 0;
        while (i + n < 8 && ip[2 * (i + n)] == 0 && ip[2 * (i + n) + 1] == 0) {
            n++;
        }
        if (n > best_n) {
            best = i;
            best_n = n;
        }
    }
    for (int i = 0; i < 8; i++) {
        if (i == best) {
            at += snprintf(out + at, 48 - (size_t)at, "::");
            i += best_n - 1;
            continue;
        }
        bool colon = i > 0 && i != best + best_n;
        at += snprintf(out + at, 48 - (size_t)at, "%s%x",
                       best >= 0 && !colon ? ""
                       : i > 0             ? ":"
                                           : "",
                       (unsigned)ip[2 * i] << 8 | ip[2 * i + 1]);
    }
}

static bool is_name(const struct policy_lint_cert *c, struct slice cn)
{
    for (size_t i = 0; i < c->n_names; i++) {
        struct slice v = c->names[i].value;
        char text[48] = "";
        if (c->names[i].type == 7 && v.len == 4) {
            (void)snprintf(text, sizeof text, "%u.%u.%u.%u", v.ptr[0], v.ptr[1], v.ptr[2],
                           v.ptr[3]);
        } else if (c->names[i].type == 7 && v.len == 16) {
            ip6_text(v.ptr, text);
        }
        if ((c->names[i].type == 2 && slice_eq(v, cn)) || slice_eq(slice_str(text), cn)) {
            return true;
        }
    }
    return false;
}

enum policy_outcome policy_lint_cert_cn_in_san(const struct policy_lint_cert *c,
                                               struct policy_lint_seen *seen)
{
    enum policy_outcome outcome = POLICY_NA;
    for (size_t i = 0; i < c->subject.n && policy_lint_subscriber(c); i++) {
        if (c->subject.at[i].type == POLICY_LINT_AT_CN) {
            if (!is_name(c, c->subject.at[i].value)) {
                return policy_lint_octets(seen, c->subject.at[i].value);
            }
            outcome = POLICY_PASS;
        }
    }
    return outcome;
}
