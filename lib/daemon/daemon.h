/* The frame every server process stands in: configuration, trust, identity, peers, readiness,
 * audit.
 *
 * A service's main:
 *     struct daemon *d; struct diag diag = {0};
 *     enum chancery_err err = daemon_start(argc, argv, "signer", &d, &diag);
 *     if (err == CH_OK) { ... build the service from daemon_conf(d), daemon_trust(d) ...
 *         err = rpc_server_add(daemon_server(d), &service__descriptor, methods, n, ctx); }
 *     if (err == CH_OK) { err = daemon_run(d, &diag); }
 *     return daemon_exit(d, err, &diag);          // logs, frees d, gives the exit code
 *
 * daemon_start reads everything, opens what is needed and hardens the process; no byte from outside
 * is read before daemon_run, which listens. SIGTERM, SIGINT and SIGHUP are blocked from
 * daemon_start on, in every thread. What needs the HSM or the database is in daemon_hsm.h and
 * daemon_db.h, libraries of their own: a process that must not have one does not link it. */
#ifndef CHANCERY_DAEMON_DAEMON_H
#define CHANCERY_DAEMON_DAEMON_H

#include "base/bytes.h"
#include "crypto/alg.h"
#include "rpc/rpc.h"

struct daemon;
struct conf_node; /* conf/conf.h */

/* ---- life ---- */

/* daemon_start reads `chancery-<process> --config FILE.yaml`, starts the log, hardens the process,
 * loads trust.json, checks its pin and the root's signature, starts libgrpc, prepares channels to
 * all peers of the configuration and the RPC server. `process` is the short name ("signer"). --help
 * and
 * --version print and exit. On failure *out is NULL and everything is undone. */
enum chancery_err daemon_start(int argc, char **argv, const char *process, struct daemon **out,
                               struct diag *diag) MUST_CHECK;

/* daemon_run audits the start, listens, serves until SIGTERM, SIGINT or daemon_stop, then drains:
 * not ready, RPCs drained, periodic tasks joined, stop hooks in reverse order, stop audited. The
 * database or peers need not be there: the process waits unready. CH_OK after an orderly stop. */
enum chancery_err daemon_run(struct daemon *d, struct diag *diag) MUST_CHECK;

/* daemon_stop makes daemon_run return; from any thread, any number of times. `err` other than CH_OK
 * is what daemon_run returns (a fault that only a restart heals). */
void daemon_stop(struct daemon *d, enum chancery_err err);

/* daemon_free frees everything. NULL is fine. What the service put into the server's method tables
 * must live until then. */
void daemon_free(struct daemon *d);

/* daemon_exit logs `err` unless CH_OK, frees `d` (may be NULL), returns the process exit code:
 * 0; 2 configuration refused (CH_INVALID, CH_MALFORMED); 1 anything else. */
int daemon_exit(struct daemon *d, enum chancery_err err, const struct diag *diag);

/* ---- what the configuration says ---- */

const struct conf_node *daemon_conf(const struct daemon *d); /* whole document; own keys by name */
const char *daemon_process(const struct daemon *d);          /* "signer" */
const char *daemon_instance(const struct daemon *d);         /* "signer-1" */
const char *daemon_identity(const struct daemon *d);         /* own SPIFFE URI */
const char *daemon_trust_domain(const struct daemon *d);
const char *daemon_state_dir(const struct daemon *d);   /* NULL when not configured */
const char *daemon_http_listen(const struct daemon *d); /* http.listen, NULL when absent */
const uint8_t *daemon_boot(const struct daemon *d);     /* 16 random bytes of this start */

/* daemon_uri writes "spiffe://<trust-domain>" + `path` ("/chancery/ca") to `out`. CH_LIMIT. */
enum chancery_err daemon_uri(const struct daemon *d, const char *path, char *out,
                             size_t cap) MUST_CHECK;

/* ---- trust.json ---- */

struct daemon_keys {
    struct crypto_public **keys;
    size_t n;
};

