/* Builds the extension values that the judge wants to see, to be compared octet by octet. DER is
 * written from its end to its beginning, so that each length is known when it is written. No
 * allocation. */
#ifndef CHANCERY_POLICY_WANT_H
#define CHANCERY_POLICY_WANT_H

#include "base/bytes.h"
#include "policy/template_ext.h"

struct policy_want {
    uint8_t *base;
    size_t cap, at; /* content is base[at..cap) */
    bool full;
};

struct policy_want policy_want_over(uint8_t *base, size_t cap);
void policy_want_octets(struct policy_want *w, struct slice s);
/* policy_want_head puts tag and length in front of everything written since `end` (a former w->at).
 */
void policy_want_head(struct policy_want *w, uint8_t tag, size_t end);
/* policy_want_element writes a whole element. */
void policy_want_element(struct policy_want *w, uint8_t tag, struct slice content);
/* policy_want_done gives the content; empty when it did not fit. */
struct slice policy_want_done(const struct policy_want *w);

/* Values of extensions (content of extnValue). */
void policy_want_key_usage(struct policy_want *w, unsigned bits);
void policy_want_oids(struct policy_want *w, const struct slice *oids, size_t n);
void policy_want_policies(struct policy_want *w, const struct policy_certificate_policy *p,
                          size_t n);
void policy_want_features(struct policy_want *w, const uint16_t *features, size_t n);
void policy_want_constraints(struct policy_want *w, const struct policy_subtrees *permitted,
                             const struct policy_subtrees *excluded);
void policy_want_basic(struct policy_want *w, bool is_ca, int path_len);
void policy_want_aki(struct policy_want *w, struct slice key_id);
void policy_want_cdp(struct policy_want *w, struct slice url);
void policy_want_aia(struct policy_want *w, const char *ocsp_url, struct slice issuer_url);
/* policy_want_typed writes a typed value into the arena: for compiling, not for judging. CH_LIMIT
 * when it has more than POLICY_CUSTOM_VALUE octets. */
enum chancery_err policy_want_typed(struct arena *arena, const struct policy_value *v,
                                    struct slice *out) MUST_CHECK;

#endif
