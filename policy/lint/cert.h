/* A certificate as its lints see it. */
#ifndef CHANCERY_POLICY_LINT_CERT_H
#define CHANCERY_POLICY_LINT_CERT_H

#include "policy/lint/lint_int.h"

/* Extensions that this project knows by name. */
enum policy_lint_ext {
    POLICY_LINT_EXT_UNKNOWN = 0,
    POLICY_LINT_EXT_SDA, /* subjectDirectoryAttributes */
    POLICY_LINT_EXT_SKI,
    POLICY_LINT_EXT_KU,
    POLICY_LINT_EXT_SAN,
    POLICY_LINT_EXT_IAN,
    POLICY_LINT_EXT_BASIC,
    POLICY_LINT_EXT_NAMES, /* nameConstraints */
    POLICY_LINT_EXT_CDP,
    POLICY_LINT_EXT_POLICIES,
    POLICY_LINT_EXT_MAPPINGS,
    POLICY_LINT_EXT_AKI,
    POLICY_LINT_EXT_CONSTRAINTS, /* policyConstraints */
    POLICY_LINT_EXT_EKU,
    POLICY_LINT_EXT_FRESHEST,
    POLICY_LINT_EXT_INHIBIT,
    POLICY_LINT_EXT_NO_REV_AVAIL,
    POLICY_LINT_EXT_AIA,
    POLICY_LINT_EXT_SIA,
    POLICY_LINT_EXT_TLS_FEATURE,
    POLICY_LINT_EXT_NOCHECK,
    POLICY_LINT_EXT_SCT,
    POLICY_LINT_EXT_POISON,
    POLICY_LINT_EXT_COUNT
};

#define POLICY_LINT_KU(bit) (1U << (bit)) /* bit of KeyUsage, RFC 5280 4.2.1.3 */
enum {
    POLICY_LINT_KU_SIGNATURE = 0,
    POLICY_LINT_KU_COMMITMENT = 1,
    POLICY_LINT_KU_KEY_ENCIPHERMENT = 2,
    POLICY_LINT_KU_DATA_ENCIPHERMENT = 3,
    POLICY_LINT_KU_AGREEMENT = 4,
    POLICY_LINT_KU_CERT_SIGN = 5,
    POLICY_LINT_KU_CRL_SIGN = 6,
    POLICY_LINT_KU_ENCIPHER_ONLY = 7,
    POLICY_LINT_KU_DECIPHER_ONLY = 8
};

/* Purposes, as a mask. */
enum {
    POLICY_LINT_EKU_ANY = 1,
    POLICY_LINT_EKU_SERVER = 2,
    POLICY_LINT_EKU_CLIENT = 4,
    POLICY_LINT_EKU_CODE = 8,
    POLICY_LINT_EKU_EMAIL = 16,
    POLICY_LINT_EKU_TIME = 32,
    POLICY_LINT_EKU_OCSP = 64,
    POLICY_LINT_EKU_OTHER = 128
};

/* What stands in a dNSName, found in one pass. */
enum {
    POLICY_LINT_DNS_UPPER = 1,
    POLICY_LINT_DNS_UNDERSCORE = 2,
    POLICY_LINT_DNS_STAR = 4,
    POLICY_LINT_DNS_PORT = 8,        /* ':' '/' '@' '?' '#': more than a name */
    POLICY_LINT_DNS_NOT_ASCII = 16,  /* over 7e */
    POLICY_LINT_DNS_BLANK = 32,      /* blanks and controls */
    POLICY_LINT_DNS_OTHER = 64,      /* other ASCII */
    POLICY_LINT_DNS_EMPTY = 128,     /* an empty label within */
    POLICY_LINT_DNS_HYPHEN = 256,    /* a label begins or ends with one */
    POLICY_LINT_DNS_RESERVED = 512,  /* "--" in third place without xn (RFC 5890 2.3.1) */
    POLICY_LINT_DNS_A_LABEL = 1024,  /* a label begins with xn-- */
    POLICY_LINT_DNS_A_BAD = 2048,    /* ... and nothing or a hyphen follows */
    POLICY_LINT_DNS_NUMERIC = 4096,  /* digits only in the last label */
    POLICY_LINT_DNS_EDGE_DOT = 8192, /* first or last octet is a dot */
    POLICY_LINT_DNS_LONG = 16384     /* a label over 63 octets, or 253 in all */
};
struct policy_lint_name {
    uint8_t type; /* GeneralName's tag number 0..8 */
    struct slice value;
    unsigned dns; /* mask, for dNSName */
    unsigned labels;
    struct slice last; /* last label */
};

enum policy_lint_key_type {
    POLICY_LINT_KEY_OTHER = 0,
    POLICY_LINT_KEY_RSA,
    POLICY_LINT_KEY_EC,
    POLICY_LINT_KEY_ED25519,
    POLICY_LINT_KEY_ED448
};
struct policy_lint_key {
    enum policy_lint_key_type type;
    struct policy_lint_algorithm algorithm;
    uint8_t unused;    /* of the BIT STRING */
    struct slice bits; /* its octets */
    bool rsa_read;     /* RSAPublicKey was read */
    struct slice n, e; /* contents of its INTEGERs */
};