struct daemon_issuer {
    const char *issuer_id;
    struct slice certificate;       /* DER */
    uint32_t shards;                /* 0: complete CRLs without distributionPoint (a root) */
    const char *crl_url, *ocsp_url; /* bases as in trust.json; "" when absent */
};

/* Immutable after start. */
struct daemon_trust {
    const char *trust_domain, *origin; /* origin: of the audit log's checkpoints */
    struct daemon_keys permit, statement, checkpoint;
    const struct daemon_issuer *issuers;
    size_t n_issuers;
    uint8_t bundle_sha256[32]; /* first policy bundle */
    uint8_t sha256[32];        /* of the file: the pin */
    bool rehearsal;
};
const struct daemon_trust *daemon_trust(const struct daemon *d);

/* daemon_trust_issuer finds by id, NULL when unknown. */
const struct daemon_issuer *daemon_trust_issuer(const struct daemon *d, const char *issuer_id);

/* daemon_keys_find returns the key with that SHA-256 of its SPKI, NULL when it is not pinned. */
const struct crypto_public *daemon_keys_find(const struct daemon_keys *keys,
                                             const uint8_t spki_sha256[32]);

/* daemon_keys_verify says whether one of `keys` signed `message` with its default algorithm
 * (crypto_alg_default). *out_valid is false first. */
enum chancery_err daemon_keys_verify(const struct daemon_keys *keys, struct slice message,
                                     struct slice signature, bool *out_valid,
                                     struct diag *diag) MUST_CHECK;

/* ---- RPC ---- */

/* daemon_server is the RPC server, made and not yet listening; daemon_run starts it. */
struct rpc_server *daemon_server(struct daemon *d);

/* daemon_peer is the channel to `process` from the configuration's `peers`, required identity
 * /chancery/<process>; NULL when not configured. Methods that are safe to repeat are retried by it
 * (table in peers.c). */
struct rpc_channel *daemon_peer(struct daemon *d, const char *process);

/* ---- readiness ---- */

/* A check: CH_OK when this part can work now; else why not (diag). May block for 1 s at most. */
typedef enum chancery_err daemon_check_fn(void *ctx, struct diag *diag);

/* daemon_check_add adds a readiness check. A loop calls all checks every 500 ms (100 ms while
 * unready) and sets grpc.health.v1: SERVING only when each passes. Built in: clock step back; each
 * peer SERVING unless it is named in `optional_peers` of the configuration; database and HSM when
 * opened. Before daemon_run only. `name` must be static. */
enum chancery_err daemon_check_add(struct daemon *d, const char *name, daemon_check_fn *fn,
                                   void *ctx) MUST_CHECK;

/* daemon_ready says what the loop last found. */
bool daemon_ready(const struct daemon *d);

/* daemon_clock_ok is false after the wall clock stepped back (compared with the monotonic clock) by
 * over 1 s until it has caught up, or while it is more than 5 s off the database's. */
bool daemon_clock_ok(const struct daemon *d);

/* ---- periodic work and end ---- */

/* A periodic task; `stopping` of daemon_stopping ends long ones early. */
typedef void daemon_task_fn(void *ctx);

/* daemon_every runs `fn` in a thread of its own, first after daemon_run listens, then `interval_ms`
 * after each end, until stop. Before daemon_run only. `name` must be static. */
enum chancery_err daemon_every(struct daemon *d, const char *name, unsigned interval_ms,
                               daemon_task_fn *fn, void *ctx) MUST_CHECK;

/* daemon_every_wake runs the named task at once (or again, if it is running). Any thread. */
void daemon_every_wake(struct daemon *d, const char *name);

/* daemon_stopping says that the process is on its way out. */
bool daemon_stopping(const struct daemon *d);

/* daemon_on_stop adds a hook that runs once, after the RPC server has drained and tasks ended; also
 * when daemon_run failed or was never called (then in daemon_free). */
