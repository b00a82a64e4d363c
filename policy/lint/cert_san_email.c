/* RFC 5280 4.2.1.6: a Mailbox as in RFC 5321 4.1.2, without phrase, comment or angle brackets,
 * ASCII. */
#include "policy/lint/cert.h"
#include "policy/text.h"

static bool mailbox_ok(struct slice s)
{
    const uint8_t *at = s.len == 0 ? NULL : memrchr(s.ptr, '@', s.len);
    if (at == NULL || !policy_text_ascii(s)) {
        return false;
    }
    struct slice local = slice_of(s.ptr, (size_t)(at - s.ptr));
    bool quoted = local.len > 2 && local.ptr[0] == '"' && local.ptr[local.len - 1] == '"';
    struct policy_lint_name domain = {.value = slice_sub(s, local.len + 1, s.len)};
    policy_lint_dns_scan(&domain);
    for (size_t i = 0; !quoted && i < local.len; i++) {
        if (strchr(" \"(),:;<>@[\\]", local.ptr[i]) != NULL) {
            return false;
        }
    }
    const unsigned fine = POLICY_LINT_DNS_UPPER | POLICY_LINT_DNS_A_LABEL;
    bool literal = domain.value.len > 2 && domain.value.ptr[0] == '[';
    return local.len > 0 && local.len <= 64 && (literal || (domain.dns & ~fine) == 0);
}

enum policy_outcome policy_lint_cert_san_email(const struct policy_lint_cert *c,
                                               struct policy_lint_seen *seen)
{
    enum policy_outcome outcome = POLICY_NA;
    for (size_t i = 0; i < c->n_names; i++) {
        if (c->names[i].type == 1) {
            if (!mailbox_ok(c->names[i].value)) {
                return policy_lint_octets(seen, c->names[i].value);
            }
            outcome = POLICY_PASS;
        }
    }
    return outcome;
}
