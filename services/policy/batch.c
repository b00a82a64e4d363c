/* Judging a batch: statement, request digests, verdicts, permit items. No clock, no I/O. */
#include "service.h"

static bool stated(const struct permit_statement *s, const uint8_t digest[PERMIT_DIGEST])
{
    for (size_t i = 0; s != NULL && i < s->n; i++) {
        if (memcmp(s->digests[i], digest, PERMIT_DIGEST) == 0) {
            return true;
        }
    }
    return false;
}

enum chancery_err policy_first_failure(const struct policy_verdict *v, struct diag *diag)
{
    for (size_t i = 0; i < v->n; i++) {
        const struct policy_rule *r = &v->rules[i];
        if (r->outcome == POLICY_FAIL) {
            return diag_set(diag, CH_REFUSED, r->field, r->rule,
                            "policy refuses: seen %s; required %s (%s)", r->observed, r->required,
                            r->source);
        }
    }
    return diag_set(diag, CH_REFUSED, "", "policy.verdict", "policy refuses without a failed rule");
}

static enum chancery_err judge_certificate(const struct policy_service *p,
                                           const Chancery__Policy__V1__CertificateItem *in,
                                           const struct permit_statement *statement, int64_t now_s,
                                           struct arena *arena, struct permit_item *item,
                                           struct policy_judged *j)
{
    struct permit_request request;
    item->purpose = PERMIT_CERTIFICATE;
    crypto_sha256(rpc_slice(in->tbs), item->tbs_sha256);
    const struct policy_issuer *issuer = policy_issuer_find(p, in->issuer_id);
    if (issuer == NULL) {
        return diag_set(&j->diag, CH_REFUSED, "issuer_id", "issuer.unknown",
                        "no issuer with this id");
    }
    memcpy(item->issuer_spki_sha256, issuer->spki_sha256, 32);
    TRY(permit_request_from_proto(in->request, arena, &request, &j->diag));
    TRY(permit_request_digest(&request, item->request_digest, &j->diag));
    if (!stated(statement, item->request_digest)) {
        return diag_set(&j->diag, CH_REFUSED, "request", "statement.request",
                        "registration's statement does not cover this request");
    }
    if (in->tbs.len == 0) {
        return diag_set(&j->diag, CH_REFUSED, "tbs", "tbs.missing", "there is no TBS to permit");
    }
    struct policy_facts facts = {.request = &request,
                                 .tbs = rpc_slice(in->tbs),
                                 .issuer = issuer,
                                 .now_s = now_s,
                                 .own_keys = p->own_keys,
                                 .n_own_keys = p->n_own_keys};
    policy_judge_certificate(p->bundle, &facts, &j->verdict);
    return j->verdict.verdict == POLICY_PASS ? CH_OK : policy_first_failure(&j->verdict, &j->diag);
}

static enum chancery_err judge_crl(const struct policy_service *p,
                                   const Chancery__Policy__V1__CrlItem *in, int64_t now_s,
                                   struct permit_item *item, struct policy_judged *j)
{
    item->purpose = PERMIT_CRL;
    item->crl_shard = in->shard;
    item->crl_number = in->number;
    item->crl_this_update_s = in->this_update_s;
    if (in->tbs_sha256.len != PERMIT_DIGEST) {
        return diag_set(&j->diag, CH_REFUSED, "tbs_sha256", "tbs.digest",
                        "a SHA-256 has 32 octets");
    }
    memcpy(item->tbs_sha256, in->tbs_sha256.data, PERMIT_DIGEST);
    struct policy_crl_facts facts = {.issuer = policy_issuer_find(p, in->issuer_id),
                                     .shard = in->shard,
                                     .number = in->number,
                                     .this_update_s = in->this_update_s,
                                     .next_update_s = in->next_update_s,
                                     .now_s = now_s};
    if (facts.issuer == NULL) {
        return diag_set(&j->diag, CH_REFUSED, "issuer_id", "issuer.unknown",
                        "no issuer with this id");
    }
    memcpy(item->issuer_spki_sha256, facts.issuer->spki_sha256, 32);
    policy_judge_crl(p->bundle, &facts, &j->verdict);
    return j->verdict.verdict == POLICY_PASS ? CH_OK : policy_first_failure(&j->verdict, &j->diag);
}

