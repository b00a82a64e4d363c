/* Refusals in the audit log, and who may revoke what. */
#include "registration.h"

#define REFUSAL_TIMEOUT_MS 5000
#define REFUSAL_FIELDS 6
#define PROFILE_MAX 64

enum chancery_err registration_audit_refusals(struct registration *r,
                                              const struct registration_refusal *list, size_t n,
                                              struct diag *diag)
{
    struct daemon_field fields[PERMIT_BATCH_MAX][REFUSAL_FIELDS];
    struct daemon_entry entries[PERMIT_BATCH_MAX];
    struct daemon_ack acks[PERMIT_BATCH_MAX];
    if (n == 0 || n > PERMIT_BATCH_MAX) {
        return CH_INTERNAL;
    }
    for (size_t i = 0; i < n; i++) {
        struct daemon_field *f = fields[i];
        size_t k = 0;
        f[k++] = DAEMON_STR("caller", list[i].caller);
        f[k++] = DAEMON_STR("error", err_name(list[i].err));
        f[k++] = DAEMON_STR("rule", list[i].diag->rule);
        f[k++] = DAEMON_STR("field", list[i].diag->field);
        /* Longer ones were refused for their length: only a name is worth a place in the log. */
        f[k++] =
            DAEMON_STR("profile", strlen(list[i].profile) <= PROFILE_MAX ? list[i].profile : "");
        if (list[i].request_id != NULL) {
            f[k++] = DAEMON_DIGEST("request", slice_of(list[i].request_id, 16));
        }
        entries[i] = (struct daemon_entry){.action = "refusal", .fields = f, .n_fields = k};
    }
    TRY(daemon_audit_append(r->daemon, entries, n, REFUSAL_TIMEOUT_MS, acks, diag));
    for (size_t i = 0; i < n; i++) {
        if (acks[i].err != CH_OK) {
            return diag_set(diag, CH_UNAVAILABLE, "", "audit.refusal",
                            "the refusal could not be logged; retry later");
        }
    }
    return CH_OK;
}
