/* Open addressing; the names are SHA-256 values, so their first octets are the hash. */
#include "permits.h"

#include <stdlib.h>

struct slot {
    uint8_t item[AUDIT_PERMIT_ITEM];
    int64_t keep_until_s; /* 0: empty */
};
struct audit_permits {
    struct slot *slots;
    size_t cap, used; /* cap: power of two */
};
#define FIRST_CAP 1024

struct audit_permits *audit_permits_new(void)
{
    struct audit_permits *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return NULL;
    }
    p->cap = FIRST_CAP;
    p->slots = calloc(p->cap, sizeof *p->slots);
    if (p->slots == NULL) {
        free(p);
        return NULL;
    }
    return p;
}

void audit_permits_free(struct audit_permits *p)
{
    if (p != NULL) {
        free(p->slots);
        free(p);
    }
}

/* The slot of an item, or the empty one where it belongs. The table is never full. */
static struct slot *locate(struct slot *slots, size_t cap, const uint8_t item[AUDIT_PERMIT_ITEM])
{
    uint64_t h;
    memcpy(&h, item, sizeof h);
    size_t i = (size_t)h & (cap - 1);
    while (slots[i].keep_until_s != 0 && memcmp(slots[i].item, item, AUDIT_PERMIT_ITEM) != 0) {
        i = (i + 1) & (cap - 1);
    }
    return &slots[i];
}

bool audit_permits_has(const struct audit_permits *p, const uint8_t item[AUDIT_PERMIT_ITEM])
{
    return locate(p->slots, p->cap, item)->keep_until_s != 0;
}

static enum chancery_err make_room(struct audit_permits *p, int64_t now_s)
{
    size_t live = 0;
    for (size_t i = 0; i < p->cap; i++) {
        live += p->slots[i].keep_until_s > now_s ? 1 : 0;
    }
    size_t cap = FIRST_CAP;
    while (cap < 4 * live) {
        cap *= 2;
    }
    struct slot *slots = calloc(cap, sizeof *slots);
    if (slots == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < p->cap; i++) {
        if (p->slots[i].keep_until_s > now_s) {
            *locate(slots, cap, p->slots[i].item) = p->slots[i];
        }
    }
    free(p->slots);
    p->slots = slots;
    p->cap = cap;
    p->used = live;
    return CH_OK;
}

enum chancery_err audit_permits_add(struct audit_permits *p, const uint8_t item[AUDIT_PERMIT_ITEM],
                                    int64_t keep_until_s, int64_t now_s)
{
    if (p->used >= p->cap / 2) {
        TRY(make_room(p, now_s));
    }
    struct slot *s = locate(p->slots, p->cap, item);
    p->used += s->keep_until_s == 0 ? 1 : 0;
    memcpy(s->item, item, AUDIT_PERMIT_ITEM);
    s->keep_until_s = keep_until_s > 0 ? keep_until_s : 1;
    return CH_OK;
}
