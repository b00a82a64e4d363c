/* Extensions of a template: what the writer needs to write them. Part of policy.h. */
#ifndef CHANCERY_POLICY_TEMPLATE_EXT_H
#define CHANCERY_POLICY_TEMPLATE_EXT_H

#include "base/bytes.h"

/* A typed value, to be written as DER. */
enum policy_value_kind {
    POLICY_VALUE_NONE = 0,
    POLICY_VALUE_UTF8,
    POLICY_VALUE_IA5,
    POLICY_VALUE_PRINTABLE,
    POLICY_VALUE_INTEGER,
    POLICY_VALUE_ENUMERATED,
    POLICY_VALUE_BOOLEAN,
    POLICY_VALUE_OID,
    POLICY_VALUE_OCTETS,
    POLICY_VALUE_BITS, /* whole octets, no unused bits */
    POLICY_VALUE_NULL,
    POLICY_VALUE_SEQUENCE,
    POLICY_VALUE_SET, /* in DER order, whatever the order of `inside` (X.690 10.3, 11.6) */
    POLICY_VALUE_EXPLICIT,
    POLICY_VALUE_IMPLICIT, /* never of EXPLICIT or IMPLICIT */
};
struct policy_value {
    enum policy_value_kind kind;
    struct slice octets;               /* text, OID content octets, octets */
    int64_t number;                    /* integer, enumerated, boolean, or the tag's number 0..30 */
    const struct policy_value *inside; /* of sequence and set any number; of tags one */
    size_t n_inside;
};

/* An extension by OID: a fixed value, or the request's octets as they are. */
struct policy_custom {
    struct slice oid; /* content octets */
    bool critical;
    bool from_request;
    struct policy_value value; /* unless from_request */
};

/* GeneralSubtree (RFC 5280 4.2.1.10) with minimum 0 and no maximum. */
struct policy_pair {
    struct slice oid, value; /* attribute type, UTF-8 value */
};
struct policy_subtree {
    uint8_t tag;        /* of the GeneralName: 1 email, 2 DNS, 4 directory, 6 URI, 7 IP */
    struct slice value; /* text; IP: address and mask; directory: empty */
    const struct policy_pair *rdns; /* directory: single-valued RDNs in order */
    size_t n_rdns;
};
struct policy_subtrees {
    const struct policy_subtree *at;
    size_t n;
};

struct policy_certificate_policy {
    struct slice oid;
    const char *cps; /* URI of the practice statement, NULL: none */
};

/* Written beside those that policy_template names: nameConstraints (critical), TLS feature,
 * noRevAvail (NULL), customs. An extension taken from the request has the request's octets and the
 * template's criticality, and is left out when the request has none (EKU: then template.eku). */
struct policy_template_extensions {
    bool eku_critical, eku_from_request;
    struct policy_subtrees permitted, excluded; /* both empty: no extension */
    const uint16_t *tls_features;
    size_t n_tls_features;
    /* noRevAvail, when not_after - not_before is at most that (INT64_MAX: always; 0: never). Then
     * there is no CRL distribution point and no OCSP pointer (RFC 9608 4). */
    int64_t no_rev_avail_up_to_s;
    const struct policy_custom *custom;
    size_t n_custom;
};

#endif
