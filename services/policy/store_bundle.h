/* Bundles, approvals and promotions in schema policy. What is read is not believed: life.h verifies
 * it. Every function takes a connection from the pool, or works inside the caller's transaction. */
#ifndef CHANCERY_POLICY_SERVICE_STORE_BUNDLE_H
#define CHANCERY_POLICY_SERVICE_STORE_BUNDLE_H

#include "db/db.h"
#include "policy/life.h"

#define POLICY_STORE_FILES_MAX 20000 /* as the engine's folder reader */
#define POLICY_STORE_LINKS 64        /* promotions per reading */

struct policy_stored {
    uint8_t sha256[32];
    const char *author;
    int64_t submitted_at_s;
    struct policy_file *files; /* NULL in listings */
    size_t n_files;
    int64_t cases, failed; /* of the last run of its tests; cases -1: never run */
    bool former;           /* was in force in this chain before */
};

/* policy_store_put inserts a bundle; *out_new false: it was there. Inside a transaction. */
enum chancery_err policy_store_put(struct db_conn *conn, const struct policy_stored *b,
                                   bool *out_new, struct diag *diag) MUST_CHECK;

/* policy_store_get reads one bundle; files only when wanted. `first` names the chain that `former`
 * is about. CH_NOT_FOUND "bundle.unknown". */
enum chancery_err policy_store_get(struct db_pool *db, const uint8_t first[32],
                                   const uint8_t sha256[32], int64_t now_s, bool with_files,
                                   struct arena *arena, struct policy_stored *out,
                                   struct diag *diag) MUST_CHECK;

/* policy_store_list reads bundles, newest first, after the one that `after` names (NULL: from the
 * newest). */
enum chancery_err policy_store_list(struct db_pool *db, const uint8_t first[32],
                                    const uint8_t *after, int64_t now_s, size_t max,
                                    struct arena *arena, struct policy_stored **out, size_t *out_n,
                                    struct diag *diag) MUST_CHECK;

/* policy_store_drafts counts bundles that `author` submitted since a time. Inside a transaction. */
enum chancery_err policy_store_drafts(struct db_conn *conn, const char *author, int64_t since_s,
                                      int64_t *out, struct diag *diag) MUST_CHECK;

/* policy_store_tested records a run of a bundle's tests. */
enum chancery_err policy_store_tested(struct db_pool *db, const uint8_t sha256[32],
                                      const char *instance, int64_t now_s, size_t cases,
                                      size_t failed, struct diag *diag) MUST_CHECK;

struct policy_stored_approval {
    uint8_t subject[32], bundle[32];
    struct policy_approval approval;
    int64_t received_at_s;
    const char *from;
};
/* policy_store_approve inserts an approval; *out_new false: it was there. Inside a transaction. */
enum chancery_err policy_store_approve(struct db_conn *conn, const struct policy_stored_approval *a,
                                       bool *out_new, struct diag *diag) MUST_CHECK;
/* policy_store_approvals reads those of a subject, oldest first, one more than an officer's check
 * looks at. */
enum chancery_err policy_store_approvals(struct db_pool *db, const uint8_t subject[32],
                                         struct arena *arena, struct policy_approval **out,
                                         size_t *out_n, struct diag *diag) MUST_CHECK;

struct policy_stored_link {
    struct policy_link link;
    bool rollback;
    const char *by;
};
/* policy_store_promote inserts a promotion. CH_EXISTS: its number is taken. Inside a transaction.
 */
enum chancery_err policy_store_promote(struct db_conn *conn, const struct policy_stored_link *l,
                                       struct diag *diag) MUST_CHECK;
/* policy_store_links reads up to POLICY_STORE_LINKS promotions of a chain after a number. */
enum chancery_err policy_store_links(struct db_pool *db, const uint8_t first[32], uint64_t after,
                                     struct arena *arena, struct policy_stored_link **out,
                                     size_t *out_n, struct diag *diag) MUST_CHECK;

#endif
