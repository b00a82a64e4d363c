/* Characters and names, for rules and for the bundle's own texts. All linear in the text. */
#ifndef CHANCERY_POLICY_TEXT_H
#define CHANCERY_POLICY_TEXT_H

#include "base/bytes.h"

/* A list of texts. */
struct policy_list {
    const struct slice *at;
    size_t n;
};

/* policy_text_clean: well-formed UTF-8 without control, bidirectional control, zero-width,
 * surrogate or unassigned-by-rule (noncharacter) code points. */
bool policy_text_clean(struct slice s);
/* policy_text_characters counts code points of valid UTF-8. */
size_t policy_text_characters(struct slice s);
bool policy_text_ascii(struct slice s);     /* printable ASCII 20..7e */
bool policy_text_printable(struct slice s); /* the alphabet of PrintableString, X.680 41.4 */

/* policy_text_dns: a lower-case host name of LDH labels (RFC 1123 2.1), no trailing dot, at most
 * 253 octets, last label not numeric; `*` alone as first label when wildcard is allowed. A-labels
 * (xn--) only when `a_labels`; other labels with "--" in third place never (RFC 5890 2.3.1). */
bool policy_text_dns(struct slice s, bool wildcard, bool a_labels);

/* policy_text_under says whether DNS name `s` is `domain` or below it, ignoring ASCII case; a
 * leading wildcard label in `s` does not hide it. */
bool policy_text_under(struct slice s, struct slice domain);

/* policy_text_uri_host gives the host of scheme://host...; empty when there is no authority. */
struct slice policy_text_uri_host(struct slice uri);
/* policy_text_uri: printable ASCII without characters RFC 3986 forbids, lower-case scheme, "//",
 * host, no userinfo, no dot segments (encoded ones neither). */
bool policy_text_uri(struct slice uri);
/* policy_text_spiffe: a SPIFFE ID: spiffe://domain/path, no query, fragment, port, empty or dot
 * segments. */
bool policy_text_spiffe(struct slice uri);

/* policy_text_match: `pattern` equals `s`, or ends in '*' and the rest is a prefix of `s`. */
bool policy_text_match(struct slice pattern, struct slice s);

#endif
