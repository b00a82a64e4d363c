/* The judge: runs all rule families over one set of facts and adds up a verdict. Pure: same input,
 * same octets out. */
#include "policy/policy_int.h"

/* ---- writing results ---- */

const char *policy_keep(struct policy_judge *j, struct slice s)
{
    struct policy_verdict *v = j->v;
    size_t n = s.len < POLICY_TEXT_MAX ? s.len : POLICY_TEXT_MAX;
    if (n == 0) {
        return "";
    }
    if (sizeof v->pool - v->pool_len <= n) {
        v->verdict = POLICY_FAIL; /* a result that finds no room must not pass unseen */
        return "...";
    }
    char *out = v->pool + v->pool_len;
    for (size_t i = 0; i < n; i++) {
        out[i] = s.ptr[i] >= 0x20 && s.ptr[i] < 0x7f ? (char)s.ptr[i] : '?';
    }
    out[n] = '\0';
    v->pool_len += n + 1;
    return out;
}

void policy_say(struct policy_judge *j, const char *rule, enum policy_outcome outcome,
                const char *field, const char *source, struct slice observed, const char *required)
{
    struct policy_verdict *v = j->v;
    if (outcome == POLICY_FAIL || v->n == POLICY_RULES_MAX) {
        v->verdict = POLICY_FAIL; /* a result that finds no room must not pass unseen */
    }
    if (v->n == POLICY_RULES_MAX) {
        return;
    }
    v->rules[v->n++] =
        (struct policy_rule){rule, outcome, field, policy_keep(j, observed), required, source};
}

