/* RFC 5280 4.2.1.6: not relative, with a scheme and what follows it; an authority names a host. */
#include "policy/lint/cert.h"
#include "policy/text.h"

static bool uri_ok(struct slice s)
{
    size_t n = 0;
    while (n < s.len && s.ptr[n] != ':') {
        uint8_t c = s.ptr[n] | 0x20;
        bool more = n > 0 && ((s.ptr[n] >= '0' && s.ptr[n] <= '9') || s.ptr[n] == '+' ||
                              s.ptr[n] == '-' || s.ptr[n] == '.');
        if (!more && (c < 'a' || c > 'z')) {
            return false;
        }
        n++;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] <= 0x20 || s.ptr[i] > 0x7e || strchr("\"<>\\^`{|}", s.ptr[i]) != NULL) {
            return false;
        }
    }
    struct slice rest = slice_sub(s, n + 1, s.len);
    bool authority = rest.len >= 2 && rest.ptr[0] == '/' && rest.ptr[1] == '/';
    return n > 0 && rest.len > 0 && (!authority || policy_text_uri_host(s).len > 0);
}

enum policy_outcome policy_lint_cert_san_uri(const struct policy_lint_cert *c,
                                             struct policy_lint_seen *seen)
{
    enum policy_outcome outcome = POLICY_NA;
    for (size_t i = 0; i < c->n_names; i++) {
        if (c->names[i].type == 6) {
            if (!uri_ok(c->names[i].value)) {
                return policy_lint_octets(seen, c->names[i].value);
            }
            outcome = POLICY_PASS;
        }
    }
    return outcome;
}
