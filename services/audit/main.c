/* chancery-audit: the log of record, its proofs and its checkpoints. Wiring only. */
#include <stdio.h>

#include "chancery/audit/v1/audit.pb-c.h"
#include "conf/conf.h"
#include "log/log.h"
#include "os/os.h"
#include "service.h"

/* Between looks for something to publish: far below the second within which an entry must be
 * covered, and it bounds the rate of checkpoint signatures. */
#define PUBLISH_MS 200
#define PUBLISH_TASK "publish"

static const char *const append_callers[] = {"/chancery/*", NULL};
static const char *const readers[] = {"/chancery/*", "/user/*", NULL};
static const struct rpc_method methods[] = {
    {"Append", RPC_UNARY, audit_rpc_append, append_callers},
    {"GetCheckpoint", RPC_UNARY, audit_rpc_get_checkpoint, readers},
    {"GetProof", RPC_UNARY, audit_rpc_get_proof, readers},
    {"ListEntries", RPC_UNARY, audit_rpc_list_entries, readers},
    {"StreamEntries", RPC_SERVER_STREAM, audit_rpc_stream_entries, readers},
};

struct process {
    struct audit_service service;
    char log_dir[2048], second[2048], second_dir[2048];
    enum chancery_err told; /* last outcome of publishing that was logged */
};

static enum chancery_err admit(void *ctx, uint64_t size, struct diag *diag)
{
    struct process *p = ctx;
    return audit_publisher_admit(p->service.publisher, size, diag);
}

static void publish_task(void *ctx)
{
    struct process *p = ctx;
    struct diag diag = {0};
    struct audit_position at;
    audit_writer_position(p->service.writer, &at);
    enum chancery_err err = audit_publisher_run(p->service.publisher, &at, &diag);
    if (err != CH_OK && err != p->told) {
        log_diag(err == CH_INTEGRITY ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN, "audit.publish", err,
                 &diag);
    }
    p->told = err;
    audit_waiters_serve(&p->service, daemon_stopping(p->service.daemon));
}

static enum chancery_err writer_ready(void *ctx, struct diag *diag)
{
    struct process *p = ctx;
    return audit_writer_check(p->service.writer, diag);
}

/* After the last RPC and the last entry: what is committed is published, then the writer ends. */
static void stop(void *ctx)
{
    struct process *p = ctx;
    publish_task(p);
    audit_writer_stop(p->service.writer);
    p->service.writer = NULL;
}

static enum chancery_err path_of(const char *folder, const char *name, char *out, size_t cap)
{
    int n = snprintf(out, cap, "%s/%s", folder, name);
    return n < 0 || (size_t)n >= cap ? CH_LIMIT : CH_OK;
}

static enum chancery_err read_paths(struct process *p, struct diag *diag)
{
    const struct daemon *d = p->service.daemon;
    const char *log_dir = NULL;
    const char *second_dir = NULL;
    TRY(conf_string(daemon_conf(d), "log_dir", CONF_OPTIONAL, &log_dir, diag));
    TRY(conf_string(daemon_conf(d), "second_dir", CONF_REQUIRED, &second_dir, diag));
    if (log_dir == NULL && daemon_state_dir(d) == NULL) {
        return diag_set(diag, CH_INVALID, "log_dir", "audit.conf",
                        "log_dir or state_dir is required");
    }
    enum chancery_err err =
        log_dir != NULL ? path_of(log_dir, ".", p->log_dir, sizeof p->log_dir)
                        : path_of(daemon_state_dir(d), "log/.", p->log_dir, sizeof p->log_dir);
    if (err == CH_OK) {
        p->log_dir[strlen(p->log_dir) - 2] = '\0'; /* without the "/." that made both cases one */
        err = path_of(second_dir, "checkpoint", p->second, sizeof p->second);
    }
    if (err != CH_OK) {
        return diag_set(diag, err, "log_dir", "audit.conf", "a path is too long");
    }
    err = os_mkdirs(second_dir, 0700);
    return err == CH_OK
               ? CH_OK
               : diag_set(diag, err, second_dir, "audit.conf", "cannot make the second place");
}

