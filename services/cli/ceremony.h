/* Running a ceremony: the plan's steps, one after the other, each recorded before and after.
 *
 * Step states in the transcript: nothing, "begin" (inputs and, for signatures, the exact TBS are on
 * disk), "done" (outputs are on disk, digests recorded). A run resumes at the first step that is
 * not done; a begun signature is repeated over the recorded TBS, never over a new one; a begun key
 * generation adopts the key if it is on the token, because before "begin" no key with that label
 * was. */
#ifndef CHANCERY_CLI_CEREMONY_H
#define CHANCERY_CLI_CEREMONY_H

#include "hsm/hsm.h"
#include "out.h"
#include "plan.h"
#include "transcript.h"

#define CEREMONY_FILE_MAX ((size_t)1 << 20)
#define CEREMONY_STEPS_MAX 256
#define CEREMONY_SIGN_WAIT_MS 60000

struct ceremony;
struct ceremony_step;
typedef enum chancery_err ceremony_step_fn(struct ceremony *c, const struct ceremony_step *s,
                                           struct diag *diag);
/* Takes what later steps need from a finished step. `f` is its "done" line's f. */
typedef enum chancery_err ceremony_load_fn(struct ceremony *c, const struct ceremony_step *s,
                                           const json_t *f, struct diag *diag);
struct ceremony_step {
    char id[80];     /* "key.root", "certificate.issuing-1" */
    char title[120]; /* for people */
    size_t index;    /* of the key, issuer or token */
    ceremony_step_fn *run;
    ceremony_load_fn *load; /* NULL: nothing to take */
};

struct ceremony {
    const struct plan *plan;
    const char *dir;
    struct out *out;
    bool yes; /* signatures of a real ceremony are not confirmed at the terminal */
    struct transcript *t;
    struct ceremony_step steps[CEREMONY_STEPS_MAX];
    size_t n_steps;
    struct hsm_token *token; /* at most one is open */
    size_t token_index;
    char *saved_env[PLAN_ENV_MAX];
    /* results of finished steps */
    struct crypto_public *keys[PLAN_KEYS_MAX];
    struct buf root, crl, issuers[PLAN_ISSUERS_MAX], ocsp[PLAN_ISSUERS_MAX];
    uint8_t bundle_sha256[32], trust_sha256[32];
};

struct ceremony_result {
    uint8_t plan_sha256[32], trust_sha256[32], transcript_sha256[32];
    size_t steps, done_before;
    bool rehearsal;
};

/* ceremony_steps fills the list of steps of a plan. */
enum chancery_err ceremony_steps(const struct plan *plan, struct ceremony_step *out, size_t cap,
                                 size_t *out_n, struct diag *diag) MUST_CHECK;

/* ceremony_run runs or resumes the ceremony in `dir`. A complete one is only checked. */
enum chancery_err ceremony_run(const struct plan *plan, const char *dir, bool yes, struct out *out,
                               struct ceremony_result *result, struct diag *diag) MUST_CHECK;

/* ---- ceremony_keys.c ---- */
ceremony_step_fn ceremony_key_run, ceremony_inspect_run;
ceremony_load_fn ceremony_key_load;
/* ceremony_token opens the plan's token `index` (closing another one). */
enum chancery_err ceremony_token(struct ceremony *c, size_t index, struct hsm_token **out,
                                 struct diag *diag) MUST_CHECK;
void ceremony_token_close(struct ceremony *c);
/* ceremony_key opens key `index` and checks that it is the one the transcript recorded. */
enum chancery_err ceremony_key(struct ceremony *c, size_t index, struct hsm_key **out,
                               struct diag *diag) MUST_CHECK;

/* ---- ceremony_sign.c ---- */
ceremony_step_fn ceremony_root_run, ceremony_crl_run, ceremony_issuer_run, ceremony_ocsp_run;
ceremony_load_fn ceremony_root_load, ceremony_crl_load, ceremony_issuer_load, ceremony_ocsp_load;

/* ---- ceremony_tbs.c: what is signed ---- */
enum chancery_err ceremony_tbs_root(struct ceremony *c, int64_t now_s, struct buf *out,
                                    struct diag *diag) MUST_CHECK;
enum chancery_err ceremony_tbs_issuer(struct ceremony *c, size_t issuer, int64_t now_s,
                                      struct buf *out, struct diag *diag) MUST_CHECK;
enum chancery_err ceremony_tbs_ocsp(struct ceremony *c, size_t issuer, int64_t now_s,
                                    struct buf *out, struct diag *diag) MUST_CHECK;
enum chancery_err ceremony_tbs_crl(struct ceremony *c, int64_t now_s, struct buf *out,
                                   struct diag *diag) MUST_CHECK;

/* ---- ceremony_verify.c: checked by OpenSSL, which did not write it ---- */
/* ceremony_show prints the decoded TBS and its SHA-256. */
enum chancery_err ceremony_show(struct ceremony *c, bool crl, struct slice tbs, enum crypto_alg alg,
                                const char *signer, struct diag *diag) MUST_CHECK;
/* ceremony_verify_cert checks that `der` re-encodes to `tbs` and chains to the root over `via`
 * (empty: the root or the root itself); with `crl` also against the root's CRL. */
enum chancery_err ceremony_verify_cert(const struct ceremony *c, struct slice der, struct slice tbs,
                                       struct slice via, bool crl, struct diag *diag) MUST_CHECK;
enum chancery_err ceremony_verify_crl(const struct ceremony *c, struct slice der, struct slice tbs,
                                      struct diag *diag) MUST_CHECK;

/* ---- ceremony_out.c: bundle hash, issuers.yaml, trust.json, files ---- */
ceremony_step_fn ceremony_bundle_run, ceremony_issuers_run, ceremony_trust_run;
ceremony_load_fn ceremony_bundle_load, ceremony_trust_load;
/* ceremony_write writes one output and adds its digest to `outputs` (object). */
enum chancery_err ceremony_write(struct ceremony *c, const char *name, struct slice content,
                                 json_t *outputs, struct diag *diag) MUST_CHECK;
enum chancery_err ceremony_read(const struct ceremony *c, const char *name, struct buf *out,
                                struct diag *diag) MUST_CHECK;
/* ceremony_check_outputs compares the files of a "done" line with their digests. */
enum chancery_err ceremony_check_outputs(const struct ceremony *c, const json_t *f,
                                         struct diag *diag) MUST_CHECK;

#endif
