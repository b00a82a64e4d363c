/* A permitted certificate in parts: tests change one part, build the TBS and ask the judge. */
#ifndef CHANCERY_TEST_POLICY_FIX_H
#define CHANCERY_TEST_POLICY_FIX_H

#include "cm.h"
#include "policy/policy_int.h"
#include "x509/x509.h"

#define FIX_NOW 1764000000 /* 2025-11-24 */
#define FIX_EXTENSIONS 16

struct fix {
    struct arena arena;
    struct policy_bundle *bundle;
    struct permit_request request;
    struct permit_san sans[300];
    struct x509_rdn subject_asked[8], subject[40]; /* request's and TBS's */
    size_t n_asked, n_subject;
    uint8_t serial[20];
    struct x509_tbs t;
    struct x509_extension ext[FIX_EXTENSIONS];
    size_t n_ext;
    struct policy_issuer issuer;
    uint8_t own[2][32];
    struct policy_facts facts;
    struct buf tbs;
    struct policy_verdict v;
};

/* The base profile, "test". */
extern const char fix_profile_yaml[];
/* fix_init makes the base: profile "test" of fix.c's bundle, P-256 key, three names. */
void fix_init(struct fix *f);
void fix_clear(struct fix *f);
/* fix_build writes request.subject_der, the TBS and its hash of the key; fix_judge judges it. */
void fix_build(struct fix *f);
void fix_judge(struct fix *f);
/* fix_outcome gives the outcome of a rule in the verdict (POLICY_NONE: not there). */
enum policy_outcome fix_outcome(const struct fix *f, const char *rule);
/* fix_ext replaces (or adds) an extension; an empty value removes it. */
void fix_ext(struct fix *f, struct slice oid, bool critical, struct slice value);
/* fix_sans sets the request's names and the extension from them. */
void fix_san(struct fix *f, uint8_t type, const char *value);
void fix_san_ext(struct fix *f);
/* fix_key makes another subject key: request hash, SPKI and SKI. */
void fix_key(struct fix *f, struct slice spki);
/* fix_keep copies what a buf holds into the arena and clears the buf. */
struct slice fix_keep(struct fix *f, struct buf *b);
/* fix_bundle compiles the base bundle with one text of the profile replaced ("" appends nothing).
 */
struct policy_bundle *fix_bundle(const char *from, const char *to);
/* fix_bundle_with compiles it with more files (at most 5) beside; NULL and *diag when refused. */
struct policy_bundle *fix_bundle_with(const char *from, const char *to,
                                      const struct policy_file *more, size_t n, struct diag *diag);
/* fix_spki_ec / fix_spki_rsa: SubjectPublicKeyInfo DER in the arena. */
struct slice fix_spki_ec(struct fix *f, const char *curve);
struct slice fix_spki_rsa(struct fix *f, struct slice n, struct slice e);
/* fix_replace puts octets into the built TBS where `from` stands (once), same length. */
void fix_replace(struct fix *f, struct slice from, struct slice to);

#endif