static enum chancery_err open_key(struct daemon *d, struct hsm_token *token, const char *name,
                                  const char *usual, struct hsm_key **out, struct diag *diag)
{
    const struct conf_node *hsm = NULL;
    const char *uri = usual;
    TRY(conf_map(daemon_conf(d), "hsm", CONF_REQUIRED, &hsm, diag));
    TRY(conf_string(hsm, name, CONF_OPTIONAL, &uri, diag));
    struct hsm_key *key = NULL;
    TRY(hsm_key_open(token, uri, &key, diag));
    if (daemon_keys_find(&daemon_trust(d)->checkpoint, hsm_key_spki_sha256(key)) == NULL) {
        return diag_set(diag, CH_INTEGRITY, "hsm", "trust.key",
                        "%s is not one of the checkpoint keys in trust.json", uri);
    }
    *out = key;
    return CH_OK;
}

static enum chancery_err start_publisher(struct process *p, struct diag *diag)
{
    struct daemon *d = p->service.daemon;
    struct hsm_token *token = NULL;
    struct audit_publisher_opts o = {.log_dir = p->log_dir,
                                     .second_checkpoint = p->second,
                                     .origin = daemon_trust(d)->origin,
                                     .pool = p->service.pool};
    TRY(daemon_hsm_open(d, &token, diag));
    TRY(open_key(d, token, "checkpoint_p256", "pkcs11:object=checkpoint-p256;type=private",
                 &o.keys[0], diag));
    TRY(open_key(d, token, "checkpoint_ed25519", "pkcs11:object=checkpoint-ed25519;type=private",
                 &o.keys[1], diag));
    return audit_publisher_new(&o, &p->service.publisher, diag);
}

static enum chancery_err start_writer(struct process *p, struct diag *diag)
{
    struct daemon *d = p->service.daemon;
    const struct conf_node *database = NULL;
    struct audit_writer_opts o = {
        .instance = daemon_instance(d), .self = daemon_identity(d), .admit = admit, .ctx = p};
    TRY(conf_map(daemon_conf(d), "database", CONF_REQUIRED, &database, diag));
    TRY(conf_string(database, "conninfo", CONF_REQUIRED, &o.conninfo, diag));
    TRY(audit_writer_start(&o, &p->service.writer, diag));
    TRY(daemon_on_stop(d, stop, p));
    TRY(daemon_check_add(d, "log", writer_ready, p));
    return daemon_every(d, PUBLISH_TASK, PUBLISH_MS, publish_task, p);
}

static enum chancery_err serve(struct process *p, struct diag *diag)
{
    struct daemon *d = p->service.daemon;
    TRY(daemon_uri(d, "/chancery/signer", p->service.signer, sizeof p->service.signer));
    p->service.waiters = audit_waiters_new();
    if (p->service.waiters == NULL) {
        return CH_NOMEM;
    }
    TRY(read_paths(p, diag));
    TRY(daemon_db_open(d, &p->service.pool, diag));
    TRY(start_publisher(p, diag));
    TRY(start_writer(p, diag));
    daemon_audit_sink(d, audit_sink, &p->service);
    TRY(rpc_server_add(daemon_server(d), &chancery__audit__v1__audit_service__descriptor, methods,
                       sizeof methods / sizeof methods[0], &p->service));
    return daemon_run(d, diag);
}

int main(int argc, char **argv)
{
    static struct process p;
    struct diag diag = {0};
    enum chancery_err err = daemon_start(argc, argv, "audit", &p.service.daemon, &diag);
    if (err == CH_OK) {
        err = serve(&p, &diag);
    }
    audit_writer_stop(p.service.writer); /* when the start failed before the stop hook was there */
    audit_publisher_free(p.service.publisher);
    audit_waiters_free(p.service.waiters);
    return daemon_exit(p.service.daemon, err, &diag);
}
