/* chancery-revocation: wiring (README.md says what the process is). */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "conf/conf.h"
#include "log/log.h"
#include "os/os.h"
#include "revocation.h"

/* Who may call Revoke: registration, and the responders of the configuration. */
static enum chancery_err read_revokers(struct revocation *rv, const struct conf_node *root,
                                       struct diag *diag)
{
    const struct conf_node *list = NULL;
    TRY(conf_list(root, "responders", CONF_OPTIONAL, &list, diag));
    size_t n = list == NULL ? 0 : conf_count(list);
    rv->conf.revokers = calloc(n + 2, sizeof(rv->conf.revokers[0]));
    if (rv->conf.revokers == NULL) {
        return CH_NOMEM;
    }
    rv->conf.revokers[0] = "/chancery/registration";
    for (size_t i = 0; i < n; i++) {
        const struct conf_node *item = conf_at(list, i);
        TRY(conf_scalar(item, &rv->conf.revokers[i + 1], diag));
        if (strncmp(rv->conf.revokers[i + 1], "/user/", 6) != 0 &&
            strncmp(rv->conf.revokers[i + 1], "spiffe://", 9) != 0) {
            return conf_error(item, CH_INVALID, "revocation.responders", diag,
                              "\"%s\" is not an identity: /user/<id> or spiffe://...",
                              rv->conf.revokers[i + 1]);
        }
    }
    return CH_OK;
}

static enum chancery_err read_crl(struct revocation_config *c, const struct conf_node *root,
                                  struct diag *diag)
{
    const struct conf_node *crl = NULL;
    c->crl_validity_s = 3 * 86400;
    c->crl_reissue_s = 43200;
    TRY(conf_map(root, "crl", CONF_OPTIONAL, &crl, diag));
    if (crl != NULL) {
        TRY(conf_duration_s(crl, "validity", CONF_OPTIONAL, 60, 10 * 86400, &c->crl_validity_s,
                            diag));
        c->crl_reissue_s = c->crl_validity_s / 4;
        TRY(conf_duration_s(crl, "reissue", CONF_OPTIONAL, 10, 10 * 86400, &c->crl_reissue_s,
                            diag));
    }
    if (c->crl_reissue_s > c->crl_validity_s / 2) {
        return diag_set(diag, CH_INVALID, "crl.reissue", "revocation.crl.reissue",
                        "must be at most half of crl.validity");
    }
    return CH_OK;
}

static enum chancery_err read_ocsp(struct revocation_config *c, const struct conf_node *root,
                                   struct diag *diag)
{
    const struct conf_node *ocsp = NULL;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    c->ocsp_validity_s = 8 * 3600;
    c->ocsp_max_age_s = 300;
    c->cache_entries = 50000;
    c->workers = cores < 2 ? 2 : cores > 16 ? 16 : cores;
    c->echo_nonce = true;
    TRY(conf_map(root, "ocsp", CONF_OPTIONAL, &ocsp, diag));
    if (ocsp == NULL) {
        return CH_OK;
    }
    TRY(conf_duration_s(ocsp, "validity", CONF_OPTIONAL, 60, 10 * 86400, &c->ocsp_validity_s,
                        diag));
    TRY(conf_duration_s(ocsp, "max_age", CONF_OPTIONAL, 0, 86400, &c->ocsp_max_age_s, diag));
    TRY(conf_int(ocsp, "cache", CONF_OPTIONAL, 8, 10000000, &c->cache_entries, diag));
    TRY(conf_int(ocsp, "workers", CONF_OPTIONAL, 1, 64, &c->workers, diag));
    TRY(conf_bool(ocsp, "echo_nonce", CONF_OPTIONAL, &c->echo_nonce, diag));
    return conf_bool(ocsp, "never_issued_is_revoked", CONF_OPTIONAL, &c->unknown_is_revoked, diag);
}

static enum chancery_err read_config(struct revocation *rv, struct diag *diag)
{
    const struct conf_node *root = daemon_conf(rv->d);
    const char *state = daemon_state_dir(rv->d);
    if (state == NULL || daemon_http_listen(rv->d) == NULL) {
        return diag_set(diag, CH_INVALID, "config", "revocation.config",
                        "state_dir and http.listen are required");
    }
    TRY(conf_string(root, "static_dir", CONF_REQUIRED, &rv->conf.static_dir, diag));
    TRY(read_revokers(rv, root, diag));
    TRY(read_crl(&rv->conf, root, diag));
    TRY(read_ocsp(&rv->conf, root, diag));
    if (asprintf(&rv->conf.www, "%s/www", state) < 0) {
        rv->conf.www = NULL;
        return CH_NOMEM;
    }
    if (os_mkdirs(rv->conf.www, 0755) != CH_OK) {
        return diag_set(diag, CH_IO, rv->conf.www, "revocation.www", "cannot make the folder");
    }
    return CH_OK;
}

