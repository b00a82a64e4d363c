/* Items judged one by one. */
#include "decide.h"

#include "dry_run.h"

#include "policy/approvals.h"
#include "policy/tbs.h"

#define ITEM_MAX 256 /* a canonical item has 174 octets */

/* ---- results ---- */

static enum chancery_err rule_message(const struct policy_rule *r, struct arena *arena,
                                      Chancery__Common__V1__RuleResult **out)
{
    Chancery__Common__V1__RuleResult *m = arena_alloc(arena, sizeof *m);
    if (m == NULL) {
        return CH_NOMEM;
    }
    chancery__common__v1__rule_result__init(m);
    m->rule = arena_str(arena, slice_str(r->rule));
    m->outcome =
        (Chancery__Common__V1__Outcome)r->outcome; /* the same numbers: policy.h, common.proto */
    m->field = arena_str(arena, slice_str(r->field));
    m->observed = arena_str(arena, slice_str(r->observed));
    m->required = arena_str(arena, slice_str(r->required));
    m->source = arena_str(arena, slice_str(r->source));
    if (m->rule == NULL || m->field == NULL || m->observed == NULL || m->required == NULL ||
        m->source == NULL) {
        return CH_NOMEM;
    }
    *out = m;
    return CH_OK;
}

enum chancery_err policy_decide_rules(const struct policy_verdict *v, enum policy_outcome outcome,
                                      struct arena *arena, Chancery__Common__V1__RuleResult ***out,
                                      size_t *out_n)
{
    Chancery__Common__V1__RuleResult **list = arena_alloc(arena, v->n * sizeof *list);
    size_t n = 0;
    if (list == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < v->n; i++) {
        if (outcome == POLICY_NONE || v->rules[i].outcome == outcome) {
            TRY(rule_message(&v->rules[i], arena, &list[n++]));
        }
    }
    *out = list;
    *out_n = n;
    return CH_OK;
}

/* A refusal before any rule ran is told as a rule of its own, so that every refusal reads alike. */
static enum chancery_err refuse(struct policy_decision *d, enum chancery_err err,
                                const struct diag *why, struct arena *arena)
{
    struct policy_verdict *v = arena_alloc(arena, sizeof *v);
    if (err == CH_NOMEM || v == NULL) {
        return CH_NOMEM;
    }
    d->err = err;
    d->diag = *why;
    d->failed = arena_str(arena, slice_str(why->rule));
    v->n = 1;
    v->rules[0] = (struct policy_rule){
        .rule = d->diag.rule, .outcome = POLICY_FAIL, .field = d->diag.field, .source = "engine"};
    return d->failed == NULL ? CH_NOMEM
                             : policy_decide_rules(v, POLICY_NONE, arena, &d->rules, &d->n_rules);
}

static enum chancery_err list_failed(const struct policy_verdict *v, struct arena *arena,
                                     struct policy_decision *out)
{
    struct buf b CLEANUP(buf_clear);
    buf_init(&b, 16384); /* a text field of the log */
    for (size_t i = 0; i < v->n; i++) {
        if (v->rules[i].outcome == POLICY_FAIL) {
            TRY(buf_printf(&b, "%s%s", b.len == 0 ? "" : ",", v->rules[i].rule));
        }
    }
    out->failed = arena_str(arena, buf_slice(&b));
    return out->failed == NULL ? CH_NOMEM : CH_OK;
}

/* Takes a verdict over: digest, permission or first failed rule. */
static enum chancery_err conclude(const struct policy_verdict *v, struct arena *arena,
                                  struct policy_decision *out)
{
    memcpy(out->item.rules_sha256, v->rules_sha256, PERMIT_DIGEST);
    if (v->verdict == POLICY_PASS) {
        out->item.verdict = PERMIT_ALLOW;
        out->err = CH_OK;
        return CH_OK;
    }
    const struct policy_rule *first = NULL;
    for (size_t i = 0; i < v->n && first == NULL; i++) {
        first = v->rules[i].outcome == POLICY_FAIL ? &v->rules[i] : NULL;
    }
    if (first == NULL) {
        out->err = diag_set(&out->diag, CH_REFUSED, "tbs", "policy.rules", "no rule applied");
    } else if (policy_approvals_wait(v)) {
        out->err = diag_set(&out->diag, CH_PRECONDITION, first->field, "approval.pending",
                            "waits for approvals: found %s, required: %s (%s)", first->observed,
                            first->required, first->source);
    } else {
        out->err = diag_set(&out->diag, CH_REFUSED, first->field, first->rule,
                            "found \"%s\", required: %s (%s)", first->observed, first->required,
                            first->source);
    }
    TRY(list_failed(v, arena, out));
    return policy_decide_rules(v, POLICY_FAIL, arena, &out->rules, &out->n_rules);
}

