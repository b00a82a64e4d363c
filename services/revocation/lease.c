#include "lease.h"

#include <pthread.h>
#include <stdlib.h>

#include "log/log.h"
#include "tlog/tlog.h"

#define LEASE_SIGNATURES 20000 /* an append per so many signatures costs nothing */
#define LEASE_SECONDS 3600     /* what a crash leaves unknown is at most an hour */

struct revocation_lease {
    struct daemon *d;
    const char *name;
    uint8_t key[32];
    pthread_mutex_t lock;
    bool open;
    uint64_t index; /* of the log entry that opened it */
    uint64_t count;
    int64_t until_s;
    struct tlog_range digests;
};

enum chancery_err revocation_lease_new(struct daemon *d, const char *name,
                                       const uint8_t spki_sha256[32], struct revocation_lease **out)
{
    struct revocation_lease *l = calloc(1, sizeof(*l));
    if (l == NULL) {
        return CH_NOMEM;
    }
    l->d = d;
    l->name = name;
    memcpy(l->key, spki_sha256, 32);
    pthread_mutex_init(&l->lock, NULL);
    *out = l;
    return CH_OK;
}

void revocation_lease_free(struct revocation_lease *l)
{
    if (l != NULL) {
        pthread_mutex_destroy(&l->lock);
        free(l);
    }
}

static enum chancery_err end_locked(struct revocation_lease *l, struct diag *diag)
{
    struct tlog_hash root;
    tlog_range_root(&l->digests, &root);
    const struct daemon_field fields[] = {
        DAEMON_NUM("count", l->count), DAEMON_DIGEST("key", slice_of(l->key, 32)),
        DAEMON_NUM("lease", l->index), DAEMON_DIGEST("root", slice_of(root.b, 32))};
    TRY(daemon_audit(l->d, "ocsp.lease.end", fields, 4, NULL, diag));
    l->open = false;
    return CH_OK;
}

static enum chancery_err open_locked(struct revocation_lease *l, int64_t now_s, struct diag *diag)
{
    const struct daemon_field fields[] = {
        DAEMON_DIGEST("key", slice_of(l->key, 32)), DAEMON_STR("name", l->name),
        DAEMON_NUM("until", now_s + LEASE_SECONDS), DAEMON_NUM("up_to", LEASE_SIGNATURES)};
    if (l->open) {
        TRY(end_locked(l, diag));
    }
    TRY(daemon_audit(l->d, "ocsp.lease", fields, 4, &l->index, diag));
    l->open = true;
    l->count = 0;
    l->until_s = now_s + LEASE_SECONDS;
    l->digests = (struct tlog_range){0};
    return CH_OK;
}

enum chancery_err revocation_lease_take(struct revocation_lease *l, const uint8_t digest[32],
                                        int64_t now_s, struct diag *diag)
{
    enum chancery_err err = CH_OK;
    struct tlog_hash leaf;
    tlog_leaf_hash(slice_of(digest, 32), &leaf);
    pthread_mutex_lock(&l->lock);
    if (!l->open || l->count >= LEASE_SIGNATURES || now_s >= l->until_s) {
        err = open_locked(l, now_s, diag);
    }
    if (err == CH_OK) {
        l->count++;
        tlog_range_add(&l->digests, &leaf);
    }
    pthread_mutex_unlock(&l->lock);
    return err;
}

static void end_if(struct revocation_lease *l, bool now, int64_t now_s)
{
    struct diag diag = {0};
    pthread_mutex_lock(&l->lock);
    if (l->open && (now || now_s >= l->until_s)) {
        enum chancery_err err = end_locked(l, &diag);
        if (err != CH_OK) {
            log_diag(LOG_LEVEL_WARN, "revocation.lease_end", err, &diag);
        }
    }
    pthread_mutex_unlock(&l->lock);
}

void revocation_lease_tick(struct revocation_lease *l, int64_t now_s)
{
    end_if(l, false, now_s);
}

void revocation_lease_end(struct revocation_lease *l)
{
    end_if(l, true, 0);
}