enum chancery_err daemon_on_stop(struct daemon *d, daemon_task_fn *fn, void *ctx) MUST_CHECK;

/* ---- audit ---- */

enum daemon_field_type { DAEMON_FIELD_TEXT = 1, DAEMON_FIELD_DIGEST, DAEMON_FIELD_NUMBER };
struct daemon_field {
    const char *name; /* [a-z0-9_]{1,64}, unique in its entry */
    enum daemon_field_type type;
    struct slice value; /* TEXT (UTF-8), DIGEST (bytes, logged as hex) */
    int64_t num;        /* NUMBER */
};
#define DAEMON_TEXT(n, s)                                                                          \
    ((struct daemon_field){.name = (n), .type = DAEMON_FIELD_TEXT, .value = (s)})
#define DAEMON_STR(n, z)                                                                           \
    ((struct daemon_field){.name = (n), .type = DAEMON_FIELD_TEXT, .value = slice_str(z)})
#define DAEMON_DIGEST(n, s)                                                                        \
    ((struct daemon_field){.name = (n), .type = DAEMON_FIELD_DIGEST, .value = (s)})
#define DAEMON_NUM(n, v)                                                                           \
    ((struct daemon_field){.name = (n), .type = DAEMON_FIELD_NUMBER, .num = (int64_t)(v)})

struct daemon_entry {
    const char *action; /* [a-z0-9._-]{1,64} */
    const struct daemon_field *fields;
    size_t n_fields;
    struct slice permit_item; /* INTENT only: 32 bytes */
    int64_t permit_expires_s; /* INTENT only */
};

struct daemon_ack {
    enum chancery_err err; /* CH_OK: durable at `index` */
    struct diag diag;      /* of a refused entry */
    uint64_t index;
    uint8_t leaf_hash[32];
};

#define DAEMON_APPEND_MAX 256 /* entries per call: AppendRequest's limit */

/* daemon_audit_append makes 1..DAEMON_APPEND_MAX entries durable in one Append, assigning the next
 * sequence number of this boot; retries with the same sequence while the outcome is UNAVAILABLE,
 * UNKNOWN, BUSY or DEADLINE until `timeout_ms` has passed. CH_OK: acks[0..n) are filled, each with
 * its own error. Otherwise nothing is known to be durable (CH_UNKNOWN: it may be) and acks are
 * untouched. Any thread; calls of several threads run side by side, so sequences may arrive out of
 * order. */
enum chancery_err daemon_audit_append(struct daemon *d, const struct daemon_entry *entries,
                                      size_t n, unsigned timeout_ms, struct daemon_ack *acks,
                                      struct diag *diag) MUST_CHECK;

/* daemon_audit appends one entry (timeout 5 s) and gives its error; *out_index may be NULL. */
enum chancery_err daemon_audit(struct daemon *d, const char *action,
                               const struct daemon_field *fields, size_t n_fields,
                               uint64_t *out_index, struct diag *diag) MUST_CHECK;

/* daemon_audit_sink replaces the RPC to chancery-audit: for chancery-audit itself, which appends
 * directly. `fn` gets the sequence that was assigned. Before daemon_run only. */
typedef enum chancery_err daemon_sink_fn(void *ctx, uint64_t sequence,
                                         const struct daemon_entry *entries, size_t n,
                                         struct daemon_ack *acks, struct diag *diag);
void daemon_audit_sink(struct daemon *d, daemon_sink_fn *fn, void *ctx);

/* ---- marks ---- */

/* daemon_mark_read appends what the process last kept under `name` in its state_dir; nothing when
 * it kept nothing or has no state_dir. daemon_mark_write replaces it durably. A mark is what must
 * not be undone by who rules the database; a text of a line. */
enum chancery_err daemon_mark_read(const struct daemon *d, const char *name, struct buf *out,
                                   struct diag *diag) MUST_CHECK;
enum chancery_err daemon_mark_write(const struct daemon *d, const char *name, struct slice text,
                                    struct diag *diag) MUST_CHECK;

#endif