/* ---- certificates ---- */

static bool stated(const struct permit_statement *s, const uint8_t digest[PERMIT_DIGEST])
{
    for (size_t i = 0; s != NULL && i < s->n; i++) {
        if (memcmp(s->digests[i], digest, PERMIT_DIGEST) == 0) {
            return true;
        }
    }
    return false;
}

/* Everything that must hold before rules are asked: a request that registration stated, and bytes.
 */
static enum chancery_err admit(const struct policy_decider *d,
                               const Chancery__Policy__V1__CertificateItem *in,
                               const struct permit_statement *statement, struct arena *arena,
                               struct permit_request *request, struct policy_decision *out,
                               struct diag *why)
{
    TRY(permit_request_from_proto(in->request, arena, request, why));
    TRY(permit_request_digest(request, out->item.request_digest, why));
    out->has_request = true;
    out->profile_known = policy_profile_find(d->bundle, request->profile) != NULL;
    out->profile = in->request->profile;
    if (!stated(statement, out->item.request_digest)) {
        return diag_set(why, CH_REFUSED, "request", "statement.request",
                        "the statement does not cover this request");
    }
    if (in->tbs.len == 0) {
        return diag_set(why, CH_INVALID, "tbs", "tbs.missing", "there are no bytes to judge");
    }
    return CH_OK;
}

static void name_issuer(const struct policy_issuer *i, struct policy_decision *out)
{
    if (i != NULL) {
        out->issuer_id = i->issuer_id;
        memcpy(out->item.issuer_spki_sha256, i->spki_sha256, PERMIT_DIGEST);
    }
}

static enum chancery_err list_approvals(const Chancery__Policy__V1__CertificateItem *in,
                                        struct arena *arena, struct policy_approval **out)
{
    struct policy_approval *list = arena_alloc(arena, in->n_approvals * sizeof *list);
    if (list == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < in->n_approvals; i++) {
        const Chancery__Common__V1__Approval *a = in->approvals[i];
        list[i] =
            (struct policy_approval){.bytes = slice_of(a->approval.data, a->approval.len),
                                     .signature = slice_of(a->signature.data, a->signature.len)};
    }
    *out = list;
    return CH_OK;
}

static const struct policy_usage usage_open = {.state = POLICY_USAGE_OPEN};

static void own_keys(const struct policy_decider *d, struct policy_facts *f)
{
    f->own_keys = (const uint8_t(*)[32])d->issuers->own_keys;
    f->n_own_keys = d->issuers->n_own_keys;
}

/* A verdict that waits, with what the limiter has to know; it passed, so its TBS can be read. */
static enum chancery_err judge_open(const struct policy_bundle *b, struct policy_open *o)
{
    struct policy_tbs tbs = {.not_after_s = 0};
    o->facts.request = &o->request;
    o->facts.usage = &usage_open;
    policy_judge_certificate(b, &o->facts, &o->verdict);
    if (o->verdict.verdict != POLICY_NA) {
        return CH_OK;
    }
    const struct policy_profile *p = policy_profile_find(b, o->request.profile);
    if (p == NULL || (o->facts.tbs.len > 0 && policy_tbs_read(o->facts.tbs, &tbs) != NULL)) {
        return CH_INTERNAL;
    }
    policy_limits_applied(b, p, o->request.tenant, &o->limits);
    crypto_sha256(o->facts.tbs, o->tbs_sha256);
    o->serial = tbs.serial;
    o->not_after_s = tbs.not_after_s;
    return CH_OK;
}

static bool limited(const struct policy_bundle *b, const struct permit_request *r)
{
    const struct policy_profile *p = policy_profile_find(b, r->profile);
    struct policy_applied a = {.any = false};
    if (p != NULL) {
        policy_limits_applied(b, p, r->tenant, &a);
    }
    return a.any;
}

static enum chancery_err decide_certificate(const struct policy_decider *d,
                                            const Chancery__Policy__V1__CertificateItem *in,
                                            const struct permit_statement *statement, int64_t now_s,
                                            struct arena *arena, struct policy_decision *out)
{
    struct diag why = {.field = ""};
    const struct policy_issuer *issuer = policy_issuers_find(d->issuers, in->issuer_id);
    struct slice tbs = slice_of(in->tbs.data, in->tbs.len);
    struct policy_open space, *o = &space;
    out->item.purpose = PERMIT_CERTIFICATE;
    crypto_sha256(tbs, out->item.tbs_sha256);
    name_issuer(issuer, out);
    enum chancery_err err = admit(d, in, statement, arena, &space.request, out, &why);
    if (err != CH_OK) {
        return refuse(out, err, &why, arena);
    }
    if (limited(d->bundle, &space.request)) { /* the verdict may have to wait */
        o = arena_alloc(arena, sizeof *o);
        if (o == NULL) {
            return CH_NOMEM;
        }
        o->request = space.request;
    }
    struct policy_approval *approvals = NULL;
    TRY(list_approvals(in, arena, &approvals));
    o->facts = (struct policy_facts){.approvals = approvals,
                                     .n_approvals = in->n_approvals,
                                     .tbs = tbs,
                                     .issuer = issuer,
                                     .now_s = now_s};
    own_keys(d, &o->facts);
    memcpy(o->digest, out->item.request_digest, PERMIT_DIGEST);
    TRY(judge_open(d->bundle, o));
    out->judged = true;
    out->open = o->verdict.verdict == POLICY_NA ? o : NULL;
    return out->open != NULL ? CH_OK : conclude(&o->verdict, arena, out);
}

