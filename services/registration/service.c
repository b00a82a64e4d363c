/* Database, statement key, peers, drivers and RPC table of registration. */
#include "conf/conf.h"
#include "daemon/daemon_db.h"
#include "daemon/daemon_hsm.h"
#include "log/log.h"
#include "os/os.h"
#include "pending.h"

#define PURGE_INTERVAL_MS (3600 * 1000)

static const char *const anyone[] = {"/user/*",
                                     "/chancery/acme",
                                     "/chancery/est",
                                     "/chancery/scep",
                                     "/chancery/cmp",
                                     "/chancery/rest",
                                     NULL};

/* Whoever may read certificates may see what waits; only people and their console approve. */
static const char *const people[] = {"/user/*", "/chancery/rest", NULL};

static const struct rpc_method methods[] = {
    {"Enroll", RPC_UNARY, registration_rpc_enroll, anyone},
    {"EnrollBatch", RPC_UNARY, registration_rpc_enroll_batch, anyone},
    {"GetCertificate", RPC_UNARY, registration_rpc_get, anyone},
    {"ListCertificates", RPC_UNARY, registration_rpc_list, anyone},
    {"Revoke", RPC_UNARY, registration_rpc_revoke, anyone},
    {"GetIssuer", RPC_UNARY, registration_rpc_issuers, anyone},
    {"ListPending", RPC_UNARY, registration_rpc_list_pending, people},
    {"GetPending", RPC_UNARY, registration_rpc_get_pending, people},
    {"Approve", RPC_UNARY, registration_rpc_approve, people},
};

static void purge(void *ctx)
{
    struct registration *r = ctx;
    struct diag diag = {.text = ""};
    int64_t now_s = os_now_s(), db_now = 0;
    /* A clock that ran ahead must not forget outcomes. */
    enum chancery_err err = db_now_s(r->db, &db_now, &diag);
    if (err == CH_OK) {
        err = registration_store_purge(r, db_now < now_s ? db_now : now_s, &diag);
    }
    if (err != CH_OK && err != CH_UNAVAILABLE) {
        log_diag(LOG_LEVEL_WARN, "registration.purge", err, &diag);
    }
}

static void stop_queue(void *ctx)
{
    registration_queue_stop(ctx);
}

enum chancery_err registration_service_open(struct registration *r, struct diag *diag)
{
    struct hsm_token *token = NULL;
    TRY(registration_patterns_read(r->daemon, "revokers", &r->revokers, diag));
    TRY(registration_patterns_read(r->daemon, "readers", &r->readers, diag));
    TRY(daemon_db_open(r->daemon, &r->db, diag));
    TRY(daemon_hsm_open(r->daemon, &token, diag));
    TRY(daemon_hsm_key(r->daemon, token, &daemon_trust(r->daemon)->statement, &r->statement_key,
                       diag));
    r->ca = daemon_peer(r->daemon, "ca");
    r->revocation = daemon_peer(r->daemon, "revocation");
    if (r->ca == NULL || r->revocation == NULL) {
        return diag_set(diag, CH_INVALID, "peers", "config.peers",
                        "peers must name ca and revocation");
    }
    enum chancery_err started = registration_queue_start(r);
    TRY(daemon_on_stop(r->daemon, stop_queue, r));
    TRY(started);
    TRY(daemon_every(r->daemon, "purge", PURGE_INTERVAL_MS, purge, r));
    return rpc_server_add(daemon_server(r->daemon),
                          &chancery__registration__v1__registration_service__descriptor, methods,
                          sizeof methods / sizeof methods[0], r);
}
