/* Keys that are known: broken by their generator, or blocked. BR 6.1.1.3 (2) to (5) wants each of
 * these refused. */
#include "policy/policy_int.h"

static const char field[] = "tbs.subjectPublicKeyInfo";

/* The hash of the TBS's key, or, where there is no TBS, of the request's. */
static bool key_hash(const struct policy_judge *j, uint8_t out[32])
{
    if (j->has_tbs) {
        crypto_sha256(j->tbs.spki, out);
        return true;
    }
    if (j->r->spki_sha256.len == 32) {
        memcpy(out, j->r->spki_sha256.ptr, 32);
    }
    return j->r->spki_sha256.len == 32;
}

static void rule_blocked(struct policy_judge *j)
{
    static const char rule[] = "key.blocked";
    const struct policy_blocklists *lists = &j->b->blocklists;
    uint8_t hash[32];
    if (lists->n == 0 || !key_hash(j, hash)) {
        policy_say_na(j, rule, field, j->p->blocklists_source);
        return;
    }
    const struct policy_blocklist *hit = policy_blocklist_key(lists, j->p->blocklists, hash);
    policy_say(j, rule, policy_outcome_of(hit == NULL), field,
               hit == NULL ? j->p->blocklists_source : hit->source,
               slice_str(hit == NULL ? "in none" : hit->name), "a key of no blocklist");
}

void policy_rules_weak(struct policy_judge *j)
{
    rule_blocked(j);
    struct slice n = j->key.rsa_n;
    if (!j->has_tbs || n.len == 0) {
        policy_say_na(j, "key.debian", field, j->p->blocklists_source);
        policy_say_na(j, "key.roca", field, "engine");
        return;
    }
    if (j->b->blocklists.moduli) {
        const struct policy_blocklist *hit =
            policy_blocklist_modulus(&j->b->blocklists, j->p->blocklists, n);
        policy_say(j, "key.debian", policy_outcome_of(hit == NULL), field,
                   hit == NULL ? j->p->blocklists_source : hit->source,
                   slice_str(hit == NULL ? "in none" : hit->name), "a modulus of no blocklist");
    } else {
        policy_say_na(j, "key.debian", field, j->p->blocklists_source);
    }
    bool roca = policy_weak_roca(n);
    policy_say(j, "key.roca", policy_outcome_of(!roca), field, "engine",
               slice_str(roca ? "the fingerprint" : "no fingerprint"),
               "not made by the library of CVE-2017-15361");
}
