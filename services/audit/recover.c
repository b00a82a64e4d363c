/* Reads the newest part of the log back into the writer's state at start. */
#include "state.h"
#include "store.h"

struct replaying {
    struct audit_state *state;
    struct diag *diag;
};

static enum chancery_err replay_entry(void *ctx, uint64_t index, struct slice leaf)
{
    struct replaying *r = ctx;
    return audit_state_replay(r->state, index, leaf, r->diag);
}

enum chancery_err audit_state_load(struct audit_state *s, struct db_conn *conn, struct diag *diag)
{
    uint64_t from = 0;
    uint64_t size = 0;
    TRY(audit_store_tail(conn, (int64_t)AUDIT_REPLAY_S * 1000000000, &from, &size, diag));
    s->next = from;
    struct replaying r = {s, diag};
    while (s->next < size) {
        uint64_t before = s->next;
        TRY(audit_store_read(conn, s->next, size, replay_entry, &r, diag));
        if (s->next == before) {
            return diag_set(diag, CH_INTEGRITY, "audit.batch", "audit.log.gap",
                            "the log has no entry %llu", (unsigned long long)before);
        }
    }
    return CH_OK;
}
