/* Rules for entries, and their encoding ahead of the writer thread. Pure. */
#include "entry.h"

#include <stdio.h>

static enum chancery_err check_action(const struct audit_entry *e, struct audit_role role,
                                      struct diag *diag)
{
    if (!audit_action_ok(e->action)) {
        return diag_set(diag, CH_INVALID, "action", "audit.entry.action",
                        "an action is 1 to %d of a-z, 0-9, '.', '_' and '-'", AUDIT_ACTION_MAX);
    }
    bool intent = slice_eq(e->action, slice_str("intent"));
    bool result = slice_eq(e->action, slice_str("result"));
    if ((intent || result) && !role.signer) {
        return diag_set(diag, CH_DENIED, "action", "audit.entry.signer",
                        "only the signer writes intents and results");
    }
    if (slice_eq(e->action, slice_str(AUDIT_REFUSED)) && !role.self) {
        return diag_set(diag, CH_DENIED, "action", "audit.entry.reserved",
                        "only the log writes this action");
    }
    if (intent && (e->permit_item.len != AUDIT_PERMIT_ITEM || e->permit_expires_s <= 0)) {
        return diag_set(diag, CH_INVALID, "permit_item", "audit.entry.permit",
                        "an intent names its permit item (%d octets) and the permit's expiry",
                        AUDIT_PERMIT_ITEM);
    }
    if (!intent && (e->permit_item.len != 0 || e->permit_expires_s != 0)) {
        return diag_set(diag, CH_INVALID, "permit_item", "audit.entry.permit",
                        "only an intent names a permit item");
    }
    return CH_OK;
}

/* A field of the log's own for intents. The producer may have sent the same one; another value
 * under that name would make leaf and single-use check disagree. */
static enum chancery_err add_own(struct audit_field *fields, size_t *n, struct audit_field own,
                                 struct diag *diag)
{
    for (size_t i = 0; i < *n; i++) {
        if (!slice_eq(fields[i].name, own.name)) {
            continue;
        }
        if (fields[i].type != own.type || fields[i].num != own.num ||
            !slice_eq(fields[i].value, own.value)) {
            return diag_set(diag, CH_INVALID, "fields", "audit.entry.permit",
                            "field and permit of the intent differ");
        }
        return CH_OK;
    }
    fields[(*n)++] = own;
    return CH_OK;
}

static enum chancery_err prepare(const struct audit_entry *e, struct audit_role role,
                                 struct arena *arena, struct buf *scratch, struct audit_item *out,
                                 struct diag *diag)
{
    TRY(check_action(e, role, diag));
    if (e->n_fields > AUDIT_FIELDS_MAX) {
        return diag_set(diag, CH_LIMIT, "fields", "audit.field.count", "more than %d fields",
                        AUDIT_FIELDS_MAX);
    }
    struct audit_field fields[AUDIT_FIELDS_MAX + 2];
    size_t n = e->n_fields;
    if (n > 0) {
        memcpy(fields, e->fields, n * sizeof *fields);
    }
    struct audit_item item = {.permit_expires_s = e->permit_expires_s};
    item.intent = slice_eq(e->action, slice_str("intent"));
    if (item.intent) {
        memcpy(item.permit_item, e->permit_item.ptr, AUDIT_PERMIT_ITEM);
        TRY(add_own(fields, &n,
                    (struct audit_field){.name = slice_str("permit_item"),
                                         .type = AUDIT_DIGEST,
                                         .value = e->permit_item},
                    diag));
        TRY(add_own(fields, &n,
                    (struct audit_field){.name = slice_str("permit_expires_s"),
                                         .type = AUDIT_NUMBER,
                                         .num = e->permit_expires_s},
                    diag));
    }
    buf_reset(scratch);
    TRY(audit_fields_write(fields, n, scratch, diag));
    uint8_t *f = arena_copy(arena, buf_slice(scratch));
    uint8_t *action = arena_copy(arena, e->action);
    if (f == NULL || action == NULL) {
        return diag_set(diag, CH_NOMEM, "", "audit.memory", "out of memory");
    }
    item.f = slice_of(f, scratch->len);
    item.action = slice_of(action, e->action.len);
    *out = item;
    return CH_OK;
}

enum chancery_err audit_entries_prepare(const struct audit_entry *entries, size_t n,
                                        struct audit_role role, struct arena *arena,
                                        struct audit_item *out, bool *out_priority,
                                        struct diag *diag)
{
    if (n == 0 || n > AUDIT_ENTRIES_MAX) {
        return diag_set(diag, CH_INVALID, "entries", "audit.entries.count",
                        "1 to %d entries per Append", AUDIT_ENTRIES_MAX);
    }
    bool priority = false;
    CLEANUP(buf_clear) struct buf scratch;
    /* Escaping makes six octets of one at most: what is too long is reported by its own limit. */
    buf_init(&scratch, AUDIT_FIELDS_MAX * (6 * AUDIT_TEXT_MAX + 256));
    for (size_t i = 0; i < n; i++) {
        struct diag inner = {0};
        enum chancery_err err = prepare(&entries[i], role, arena, &scratch, &out[i], &inner);
        if (err != CH_OK) {
            char field[sizeof inner.field];
            (void)snprintf(field, sizeof field, "entries[%zu].%.64s", i, inner.field);
            return diag_set(diag, err, field, inner.rule, "%s", inner.text);
        }
        priority = priority || out[i].intent || slice_eq(out[i].action, slice_str("result"));
    }
    *out_priority = priority;
    return CH_OK;
}
