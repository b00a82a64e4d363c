/* Expected extension values (RFC 5280 4.2). */
#include "policy/want.h"

struct policy_want policy_want_over(uint8_t *base, size_t cap)
{
    return (struct policy_want){base, cap, cap, false};
}

void policy_want_octets(struct policy_want *w, struct slice s)
{
    if (w->full || s.len > w->at) {
        w->full = true;
        return;
    }
    w->at -= s.len;
    if (s.len > 0) {
        memcpy(w->base + w->at, s.ptr, s.len);
    }
}

void policy_want_head(struct policy_want *w, uint8_t tag, size_t end)
{
    size_t len = end - w->at, n = 0;
    uint8_t head[6];
    head[n++] = tag;
    if (len < 0x80) {
        head[n++] = (uint8_t)len;
    } else if (len < 0x100) {
        head[n++] = 0x81;
        head[n++] = (uint8_t)len;
    } else {
        head[n++] = 0x82;
        head[n++] = (uint8_t)(len >> 8);
        head[n++] = (uint8_t)len;
    }
    w->full = w->full || len > 0xffff;
    policy_want_octets(w, slice_of(head, n));
}

void policy_want_element(struct policy_want *w, uint8_t tag, struct slice content)
{
    size_t end = w->at;
    policy_want_octets(w, content);
    policy_want_head(w, tag, end);
}

struct slice policy_want_done(const struct policy_want *w)
{
    return w->full ? slice_of(NULL, 0) : slice_of(w->base + w->at, w->cap - w->at);
}

/* BIT STRING named bits: bit i of `bits` is KeyUsage bit i; trailing zeros left out (X.690 11.2.2).
 */
void policy_want_key_usage(struct policy_want *w, unsigned bits)
{
    uint8_t octets[3] = {0};
    unsigned last = 0;
    for (unsigned i = 0; i < 9; i++) {
        if ((bits & (1U << i)) != 0) {
            octets[1 + i / 8] |= (uint8_t)(1U << (7 - i % 8));
            last = i;
        }
    }
    octets[0] = (uint8_t)(7 - last % 8);
    policy_want_element(w, 0x03, slice_of(octets, last / 8 + 2));
}

void policy_want_oids(struct policy_want *w, const struct slice *oids, size_t n)
{
    size_t end = w->at;
    for (size_t i = n; i > 0; i--) {
        policy_want_element(w, 0x06, oids[i - 1]);
    }
    policy_want_head(w, 0x30, end);
}

/* RFC 5280 4.2.1.4: PolicyInformation with at most one qualifier, id-qt-cps. */
void policy_want_policies(struct policy_want *w, const struct policy_certificate_policy *p,
                          size_t n)
{
    static const uint8_t cps[] = {0x2b, 6, 1, 5, 5, 7, 2, 1};
    size_t end = w->at;
    for (size_t i = n; i > 0; i--) {
        size_t item = w->at;
        if (p[i - 1].cps != NULL) {
            policy_want_element(w, 0x16, slice_str(p[i - 1].cps));
            policy_want_element(w, 0x06, slice_of(cps, sizeof cps));
            policy_want_head(w, 0x30, item);
            policy_want_head(w, 0x30, item);
        }
        policy_want_element(w, 0x06, p[i - 1].oid);
        policy_want_head(w, 0x30, item);
    }
    policy_want_head(w, 0x30, end);
}

void policy_want_basic(struct policy_want *w, bool is_ca, int path_len)
{
    static const uint8_t yes[] = {0xff};
    size_t end = w->at;
    if (is_ca && path_len >= 0) {
        uint8_t n = (uint8_t)path_len; /* the bundle allows 0..10 */
        policy_want_element(w, 0x02, slice_of(&n, 1));
    }
    if (is_ca) {
        policy_want_element(w, 0x01, slice_of(yes, 1));
    }
    policy_want_head(w, 0x30, end);
}

void policy_want_aki(struct policy_want *w, struct slice key_id)
{
    size_t end = w->at;
    policy_want_element(w, 0x80, key_id);
    policy_want_head(w, 0x30, end);
}

void policy_want_cdp(struct policy_want *w, struct slice url)
{
    size_t end = w->at;
    policy_want_element(w, 0x86, url);
    policy_want_head(w, 0xa0, end); /* fullName */
    policy_want_head(w, 0xa0, end); /* distributionPoint */
    policy_want_head(w, 0x30, end);
    policy_want_head(w, 0x30, end);
}

static void access(struct policy_want *w, uint8_t method, struct slice url)
{
    const uint8_t oid[] = {0x2b, 6, 1, 5, 5, 7, 0x30, method}; /* id-ad: 1 OCSP, 2 caIssuers */
    size_t end = w->at;
    policy_want_element(w, 0x86, url);
    policy_want_element(w, 0x06, slice_of(oid, sizeof oid));
    policy_want_head(w, 0x30, end);
}

void policy_want_aia(struct policy_want *w, const char *ocsp_url, struct slice issuer_url)
{
    size_t end = w->at;
    if (issuer_url.len > 0) {
        access(w, 2, issuer_url);
    }
    if (ocsp_url != NULL) {
        access(w, 1, slice_str(ocsp_url));
    }
    policy_want_head(w, 0x30, end);
}
