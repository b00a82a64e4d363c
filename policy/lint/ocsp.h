/* An OCSP answer as its lints see it (RFC 6960 4.2.1). */
#ifndef CHANCERY_POLICY_LINT_OCSP_H
#define CHANCERY_POLICY_LINT_OCSP_H

#include "policy/lint/lint_int.h"

struct policy_lint_ocsp {
    const char *wrong;
    bool whole, signature_octets;
    struct policy_lint_algorithm outer; /* of the BasicOCSPResponse */
    bool has_version;
    bool by_key;
    struct slice key_hash;
    struct policy_lint_time produced;
    struct slice singles; /* content of responses */
    const struct policy_lint_extension *nonce_ext;
    bool nonce_wrapped; /* its value is an OCTET STRING */
    struct slice nonce;
    struct policy_lint_extensions extensions;
};

enum policy_lint_status {
    POLICY_LINT_STATUS_NONE = 0,
    POLICY_LINT_STATUS_GOOD,
    POLICY_LINT_STATUS_REVOKED,
    POLICY_LINT_STATUS_UNKNOWN
};
struct policy_lint_single {
    const struct policy_lint_ocsp *answer;
    const char *wrong;
    struct slice id, previous_id;         /* whole CertID; that of the one before */
    struct slice hash_oid, previous_hash; /* algorithm of the one before */
    struct policy_lint_algorithm hash;
    struct slice name_hash, key_hash, serial;
    enum policy_lint_status status;
    struct policy_lint_time revoked;
    bool has_reason;
    struct slice reason; /* content of the ENUMERATED */
    struct policy_lint_time this_update, next_update;
    bool has_next;
    const struct policy_lint_extension *archive_ext;
    struct policy_lint_time archive;
    bool archive_read;
    struct policy_lint_extensions extensions;
};

void policy_lint_ocsp_read(struct slice der, struct policy_lint_ocsp *out);
/* policy_lint_single_next: as policy_lint_entry_next, for SingleResponses. */
bool policy_lint_single_next(struct policy_walk *w, struct policy_lint_single *out);

#endif