static enum chancery_err judge_item(const struct policy_service *p,
                                    const Chancery__Policy__V1__PermitItem *in,
                                    const struct permit_statement *statement, int64_t now_s,
                                    struct arena *arena, struct policy_judged *j)
{
    struct permit_item item = {.purpose = PERMIT_CERTIFICATE};
    switch (in->subject_case) {
    case CHANCERY__POLICY__V1__PERMIT_ITEM__SUBJECT_CERTIFICATE:
        j->certificate = in->certificate;
        j->err = judge_certificate(p, in->certificate, statement, now_s, arena, &item, j);
        break;
    case CHANCERY__POLICY__V1__PERMIT_ITEM__SUBJECT_CRL:
        j->err = judge_crl(p, in->crl, now_s, &item, j);
        break;
    default:
        j->err = diag_set(&j->diag, CH_REFUSED, "items", "item.subject",
                          "neither a certificate nor a CRL");
    }
    item.verdict = j->err == CH_OK ? PERMIT_ALLOW : PERMIT_REFUSE;
    if (j->err == CH_NOMEM) {
        return CH_NOMEM;
    }
    memcpy(item.rules_sha256, j->verdict.rules_sha256, sizeof item.rules_sha256);
    memcpy(j->tbs_sha256, item.tbs_sha256, sizeof j->tbs_sha256);
    struct buf bytes CLEANUP(buf_clear);
    buf_init(&bytes, 512);
    TRY(permit_item_write(&item, &bytes));
    uint8_t *copy = arena_copy(arena, buf_slice(&bytes));
    j->item = slice_of(copy, bytes.len);
    return copy == NULL ? CH_NOMEM : CH_OK;
}

enum chancery_err policy_judge_batch(const struct policy_service *p,
                                     const Chancery__Policy__V1__PermitRequest *in,
                                     const struct permit_statement *statement, int64_t now_s,
                                     struct arena *arena, struct policy_judged **out,
                                     struct diag *diag)
{
    if (in->n_items == 0 || in->n_items > PERMIT_BATCH_MAX) {
        return diag_set(diag, CH_INVALID, "items", "permit.items", "send 1 to %d items",
                        PERMIT_BATCH_MAX);
    }
    struct policy_judged *list = arena_alloc(arena, in->n_items * sizeof *list);
    if (list == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < in->n_items; i++) {
        TRY(judge_item(p, in->items[i], statement, now_s, arena, &list[i]));
    }
    *out = list;
    return CH_OK;
}

enum chancery_err policy_rules_to_proto(const struct policy_verdict *v, bool failed_only,
                                        struct arena *arena,
                                        Chancery__Common__V1__RuleResult ***out, size_t *out_n)
{
    static const Chancery__Common__V1__Outcome outcomes[] = {
        [POLICY_NONE] = CHANCERY__COMMON__V1__OUTCOME__OUTCOME_UNSPECIFIED,
        [POLICY_FAIL] = CHANCERY__COMMON__V1__OUTCOME__OUTCOME_FAIL,
        [POLICY_PASS] = CHANCERY__COMMON__V1__OUTCOME__OUTCOME_PASS,
        [POLICY_NA] = CHANCERY__COMMON__V1__OUTCOME__OUTCOME_NOT_APPLICABLE,
    };
    Chancery__Common__V1__RuleResult **list = arena_alloc(arena, (v->n + 1) * sizeof *list);
    size_t n = 0;
    for (size_t i = 0; list != NULL && i < v->n; i++) {
        const struct policy_rule *r = &v->rules[i];
        if (failed_only && r->outcome != POLICY_FAIL) {
            continue;
        }
        Chancery__Common__V1__RuleResult *m = arena_alloc(arena, sizeof *m);
        if (m == NULL) {
            return CH_NOMEM;
        }
        chancery__common__v1__rule_result__init(m);
        m->rule = arena_str(arena, slice_str(r->rule));
        m->outcome = outcomes[r->outcome];
        m->field = arena_str(arena, slice_str(r->field == NULL ? "" : r->field));
        m->observed = arena_str(arena, slice_str(r->observed));
        m->required = arena_str(arena, slice_str(r->required));
        m->source = arena_str(arena, slice_str(r->source));
        if (m->rule == NULL || m->field == NULL || m->observed == NULL || m->required == NULL ||
            m->source == NULL) {
            return CH_NOMEM;
        }
        list[n++] = m;
    }
    if (list == NULL) {
        return CH_NOMEM;
    }
    *out = list;
    *out_n = n;
    return CH_OK;
}
