/* officers.yaml: the people who approve, their keys and roles, and how many of them promote a
 * bundle; and the papers they sign, looked at one by one. Pure. */
#ifndef CHANCERY_POLICY_OFFICERS_H
#define CHANCERY_POLICY_OFFICERS_H

#include "approval/approval.h"
#include "policy/policy.h"

#define POLICY_OFFICERS_MAX 256     /* people of one organisation who approve */
#define POLICY_OFFICER_ROLES_MAX 32 /* of one person */
#define POLICY_QUORUM_MAX 16        /* more people than this never agree in time */
#define POLICY_APPROVALS_MAX 64     /* papers about one request or bundle; bounds the work */
#define POLICY_OFFICER_KEY_MAX 1024 /* base64 of an RSA-4096 SubjectPublicKeyInfo has 736 */

struct policy_officer {
    const char *id;
    struct slice identity; /* /user/alice, spiffe://..., or empty: unknown */
    struct crypto_public *key;
    const struct slice *roles; /* sorted */
    size_t n_roles;
    const char *source; /* "officers.yaml:3" */
};

/* Part of a compiled bundle; all zero when it has no officers.yaml. */
struct policy_officers {
    struct policy_officer *at; /* sorted by hash of the key */
    size_t n;
    struct slice promotion_role; /* empty: the bundle names no quorum for promotions */
    unsigned promotion_quorum;
    const char *source, *promotion_source;
};

/* policy_officers_compile reads officers.yaml into `b`. Ids, keys and identities are unique, keys
 * sound and fit for approvals (approval_key_ok), each quorum reachable. Errors carry
 * file:line:column; rules "officers.*". policy_officers_clear frees the keys. */
enum chancery_err policy_officers_compile(struct policy_bundle *b, const struct policy_file *f,
                                          struct diag *diag) MUST_CHECK;
void policy_officers_clear(struct policy_officers *o);

/* policy_officers_of gives the officers of a bundle, in the order of their keys' hashes. */
const struct policy_officers *policy_officers_of(const struct policy_bundle *b);
/* policy_officers_by_key finds by SHA-256 of the SubjectPublicKeyInfo DER; NULL: nobody's. */
const struct policy_officer *policy_officers_by_key(const struct policy_bundle *b,
                                                    const uint8_t spki_sha256[32]);
bool policy_officer_has_role(const struct policy_officer *o, struct slice role);
/* policy_officers_with_role counts officers; `identified`: only those whose identity is known. */
size_t policy_officers_with_role(const struct policy_bundle *b, struct slice role, bool identified);
/* policy_officer_is says whether `uri` is the officer's own identity. A path such as /user/alice
 * means that path in the bundle's trust domain, and in any while none is set. */
bool policy_officer_is(const struct policy_bundle *b, const struct policy_officer *o,
                       struct slice uri);

/* ---- papers: signed approvals, as the judge sees them ---- */

struct policy_paper {
    struct approval a;
    const struct policy_officer *officer; /* NULL: nobody's key, or unreadable */
    /* Why it does not count: a stable rule id, "approval.signature"; NULL: it is good. A rejection
     * stays good after it expires. */
    const char *rule;
};

/* policy_papers_read reads and verifies up to POLICY_APPROVALS_MAX approvals with the keys of the
 * bundle's officers: rules "approval.format", "approval.subject" (other purpose or subject),
 * "approval.officer" (nobody's key), "approval.signature", "approval.future", "approval.expired".
 * Of several good papers of one officer for one step the latest stands ("approval.superseded"; at
 * the same second a rejection stands). Returns how many were read: min(n, the limit). */
size_t policy_papers_read(const struct policy_bundle *b, const struct policy_approval *list,
                          size_t n, enum approval_purpose purpose, const uint8_t subject[32],
                          int64_t now_s, struct policy_paper *out);

/* ---- promotion of a bundle ---- */

/* Who wrote the bundle, as far as known: identity URI and hash of the key the author signs with. */
struct policy_author {
    struct slice identity;
    const uint8_t *key_sha256;
};

struct policy_promotion {
    struct slice role; /* needed; empty when the bundle names none */
    unsigned needed, counted;
    size_t n; /* papers looked at, in the order given */
    struct {
        const char *officer; /* id; "" when the key is nobody's */
        const char *rule;    /* why it does not count, "approval.self", "approval.role" ...; "" */
        enum approval_decision decision;
    } papers[POLICY_APPROVALS_MAX];
    const char *rule; /* why it fails: "promotion.none", "promotion.count" (too many papers),
                         "promotion.rejected", "promotion.quorum"; "" when it passes */
};

/* policy_officers_promotion decides whether the officers of `b` agree that the bundle with
 * `subject` as its hash be promoted: enough distinct officers who hold the promotion role signed
 * approvals of purpose bundle and step "promotion", none of them the author (NULL: not known), and
 * none of them rejects. Times are judged at now_s: to look again at an old promotion, pass the time
 * it was made. POLICY_PASS or POLICY_FAIL; `report` borrows from the bundle. */
enum policy_outcome policy_officers_promotion(const struct policy_bundle *b,
                                              const struct policy_approval *approvals, size_t n,
                                              const uint8_t subject[32],
                                              const struct policy_author *author, int64_t now_s,
                                              struct policy_promotion *report);

#endif
