/* An entry before the log adds producer, time and index: rules, and its prepared form. */
#ifndef CHANCERY_AUDIT_ENTRY_H
#define CHANCERY_AUDIT_ENTRY_H

#include "leaf.h"

#define AUDIT_ENTRIES_MAX 256 /* per Append: AppendRequest */
#define AUDIT_PERMIT_ITEM 32
#define AUDIT_REFUSED "intent_refused" /* action that only the log itself writes */

struct audit_entry {
    struct slice action;
    const struct audit_field *fields;
    size_t n_fields;
    struct slice permit_item; /* "intent" only: 32 octets */
    int64_t permit_expires_s; /* "intent" only */
};

/* What the writer needs: checked, fields encoded. */
struct audit_item {
    struct slice action, f;
    bool intent;
    uint8_t permit_item[AUDIT_PERMIT_ITEM];
    int64_t permit_expires_s;
};

/* audit_entries_prepare checks `n` entries and encodes their fields in `arena`. An INTENT's permit
 * item and expiry enter its fields as "permit_item" and "permit_expires_s". `signer`: the producer
 * is the signer, the only one that may write "intent" and "result"; `self`: it is the log itself.
 * Errors as rules "audit.entry.*" and "audit.field.*", with the entry's number in diag->field: the
 * whole Append is then refused, since its producer is broken. *out_priority: some entry is an
 * INTENT or RESULT. */
struct audit_role {
    bool signer, self;
};
enum chancery_err audit_entries_prepare(const struct audit_entry *entries, size_t n,
                                        struct audit_role role, struct arena *arena,
                                        struct audit_item *out, bool *out_priority,
                                        struct diag *diag) MUST_CHECK;

#endif