/* ---- CRLs ---- */

static enum chancery_err decide_crl(const struct policy_decider *d,
                                    const Chancery__Policy__V1__CrlItem *in, int64_t now_s,
                                    struct arena *arena, struct policy_decision *out)
{
    struct policy_verdict verdict;
    struct diag why = {.field = ""};
    const struct policy_issuer *issuer = policy_issuers_find(d->issuers, in->issuer_id);
    out->item.purpose = PERMIT_CRL;
    out->item.crl_shard = in->shard;
    out->item.crl_number = in->number;
    out->item.crl_this_update_s = in->this_update_s;
    name_issuer(issuer, out);
    if (in->tbs_sha256.len != PERMIT_DIGEST) {
        (void)diag_set(&why, CH_INVALID, "crl.tbs_sha256", "crl.tbs", "a digest has 32 octets");
        return refuse(out, CH_INVALID, &why, arena);
    }
    memcpy(out->item.tbs_sha256, in->tbs_sha256.data, PERMIT_DIGEST);
    const struct policy_crl_facts facts = {.issuer = issuer,
                                           .shard = in->shard,
                                           .number = in->number,
                                           .this_update_s = in->this_update_s,
                                           .next_update_s = in->next_update_s,
                                           .now_s = now_s};
    policy_judge_crl(d->bundle, &facts, &verdict);
    return conclude(&verdict, arena, out);
}

/* ---- all kinds ---- */

static enum chancery_err write_item(struct policy_decision *d, struct arena *arena)
{
    struct buf b CLEANUP(buf_clear);
    buf_init(&b, ITEM_MAX);
    TRY(permit_item_write(&d->item, &b));
    uint8_t *copy = arena_copy(arena, buf_slice(&b));
    d->item_bytes = slice_of(copy, b.len);
    return copy == NULL ? CH_NOMEM : CH_OK;
}

enum chancery_err policy_decide(const struct policy_decider *d,
                                const Chancery__Policy__V1__PermitItem *in,
                                const struct permit_statement *statement, int64_t now_s,
                                struct arena *arena, struct policy_decision *out)
{
    *out = (struct policy_decision){.item.verdict = PERMIT_REFUSE,
                                    .issuer_id = "",
                                    .profile = "",
                                    .failed = "",
                                    .err = CH_INTERNAL};
    switch (in->subject_case) {
    case CHANCERY__POLICY__V1__PERMIT_ITEM__SUBJECT_CERTIFICATE:
        TRY(decide_certificate(d, in->certificate, statement, now_s, arena, out));
        return out->open != NULL ? CH_OK : write_item(out, arena);
    case CHANCERY__POLICY__V1__PERMIT_ITEM__SUBJECT_CRL:
        TRY(decide_crl(d, in->crl, now_s, arena, out));
        return write_item(out, arena);
    case CHANCERY__POLICY__V1__PERMIT_ITEM__SUBJECT__NOT_SET:
    default:
        return CH_INVALID; /* the caller has looked */
    }
}

/* The issuer that a dry run is about when it names none: of the profile's, the one that the TBS
 * names, else the first. */
static const struct policy_issuer *issuer_of(const struct policy_decider *d,
                                             const struct policy_template *t, struct slice tbs)
{
    struct policy_tbs read;
    bool readable = tbs.len > 0 && policy_tbs_read(tbs, &read) == NULL;
    for (size_t i = 0; readable && i < t->n_issuers; i++) {
        const struct policy_issuer *m = policy_issuers_find(d->issuers, t->issuers[i]);
        if (m != NULL && slice_eq(m->subject, read.issuer)) {
            return m;
        }
    }
    return policy_issuers_find(d->issuers, t->issuers[0]);
}

struct policy_ask policy_ask_of(const struct policy_open *o)
{
    return (struct policy_ask){.limits = &o->limits,
                               .request = &o->request,
                               .digest = o->digest,
                               .tbs_sha256 = o->tbs_sha256,
                               .issuer_id = o->facts.issuer->issuer_id,
                               .serial = o->serial,
                               .not_after_s = o->not_after_s};
}