static enum chancery_err open_parts(struct revocation *rv, struct diag *diag)
{
    char path[700], boot[9];
    int n = snprintf(path, sizeof(path), "%s/logged-revocations", daemon_state_dir(rv->d));
    if (n < 0 || (size_t)n >= sizeof(path)) {
        return CH_LIMIT;
    }
    hex_encode(slice_of(daemon_boot(rv->d), 4), boot);
    (void)snprintf(rv->claim, sizeof(rv->claim), "%s/%s", daemon_instance(rv->d), boot);
    rv->ca = daemon_peer(rv->d, "ca");
    rv->audit = daemon_peer(rv->d, "audit");
    if (rv->ca == NULL || rv->audit == NULL) {
        return diag_set(diag, CH_INVALID, "peers", "revocation.peers", "ca and audit are required");
    }
    TRY(daemon_db_open(rv->d, &rv->db, diag));
    TRY(daemon_hsm_open(rv->d, &rv->token, diag));
    TRY(revocation_issuers_load(rv, diag));
    TRY(revocation_journal_open(path, &rv->journal, diag));
    TRY(revocation_cache_new((size_t)rv->conf.cache_entries, rv->n_series, &rv->cache));
    TRY(revocation_serve_new(rv, &rv->serve));
    const struct http_opts http = {.listen = daemon_http_listen(rv->d)};
    return http_server_new(&http, revocation_http, rv, &rv->http, diag);
}

/* ---- tasks ---- */

/* HTTP begins with the other work, once daemon_run listens. */
static void http_run(void *ctx)
{
    struct revocation *rv = ctx;
    if (!rv->http_started) {
        rv->http_started = true;
        if (http_server_start(rv->http) != CH_OK) {
            daemon_stop(rv->d, CH_NOMEM);
        } else {
            log_event(LOG_LEVEL_INFO, "revocation.http",
                      LOG_NUM("port", http_server_port(rv->http)));
        }
    }
}

static void lease_run(void *ctx)
{
    struct revocation *rv = ctx;
    for (size_t i = 0; i < rv->n_issuers; i++) {
        if (rv->issuers[i].lease != NULL) {
            revocation_lease_tick(rv->issuers[i].lease, os_now_s());
        }
    }
}

/* Requests under way are answered, then workers end, then leases are accounted for. */
static void on_stop(void *ctx)
{
    struct revocation *rv = ctx;
    http_server_stop(rv->http);
    revocation_serve_stop(rv->serve);
    for (size_t i = 0; i < rv->n_issuers; i++) {
        if (rv->issuers[i].lease != NULL) {
            revocation_lease_end(rv->issuers[i].lease);
        }
    }
}

static enum chancery_err is_reconciled(void *ctx, struct diag *diag)
{
    struct revocation *rv = ctx;
    return atomic_load(&rv->reconciled)
               ? CH_OK
               : diag_set(diag, CH_UNAVAILABLE, "log", "revocation.reconcile",
                          "the log has not been replayed yet");
}

static enum chancery_err add_tasks(struct revocation *rv)
{
    struct daemon *d = rv->d;
    TRY(daemon_check_add(d, "crl", revocation_crls_current, rv));
    TRY(daemon_check_add(d, "reconciled", is_reconciled, rv));
    TRY(daemon_every(d, "http", 3600000, http_run, rv));
    TRY(daemon_every(d, "crl", 250, revocation_schedule_run, rv));
    TRY(daemon_every(d, "voided", 1000, revocation_voided_run, rv));
    TRY(daemon_every(d, "reconcile", 2000, revocation_reconcile_run, rv));
    TRY(daemon_every(d, "lease", 5000, lease_run, rv));
    TRY(daemon_on_stop(d, on_stop, rv));
    return revocation_rpc_add(rv);
}

static void clear(struct revocation *rv)
{
    http_server_free(rv->http);
    revocation_serve_free(rv->serve);
    revocation_cache_free(rv->cache);
    revocation_journal_free(rv->journal);
    revocation_issuers_free(rv);
    free(rv->conf.www);
    free((void *)rv->conf.revokers);
    pthread_mutex_destroy(&rv->lock);
}

int main(int argc, char **argv)
{
    struct revocation rv = {0};
    struct diag diag = {0};
    pthread_mutex_init(&rv.lock, NULL);
    enum chancery_err err = daemon_start(argc, argv, "revocation", &rv.d, &diag);
    if (err == CH_OK) {
        err = read_config(&rv, &diag);
    }
    if (err == CH_OK) {
        err = open_parts(&rv, &diag);
    }
    if (err == CH_OK) {
        err = add_tasks(&rv);
    }
    if (err == CH_OK) {
        err = daemon_run(rv.d, &diag);
    }
    /* Before the daemon, which owns token and database; its method table is static. */
    http_server_stop(rv.http);
    revocation_serve_stop(rv.serve);
    int code = daemon_exit(rv.d, err, &diag);
    clear(&rv);
    return code;
}
