/* chancery-ca: wiring. */
#include <stdlib.h>

#include "bundles.h"
#include "conf/conf.h"
#include "daemon/daemon_db.h"
#include "lease.h"
#include "log/log.h"
#include "os/os.h"
#include "pool.h"
#include "rpc.h"

#define LEASE_DEFAULT_S 9
#define SETTLE_INTERVAL_MS 1000
#define BUNDLE_POLL_DEFAULT_S 1 /* below the lead of a promotion */

static void keep(void *ctx)
{
    struct ca *ca = ctx;
    struct diag diag = {.field = ""};
    enum chancery_err err = ca_lease_keep(ca->lease, os_now_s(), &diag);
    if (err == CH_INTEGRITY) {
        log_diag(LOG_LEVEL_ERROR, "ca.lease", err, &diag);
        daemon_stop(ca->d, err);
    } else if (err != CH_OK) {
        log_diag(LOG_LEVEL_WARN, "ca.lease", err, &diag);
    }
}

static void settle(void *ctx)
{
    struct ca *ca = ctx;
    struct diag diag = {.field = ""};
    enum chancery_err err = ca_lease_settle(ca->lease, &diag);
    if (err != CH_OK && err != CH_UNAVAILABLE) {
        log_diag(LOG_LEVEL_WARN, "ca.settle", err, &diag);
    }
    if (ca_lease_epoch(ca->lease) == 0) {
        daemon_every_wake(ca->d, "lease");
    }
}

static void wake_settle(void *ctx)
{
    struct ca *ca = ctx;
    daemon_every_wake(ca->d, "settle");
}

static void give_up(void *ctx)
{
    struct ca *ca = ctx;
    ca_lease_give_up(ca->lease);
}

static enum chancery_err lease_check(void *ctx, struct diag *diag)
{
    const struct ca *ca = ctx;
    return ca_lease_epoch(ca->lease) != 0
               ? CH_OK
               : diag_set(diag, CH_UNAVAILABLE, "lease", "ca.lease", "no lease has been taken yet");
}

static enum chancery_err append(void *ctx, const struct daemon_entry *entries, size_t n,
                                unsigned timeout_ms, struct daemon_ack *acks, struct diag *diag)
{
    struct ca *ca = ctx;
    return daemon_audit_append(ca->d, entries, n, timeout_ms, acks, diag);
}

static enum chancery_err open_lease(struct ca *ca, int64_t lease_s)
{
    struct ca_issuer_row *rows = arena_alloc(&ca->arena, ca->n_issuers * sizeof *rows);
    if (rows == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < ca->n_issuers; i++) {
        rows[i] = (struct ca_issuer_row){
            ca->issuers[i].issuer_id, ca->issuers[i].cert.der,
            slice_of(crypto_public_spki_sha256(ca->issuers[i].key), 32), ca->issuers[i].shards};
    }
    const struct ca_lease_opts opts = {.db = ca->db,
                                       .instance = daemon_instance(ca->d),
                                       .lease_s = lease_s,
                                       .append = append,
                                       .append_ctx = ca,
                                       .issuers = rows,
                                       .n_issuers = ca->n_issuers,
                                       .wake = wake_settle,
                                       .wake_ctx = ca};
    TRY(ca_lease_new(&opts, &ca->lease));
    TRY(daemon_every(ca->d, "lease", (unsigned)(lease_s * 1000 / 3), keep, ca));
    TRY(daemon_every(ca->d, "settle", SETTLE_INTERVAL_MS, settle, ca));
    TRY(daemon_check_add(ca->d, "lease", lease_check, ca));
    TRY(daemon_check_add(ca->d, "issuer keys", ca_keys_check, ca));
    return daemon_on_stop(ca->d, give_up, ca);
}

static enum chancery_err build(struct ca *ca, struct diag *diag)
{
    const char *issuers = NULL, *bundle = NULL;
    int64_t workers = 0, lease_s = LEASE_DEFAULT_S, poll_s = BUNDLE_POLL_DEFAULT_S;
    const struct conf_node *conf = daemon_conf(ca->d);
    const struct daemon_trust *trust = daemon_trust(ca->d);
    TRY(conf_string(conf, "issuers", CONF_REQUIRED, &issuers, diag));
    TRY(conf_string(conf, "bundle", CONF_REQUIRED, &bundle, diag));
    TRY(conf_int(conf, "workers", CONF_OPTIONAL, 0, 64, &workers, diag));
    TRY(conf_duration_s(conf, "lease", CONF_OPTIONAL, 3, 300, &lease_s, diag));
    TRY(conf_duration_s(conf, "bundle_poll", CONF_OPTIONAL, 1, 3600, &poll_s, diag));
    TRY(ca_issuers_load(ca, issuers, trust, diag));
    TRY(daemon_db_open(ca->d, &ca->db, diag));
    ca->policy = daemon_peer(ca->d, "policy");
    ca->signer = daemon_peer(ca->d, "signer");
    if (ca->policy == NULL || ca->signer == NULL) {
        return diag_set(diag, CH_INVALID, "peers", "config.peers",
                        "peers must name policy and signer");
    }
    TRY(ca_bundles_open(ca, bundle, (unsigned)poll_s * 1000, diag));
    TRY(ca_pool_new((unsigned)workers, &ca->pool));
    TRY(open_lease(ca, lease_s));
    return ca_rpc_add(ca);
}

static void clear(struct ca *ca)
{
    ca_pool_free(ca->pool);
    ca_lease_free(ca->lease);
    ca_bundles_free(ca->bundles);
    ca_issuers_free(ca);
    arena_clear(&ca->arena);
}

int main(int argc, char **argv)
{
    static struct ca ca;
    struct diag diag = {.field = ""};
    arena_init(&ca.arena, 0);
    enum chancery_err err = daemon_start(argc, argv, "ca", &ca.d, &diag);
    if (err == CH_OK) {
        err = build(&ca, &diag);
    }
    if (err == CH_OK) {
        err = daemon_run(ca.d, &diag);
    }
    int code = daemon_exit(ca.d, err, &diag); /* nothing runs any more */
    clear(&ca);
    return code;
}