enum chancery_err policy_decide_limits(const struct policy_decider *d,
                                       const struct policy_usage *usage, struct arena *arena,
                                       struct policy_decision *out)
{
    struct policy_open *o = out->open;
    int64_t after_s = 0;
    out->open = NULL;
    o->facts.usage = usage;
    if (usage != NULL) {
        o->usage = *usage;
        out->limited = o;
    }
    policy_judge_limits(d->bundle, &o->facts, &o->verdict);
    TRY(conclude(&o->verdict, arena, out));
    if (usage == NULL) {
        out->undecided = true;
        out->judged = false;
        out->err = diag_set(&out->diag, CH_UNAVAILABLE, "request", "limit.usage",
                            "what has been used of the profile's limits is not known now; retry");
    } else if (policy_limits_retry(&o->verdict, usage, &after_s)) {
        out->err = CH_BUSY;
        out->diag.retry_after_s = after_s > UINT32_MAX ? UINT32_MAX : (unsigned)after_s;
    }
    return write_item(out, arena);
}

/* What could not be built is a failed rule like any other. */
static enum chancery_err say_unbuilt(const struct diag *why, struct arena *arena,
                                     struct policy_verdict *v)
{
    if (v->n == POLICY_RULES_MAX) {
        v->n--;
    }
    struct policy_rule *r = &v->rules[v->n++];
    *r = (struct policy_rule){.rule = arena_str(arena, slice_str(why->rule)),
                              .outcome = POLICY_FAIL,
                              .field = arena_str(arena, slice_str(why->field)),
                              .observed = arena_str(arena, slice_str(why->text)),
                              .required = "a certificate that can be written",
                              .source = "engine"};
    v->verdict = POLICY_FAIL;
    return r->rule == NULL || r->field == NULL || r->observed == NULL ? CH_NOMEM : CH_OK;
}

/* The request with the TBS that ca would build for it. */
static enum chancery_err judge_built(const struct policy_decider *d, struct slice spki,
                                     struct arena *arena, struct policy_open *out)
{
    struct diag why = {.field = ""};
    enum chancery_err err = policy_dry_run(d, &out->request, out->digest, spki, out->facts.now_s,
                                           arena, &out->facts.issuer, &out->facts.tbs, &why);
    if (err == CH_NOMEM) {
        return err;
    }
    TRY(judge_open(d->bundle, out));
    return err == CH_OK ? CH_OK : say_unbuilt(&why, arena, &out->verdict);
}

enum chancery_err policy_decide_request(const struct policy_decider *d,
                                        const Chancery__Policy__V1__EvaluateRequest *in,
                                        int64_t now_s, struct arena *arena, struct policy_open *out,
                                        struct diag *diag)
{
    TRY(permit_request_from_proto(in->request, arena, &out->request, diag));
    TRY(permit_request_digest(&out->request, out->digest, diag)); /* checks sizes and order */
    const struct policy_profile *profile = policy_profile_find(d->bundle, out->request.profile);
    if (profile == NULL) {
        return diag_set(diag, CH_NOT_FOUND, "request.profile", "profile.known",
                        "the bundle has no such profile");
    }
    const struct policy_issuer *issuer =
        in->issuer_id[0] == '\0'
            ? issuer_of(d, policy_profile_template(profile), slice_of(in->tbs.data, in->tbs.len))
            : policy_issuers_find(d->issuers, in->issuer_id);
    if (issuer == NULL) {
        return diag_set(diag, CH_NOT_FOUND, "issuer_id", "issuer.known", "there is no such issuer");
    }
    out->facts = (struct policy_facts){
        .tbs = slice_of(in->tbs.data, in->tbs.len), .issuer = issuer, .now_s = now_s};
    own_keys(d, &out->facts);
    return in->tbs.len == 0 && in->spki.len > 0
               ? judge_built(d, slice_of(in->spki.data, in->spki.len), arena, out)
               : judge_open(d->bundle, out);
}

enum chancery_err policy_decide_permit(const struct policy_bundle *bundle,
                                       const struct policy_decision *items, size_t n, int64_t now_s,
                                       struct buf *out)
{
    struct slice leaves[PERMIT_BATCH_MAX];
    if (n == 0 || n > PERMIT_BATCH_MAX) {
        return CH_LIMIT;
    }
    for (size_t i = 0; i < n; i++) {
        leaves[i] = items[i].item_bytes;
    }
    struct permit p = {.expires_at_s = now_s + PERMIT_TTL_S, .n = (uint32_t)n};
    memcpy(p.bundle_sha256, policy_bundle_hash(bundle), sizeof p.bundle_sha256);
    permit_root(leaves, n, p.root);
    return permit_write(&p, out);
}