void policy_say_number(struct policy_judge *j, const char *rule, bool ok, const char *field,
                       const char *source, int64_t observed, const char *required)
{
    uint8_t text[20]; /* written from its end: nineteen digits and a sign */
    size_t at = sizeof text;
    uint64_t rest = observed < 0 ? 0 - (uint64_t)observed : (uint64_t)observed;
    do {
        text[--at] = (uint8_t)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (observed < 0) {
        text[--at] = '-';
    }
    policy_say(j, rule, policy_outcome_of(ok), field, source, slice_of(text + at, sizeof text - at),
               required);
}

void policy_say_hex(struct policy_judge *j, const char *rule, bool ok, const char *field,
                    const char *source, struct slice observed, const char *required)
{
    char text[97];
    hex_encode(slice_sub(observed, 0, 48), text);
    policy_say(j, rule, policy_outcome_of(ok), field, source, slice_str(text), required);
}

void policy_say_na(struct policy_judge *j, const char *rule, const char *field, const char *source)
{
    policy_say(j, rule, POLICY_NA, field, source, slice_of(NULL, 0), "");
}

/* ---- the digest of results: chancery/rules/v1, docs/ISSUANCE.md ---- */

#define RULE_ID_MAX 64
#define RESULT_MAX (3 + RULE_ID_MAX + POLICY_TEXT_MAX)

static size_t put_text(uint8_t *at, const char *s, size_t max)
{
    size_t n = strnlen(s, max);
    at[0] = (uint8_t)n;
    memcpy(at + 1, s, n);
    return n + 1;
}

/* A lint that has nothing to show: its place and outcome say everything. */
static bool is_brief(const struct policy_rule *r)
{
    const char *id = r->rule;
    return id[0] == 'l' && id[1] == 'i' && id[2] == 'n' && id[3] == 't' && id[4] == '.' &&
           r->outcome != POLICY_FAIL && r->observed[0] == '\0';
}

/* What a rule looks at, what it requires and which line says so follow from the rule and the
 * bundle, which the permit names. */
static void digest_rules(struct policy_verdict *v)
{
    static const char head[] = "chancery/rules/v1\n";
    uint8_t space[sizeof head + 4 + (size_t)POLICY_RULES_MAX * RESULT_MAX];
    uint8_t brief[POLICY_RULES_MAX];
    size_t at = sizeof head - 1, n_brief = 0;
    memcpy(space, head, at);
    at += 2;
    for (size_t i = 0; i < v->n; i++) {
        const struct policy_rule *r = &v->rules[i];
        if (is_brief(r)) {
            brief[n_brief++] = (uint8_t)r->outcome;
            continue;
        }
        at += put_text(space + at, r->rule, RULE_ID_MAX);
        space[at++] = (uint8_t)r->outcome;
        at += put_text(space + at, r->observed, POLICY_TEXT_MAX);
    }
    space[sizeof head - 1] = (uint8_t)((v->n - n_brief) >> 8);
    space[sizeof head] = (uint8_t)(v->n - n_brief);
    space[at++] = (uint8_t)(n_brief >> 8);
    space[at++] = (uint8_t)n_brief;
    memcpy(space + at, brief, n_brief);
    crypto_sha256(slice_of(space, at + n_brief), v->rules_sha256);
}

/* ---- certificates ---- */

/* Reads the TBS. Its version is a rule of its own: RFC 5280 4.1.2.1. */
static void read_tbs(struct policy_judge *j)
{
    if (j->f->tbs.len == 0) {
        policy_say_na(j, "tbs.format", "tbs", "engine");
        return;
    }
    const char *wrong = policy_tbs_read(j->f->tbs, &j->tbs);
    if (wrong == NULL) {
        j->has_tbs = true;
        policy_say(j, "tbs.version", POLICY_PASS, "tbs.version", "engine", slice_str("3"), "3");
        policy_say(j, "tbs.format", POLICY_PASS, "tbs", "engine", slice_str("DER"), "strict DER");
        return;
    }
    bool version = strcmp(wrong, "tbs.version") == 0;
    policy_say(j, version ? "tbs.version" : "tbs.format", POLICY_FAIL, wrong, "engine",
               slice_str("not readable"), version ? "3" : "strict DER, RFC 5280 4.1");
}

static bool find_profile(struct policy_judge *j)
{
    j->p = policy_profile_find(j->b, j->r->profile);
    policy_say(j, "profile.known", policy_outcome_of(j->p != NULL), "request.profile",
               j->p == NULL ? j->b->source : j->p->source, j->r->profile,
               "a profile of the bundle");
    return j->p != NULL;
}

static bool check_issuer(struct policy_judge *j)
{
    const struct policy_issuer *i = j->f->issuer;
    bool known = i != NULL && i->issuer_id != NULL && i->subject.len > 0 && i->ski.len > 0;
    policy_say(j, "issuer.known", policy_outcome_of(known), "issuer", "engine",
               slice_str(known ? i->issuer_id : ""), "an issuer of this installation");
    if (!known) {
        return false;
    }
    policy_rules_pool_member(j);
    return true;
}

/* Rules that look at the issuer's side of the TBS. */
static void rules_issuer(struct policy_judge *j)
{
    const struct policy_issuer *i = j->f->issuer;
    if (!j->has_tbs) {
        policy_say_na(j, "signature.allowed", "tbs.signature", j->p->algs_source);
        policy_say_na(j, "signature.issuer", "tbs.signature", "engine");
        policy_say_na(j, "issuer.name", "tbs.issuer", "engine");
        return;
    }
    enum crypto_alg alg = crypto_alg_from_der(j->tbs.algorithm);
    struct slice name = slice_str(crypto_alg_name(alg));
    bool allowed = alg != CRYPTO_ALG_NONE && (j->p->algs & (1U << alg)) != 0;
    policy_say(j, "signature.allowed", policy_outcome_of(allowed), "tbs.signature",
               j->p->algs_source, name, "an algorithm of the profile");
    enum crypto_alg own = crypto_alg_default(i->key_type);
    policy_say(j, "signature.issuer", policy_outcome_of(alg != CRYPTO_ALG_NONE && alg == own),
               "tbs.signature", "engine", name, crypto_alg_name(own));
    bool same = slice_eq(j->tbs.issuer, i->subject);
    policy_say(j, "issuer.name", policy_outcome_of(same), "tbs.issuer", "engine",
               slice_str(same ? "the issuer's subject" : "another name"),
               "octets of the issuer's subject");
}

/* RFC 5280 4.2.1.9: below an issuer with path length n stand at most n levels of CAs. A chain that
 * breaks this is worth nothing to anybody. */
static void rule_path_length(struct policy_judge *j)
{
    if (!j->p->t.is_ca) {
        return;
    }
    unsigned below = j->f->issuer->cas_below;
    bool fits = (unsigned)j->p->t.path_len < below;
    policy_say_number(j, "issuer.path_length", fits, "issuer", j->p->ext.ca_source,
                      below == POLICY_CAS_UNLIMITED ? -1 : (int64_t)below,
                      "an issuer whose path length is greater than the profile's");
}

static void judge_all(struct policy_judge *j)
{
    if (j->r == NULL) {
        policy_say(j, "request.known", POLICY_FAIL, "request", "engine", slice_of(NULL, 0),
                   "a request");
        return;
    }
    if (!find_profile(j)) {
        return;
    }
    policy_rules_caller(j);
    if (!check_issuer(j)) {
        return;
    }
    rule_path_length(j);
    policy_rules_who(j);
    read_tbs(j);
    policy_rules_serial(j);
    rules_issuer(j);
    policy_rules_validity(j);
    policy_rules_key(j);
    policy_rules_weak(j);
    policy_rules_pool_key(j);
    policy_rules_subject(j);
    policy_rules_san(j);
    policy_rules_bound(j);
    policy_rules_extensions(j);
    policy_rules_lint(j);
    policy_rules_approvals(j);
    policy_rules_limits(j);
}

void policy_judge_certificate(const struct policy_bundle *b, const struct policy_facts *f,
                              struct policy_verdict *out)
{
    struct policy_judge j = {.b = b, .f = f, .r = f->request, .v = out};
    out->n = 0;
    out->pool_len = 0;
    out->verdict = POLICY_PASS; /* each failed rule turns it; nothing turns it back */
    judge_all(&j);
    if (out->n == 0) {
        out->verdict = POLICY_FAIL;
    }
    digest_rules(out);
}

void policy_judge_limits(const struct policy_bundle *b, const struct policy_facts *f,
                         struct policy_verdict *v)
{
    struct policy_judge j = {.b = b, .f = f, .r = f->request, .v = v};
    if (v->verdict != POLICY_NA) {
        return;
    }
    v->verdict = POLICY_PASS;
    j.p = policy_profile_find(b, j.r->profile); /* it was there */
    if (f->usage == NULL || f->usage->state != POLICY_USAGE_KNOWN || j.p == NULL) {
        policy_say(&j, "limit.usage", POLICY_FAIL, "request", "engine", slice_str("not known"),
                   "what has been used");
    } else {
        policy_rules_limits(&j);
    }
    digest_rules(v);
}

/* ---- CRLs ---- */

void policy_judge_crl(const struct policy_bundle *b, const struct policy_crl_facts *f,
                      struct policy_verdict *out)
{
    struct policy_judge j = {.b = b, .v = out};
    const char *src = b->crl_source;
    out->n = 0;
    out->pool_len = 0;
    out->verdict = POLICY_PASS;
    policy_say(&j, "issuer.known", policy_outcome_of(f->issuer != NULL), "issuer", "engine",
               slice_str(f->issuer == NULL ? "" : f->issuer->issuer_id),
               "an issuer of this installation");
    if (f->issuer != NULL) {
        /* A root has complete CRLs only: no shards, the one number 0. */
        bool shard = f->issuer->shards == 0 ? f->shard == 0 : f->shard < f->issuer->shards;
        policy_say_number(&j, "crl.shard", shard, "crl.shard", "engine", f->shard,
                          "a shard of the issuer");
    }
    /* RFC 5280 5.2.3 allows 20 octets; our counters are signed 64-bit. */
    policy_say_number(&j, "crl.number", f->number > 0 && f->number <= INT64_MAX, "crl.number",
                      "engine", (int64_t)(f->number & INT64_MAX), "1 to 2^63-1");
    int64_t early = f->now_s - b->crl_backdate_s - POLICY_WAIT_S;
    bool now = f->this_update_s >= early && f->this_update_s <= f->now_s + POLICY_SKEW_S;
    policy_say_number(&j, "crl.this_update", now, "crl.thisUpdate", src, f->this_update_s,
                      "now, or back-dated as allowed");
    int64_t life = 0;
    bool fits = !__builtin_sub_overflow(f->next_update_s, f->this_update_s, &life) && life > 0 &&
                life <= b->crl_max_s + b->crl_backdate_s && f->next_update_s > f->now_s;
    policy_say_number(&j, "crl.next_update", fits, "crl.nextUpdate", src, f->next_update_s,
                      "after now and within max_validity");
    digest_rules(out);
}
