/* Signed approvals, looked at one by one, and the count that promotes a bundle. */
#include "policy/officers.h"
#include "policy/policy_int.h"

/* Reads one paper; the first thing that is wrong with it, or NULL. Cheap looks come first: a
 * signature is verified only when all else holds. */
static const char *look(const struct policy_bundle *b, const struct policy_approval *in,
                        enum approval_purpose purpose, const uint8_t subject[32], int64_t now_s,
                        struct policy_paper *p)
{
    if (approval_read(in->bytes, &p->a, NULL) != CH_OK) {
        return "approval.format";
    }
    p->officer = policy_officers_by_key(b, p->a.approver);
    if (p->a.purpose != purpose || memcmp(p->a.subject, subject, sizeof p->a.subject) != 0) {
        return "approval.subject";
    }
    if (p->officer == NULL) {
        return "approval.officer";
    }
    if (approval_check_signature(&p->a, in->bytes, in->signature, p->officer->key, NULL) != CH_OK) {
        return "approval.signature";
    }
    if (approval_check_times(&p->a, now_s, NULL) == CH_OK) {
        return NULL;
    }
    if (p->a.expires_at_s > now_s) {
        return "approval.future";
    }
    return p->a.decision == APPROVAL_REJECT ? NULL : "approval.expired";
}

/* Whether `x` speaks later than `y`, both of one officer for one step. */
static bool later(const struct policy_paper *x, const struct policy_paper *y, bool tie)
{
    if (x->a.issued_at_s != y->a.issued_at_s) {
        return x->a.issued_at_s > y->a.issued_at_s;
    }
    if (x->a.decision != y->a.decision) {
        return x->a.decision == APPROVAL_REJECT;
    }
    return tie;
}

/* An officer who signs again has changed the mind: an expired word still replaces an older one. */
static bool signed_by_officer(const struct policy_paper *p)
{
    return p->rule == NULL || strcmp(p->rule, "approval.expired") == 0 ||
           strcmp(p->rule, "approval.superseded") == 0;
}

static void supersede(struct policy_paper *papers, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct policy_paper *p = &papers[i];
        for (size_t k = 0; k < n && p->rule == NULL; k++) {
            const struct policy_paper *q = &papers[k];
            if (k != i && signed_by_officer(q) && q->officer == p->officer &&
                slice_eq(q->a.step, p->a.step) && later(q, p, k < i)) {
                p->rule = "approval.superseded";
            }
        }
    }
}

size_t policy_papers_read(const struct policy_bundle *b, const struct policy_approval *list,
                          size_t n, enum approval_purpose purpose, const uint8_t subject[32],
                          int64_t now_s, struct policy_paper *out)
{
    n = n < POLICY_APPROVALS_MAX ? n : POLICY_APPROVALS_MAX;
    for (size_t i = 0; i < n; i++) {
        out[i] = (struct policy_paper){.officer = NULL};
        out[i].rule = look(b, &list[i], purpose, subject, now_s, &out[i]);
    }
    supersede(out, n);
    return n;
}

/* ---- promotion ---- */

static bool is_author(const struct policy_bundle *b, const struct policy_officer *o,
                      const struct policy_author *author)
{
    if (author == NULL) {
        return false;
    }
    return policy_officer_is(b, o, author->identity) ||
           (author->key_sha256 != NULL &&
            memcmp(author->key_sha256, crypto_public_spki_sha256(o->key), 32) == 0);
}

static const char *count_paper(const struct policy_bundle *b, const struct policy_paper *p,
                               const struct policy_author *author, struct policy_promotion *report)
{
    if (p->rule != NULL) {
        return p->rule;
    }
    if (!policy_officer_has_role(p->officer, report->role)) {
        return "approval.role";
    }
    if (p->a.decision == APPROVAL_REJECT) {
        report->rule = "promotion.rejected";
        return "";
    }
    if (is_author(b, p->officer, author)) {
        return "approval.self";
    }
    report->counted++; /* the only paper of this officer that stands: papers for bundles have one
                          step, and the latest for a step stands */
    return "";
}

enum policy_outcome policy_officers_promotion(const struct policy_bundle *b,
                                              const struct policy_approval *approvals, size_t n,
                                              const uint8_t subject[32],
                                              const struct policy_author *author, int64_t now_s,
                                              struct policy_promotion *report)
{
    struct policy_paper papers[POLICY_APPROVALS_MAX];
    *report = (struct policy_promotion){
        .role = b->officers.promotion_role, .needed = b->officers.promotion_quorum, .rule = ""};
    report->n = policy_papers_read(b, approvals, n, APPROVAL_BUNDLE, subject, now_s, papers);
    for (size_t i = 0; i < report->n; i++) {
        const struct policy_paper *p = &papers[i];
        report->papers[i].officer = p->officer == NULL ? "" : p->officer->id;
        report->papers[i].decision = p->a.decision;
        report->papers[i].rule = count_paper(b, p, author, report);
    }
    if (report->role.len == 0 || report->needed == 0) {
        report->rule = "promotion.none";
    } else if (n > POLICY_APPROVALS_MAX) {
        report->rule = "promotion.count"; /* what was not read may be a rejection */
    } else if (report->rule[0] == '\0' && report->counted < report->needed) {
        report->rule = "promotion.quorum";
    }
    return policy_outcome_of(report->rule[0] == '\0');
}
