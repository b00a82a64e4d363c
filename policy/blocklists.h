/* Blocklists: keys that nobody may have. A bundle holds them as blocklists/NAME.txt, one key per
 * line, in either of two forms, comments beginning with '#':
 *
 *   64 hex digits   SHA-256 of the SubjectPublicKeyInfo's DER: any key that became known
 *   20 hex digits   last 20 of the SHA-1 of "Modulus=<HEX>\n": the form of Debian's
 *                   openssl-blacklist (CVE-2008-0166), whose lists are used as they are
 *
 * Compiled once into sorted arrays; looked up by binary search. */
#ifndef CHANCERY_POLICY_BLOCKLISTS_H
#define CHANCERY_POLICY_BLOCKLISTS_H

#include "conf/conf.h"
#include "policy/policy.h"

#define POLICY_BLOCKLISTS_MAX 64 /* lists of a bundle: one bit each in a profile */
#define POLICY_BLOCKLIST_LINES                                                                     \
    1000000 /* 32 MB once compiled; Debian's lists have 50,000 to 300,000 */
#define POLICY_BLOCKLIST_BYTES ((size_t)72 << 20) /* so many lines of 64 digits, and comments */
#define POLICY_MODULUS_TAIL 10

struct policy_judge;
struct policy_profile;

struct policy_blocklist {
    const char *name, *source; /* "known-bad", "blocklists/known-bad.txt" */
    const uint8_t (*keys)[32];
    size_t n_keys;
    const uint8_t (*moduli)[POLICY_MODULUS_TAIL];
    size_t n_moduli;
};
struct policy_blocklists {
    struct policy_blocklist at[POLICY_BLOCKLISTS_MAX]; /* by name */
    size_t n;
    bool moduli; /* some list holds moduli */
};

/* policy_blocklist_compile reads one file. CH_INVALID, CH_LIMIT with file:line:column. */
enum chancery_err policy_blocklist_compile(struct policy_bundle *b, const struct policy_file *f,
                                           struct diag *diag) MUST_CHECK;
/* policy_blocklists_chosen reads a profile's `blocklists`; *out_mask: bit i for list i. Without the
 * key all lists of the bundle hold. CH_INVALID names an unknown list. */
enum chancery_err policy_blocklists_chosen(struct policy_bundle *b, const struct conf_node *root,
                                           struct policy_profile *p, struct diag *diag) MUST_CHECK;
/* Lookups; NULL: in none of the lists of `mask`. policy_blocklist_modulus takes the octets of an
 * RSA modulus, leading zeros or not. */
const struct policy_blocklist *policy_blocklist_key(const struct policy_blocklists *l,
                                                    uint64_t mask, const uint8_t sha256[32]);
const struct policy_blocklist *policy_blocklist_modulus(const struct policy_blocklists *l,
                                                        uint64_t mask, struct slice modulus);

/* policy_weak_roca says whether a modulus has the fingerprint of CVE-2017-15361 (weak.c). */
bool policy_weak_roca(struct slice modulus);

/* policy_rules_weak: key.blocked, key.debian, key.roca. After policy_rules_key. */
void policy_rules_weak(struct policy_judge *j);

#endif