/* Flags of pointers: distribution points and access descriptions. */
enum {
    POLICY_LINT_POINT_EMPTY = 1, /* neither name nor cRLIssuer */
    POLICY_LINT_POINT_REASONS = 2,
    POLICY_LINT_POINT_ISSUER = 4,   /* cRLIssuer */
    POLICY_LINT_POINT_RELATIVE = 8, /* nameRelativeToCRLIssuer */
    POLICY_LINT_POINT_NO_HTTP = 16, /* a name that is no http URI */
    POLICY_LINT_POINT_URI = 32,
    POLICY_LINT_POINT_OCSP = 64,
    POLICY_LINT_POINT_CA = 128,
    POLICY_LINT_POINT_OTHER = 256 /* another access method */
};
enum {
    POLICY_LINT_QUALIFIER_NOTICE = 1,
    POLICY_LINT_QUALIFIER_OTHER = 2,
    POLICY_LINT_QUALIFIER_CPS_NOT_HTTP = 4,
    POLICY_LINT_QUALIFIER_TEXT_TYPE =
        8, /* explicitText is an IA5String, or of no type of 4.2.1.4 */
    POLICY_LINT_QUALIFIER_TEXT_LONG = 16
};
enum {
    POLICY_LINT_TREES_EMPTY = 1,   /* no tree, or an empty one */
    POLICY_LINT_TREES_LIMITS = 2,  /* minimum written, or maximum */
    POLICY_LINT_TREES_ADDRESS = 4, /* iPAddress not 8 or 32 octets, or the mask has holes */
    POLICY_LINT_TREES_DNS = 8      /* dNSName with leading dot or star */
};

struct policy_lint_cert {
    const char *wrong;
    bool whole;                         /* a Certificate, not only its TBS */
    struct policy_lint_algorithm outer; /* of the Certificate */
    bool signature_octets;              /* its signature is a BIT STRING without unused bits */
    bool has_version;
    struct slice version, serial;
    struct policy_lint_algorithm algorithm;
    struct slice issuer_der, subject_der;
    struct policy_lint_time not_before, not_after;
    struct policy_lint_key key;
    bool unique_ids;
    const struct policy_lint_extension *ext[POLICY_LINT_EXT_COUNT]; /* first of each, or NULL */
    uint32_t bad; /* 1 << extension: value is not of its type */

    unsigned key_usage;
    bool ku_minimal;
    bool is_ca, has_path, ca_default; /* ca_default: FALSE is written */
    struct slice path;
    unsigned eku, n_eku;
    struct slice eku_repeated;
    size_t n_names, n_policies;
    unsigned qualifiers;
    struct policy_lint_aki aki;
    struct slice ski;
    unsigned access, points; /* AIA; CDP */
    size_t n_access, n_points;
    struct slice access_url, points_url; /* the first that is no http */
    unsigned trees;
    bool mapping_any, constraints_empty;

    /* Lists: only what their counts say is set. */
    struct policy_lint_dn issuer, subject;
    struct policy_lint_extensions extensions;
    struct slice policies[POLICY_LINT_POLICIES];
    struct policy_lint_name names[POLICY_LINT_NAMES];
};

void policy_lint_cert_read(struct slice der, struct policy_lint_cert *out);
/* policy_lint_cert_extensions reads the values of the extensions that were found. */
void policy_lint_cert_extensions(struct policy_lint_cert *c);
/* policy_lint_dns_scan fills dns, labels and last of a dNSName. */
void policy_lint_dns_scan(struct policy_lint_name *name);
/* policy_lint_ext: the extension when it is there and readable. */
static inline const struct policy_lint_extension *policy_lint_ext(const struct policy_lint_cert *c,
                                                                  enum policy_lint_ext id)
{
    return (c->bad >> id & 1) == 0 ? c->ext[id] : NULL;
}
struct slice policy_lint_ext_oid(enum policy_lint_ext id);
enum policy_lint_ext policy_lint_ext_id(struct slice oid);
/* policy_lint_subscriber: neither a CA's nor an OCSP responder's certificate. */
bool policy_lint_subscriber(const struct policy_lint_cert *c);
/* policy_lint_dns_mask finds the first dNSName with a bit of `mask`; NA without dNSName. */
enum policy_outcome policy_lint_dns_mask(const struct policy_lint_cert *c, unsigned mask,
                                         struct policy_lint_seen *seen);
/* policy_lint_critical judges an extension's flag; NA when absent. */
enum policy_outcome policy_lint_critical(const struct policy_lint_cert *c, enum policy_lint_ext id,
                                         bool must, struct policy_lint_seen *seen);

#endif
