/* Records judged again, one after the other; the threads are in replay_run.c. */
#include "policy/tbs.h"
#include "trial/replay_int.h"

#define WORDS_MAX ((size_t)4096)

/* ca built it some moments before it was judged: how far notBefore was set back tells when. */
static int64_t built_at(const struct trial_record *rec, const struct trial_case *c,
                        const struct trial_bundle *base)
{
    const struct policy_profile *p =
        base == NULL ? NULL : policy_profile_find(trial_bundle_of(base), c->request.profile);
    if (p == NULL || c->read == NULL) {
        return rec->judged_at_s;
    }
    int64_t at = c->read->not_before_s + policy_profile_template(p)->backdate_s;
    bool plausible = at <= rec->judged_at_s + CLOCKS_S && at >= rec->judged_at_s - WAIT_S;
    return plausible ? at : rec->judged_at_s;
}

/* Content octets of an INTEGER to unsigned octets: a leading sign octet goes. */
static struct slice unsigned_of(struct slice serial)
{
    return serial.len > 1 && serial.ptr[0] == 0 ? slice_sub(serial, 1, serial.len) : serial;
}

static const struct policy_rule *first_failed(const struct policy_verdict *v)
{
    for (size_t i = 0; i < v->n; i++) {
        if (v->rules[i].outcome == POLICY_FAIL) {
            return &v->rules[i];
        }
    }
    return NULL;
}

/* Builds and judges under one bundle. */
static enum chancery_err try_under(struct trial_worker *w, const struct trial_bundle *t,
                                   const struct trial_request *r, struct trial_result *out,
                                   bool *out_permitted)
{
    TRY(trial_build(t, r, &w->arena, out));
    trial_judge(t, w->opts->world, r, out->issuer, out->tbs, &w->verdict);
    *out_permitted = w->verdict.verdict == POLICY_PASS && out->tbs.len > 0;
    return CH_OK;
}

/* The rules that failed, as the history has them. */
static enum chancery_err failed_list(const struct policy_verdict *v, const struct trial_result *t,
                                     struct buf *out)
{
    if (t->build_err != CH_OK) {
        TRY(buf_add_str(out, t->build.rule));
    }
    for (size_t i = 0; i < v->n; i++) {
        if (v->rules[i].outcome == POLICY_FAIL) {
            TRY(buf_printf(out, "%s%s", out->len == 0 ? "" : ",", v->rules[i].rule));
        }
    }
    return CH_OK;
}

/* Why the candidate refuses: the first rule, what it saw, what it wants, and the line. */
static enum chancery_err why_refused(struct trial_worker *w, const struct trial_result *t,
                                     struct trial_change *c)
{
    const struct policy_rule *f = first_failed(&w->verdict);
    if (t->build_err != CH_OK) {
        c->rule = arena_str(&w->kept, slice_str(t->build.rule));
        c->detail = arena_str(&w->kept, slice_str(t->build.text));
    } else if (f != NULL) {
        c->rule = arena_str(&w->kept, slice_str(f->rule));
        c->detail = arena_printf(&w->kept, "found \"%s\", required: %s (%s)", f->observed,
                                 f->required, f->source);
    } else {
        c->rule = c->detail = "";
    }
    return c->rule == NULL || c->detail == NULL ? CH_NOMEM : CH_OK;
}

/* Permitted then and now: would it be the same certificate? */
static enum chancery_err compare_content(struct trial_worker *w, const struct trial_case *c,
                                         const struct trial_result *t, bool exact,
                                         struct trial_change *out)
{
    struct policy_tbs is;
    struct buf words CLEANUP(buf_clear);
    buf_init(&words, WORDS_MAX);
    if (slice_eq(c->tbs, t->tbs)) {
        return CH_OK;
    }
    if (c->read == NULL || policy_tbs_read(t->tbs, &is) != NULL) {
        return CH_INTERNAL; /* both were judged and permitted */
    }
    TRY(trial_content_diff(c->read, &is, exact ? 0 : WAIT_S, &words));
    if (words.len == 0) {
        return CH_OK;
    }
    out->kind = TRIAL_OTHER_CONTENT;
    out->rule = arena_str(&w->kept, buf_slice(&words));
    out->detail = "";
    return out->rule == NULL ? CH_NOMEM : CH_OK;
}

/* Differs from the history: by the candidate, or because what was judged were never ca's octets? */
static enum chancery_err against_base(struct trial_worker *w, const struct trial_record *rec,
                                      const struct trial_request *r,
                                      const struct trial_bundle *base, struct trial_change *out)
{
    struct trial_result then;
    bool permitted = false;
    if (base == NULL) {
        w->counts.baseless++;
        return CH_OK;
    }
    TRY(try_under(w, base, r, &then, &permitted));
    if (permitted && !rec->permitted) {
        out->kind = TRIAL_SAME;
        w->counts.forged++;
    }
    return CH_OK;
}

static enum chancery_err judge_case(struct trial_worker *w, const struct trial_record *rec,
                                    const struct trial_case *c, struct trial_change *out)
{
    static const uint8_t no_serial[TBS_SERIAL] = {1};
    const struct trial_bundle *base = trial_replay_find_base(w->replay, rec->bundle_sha256);
    struct trial_result now;
    bool permitted = false;
    const struct trial_request r = {.request = &c->request,
                                    .digest = c->digest,
                                    .key = c->key,
                                    .serial = c->read == NULL
                                                  ? slice_of(no_serial, sizeof no_serial)
                                                  : unsigned_of(c->read->serial),
                                    .built_at_s = built_at(rec, c, base),
                                    .judged_at_s = rec->judged_at_s,
                                    .approvals = c->approvals,
                                    .n_approvals = c->n_approvals,
                                    .usage = c->usage};
    TRY(try_under(w, w->opts->candidate, &r, &now, &permitted));
    if (rec->permitted && permitted) {
        return compare_content(w, c, &now, base != NULL, out);
    }
    if (rec->permitted) {
        out->kind = TRIAL_NOW_REFUSED;
        return why_refused(w, &now, out);
    }
    if (permitted) {
        out->kind = TRIAL_NOW_PERMITTED;
        out->rule = arena_str(&w->kept, rec->failed);
        out->detail = "";
        return out->rule == NULL ? CH_NOMEM : against_base(w, rec, &r, base, out);
    }
    struct buf list CLEANUP(buf_clear);
    buf_init(&list, TRIAL_FAILED_MAX);
    TRY(failed_list(&w->verdict, &now, &list));
    if (!slice_eq(buf_slice(&list), rec->failed) && c->key != NULL) {
        out->kind = TRIAL_OTHER_RULES;
    }
    return CH_OK;
}

/* The first name, for people; else the subject. */
static const char *first_name(struct trial_worker *w, const struct permit_request *r)
{
    struct buf text CLEANUP(buf_clear);
    buf_init(&text, WORDS_MAX);
    enum chancery_err err = CH_OK;
    if (r->n_sans > 0) {
        const struct x509_san s = {r->sans[0].type, r->sans[0].value};
        err = x509_san_text(&s, &text);
    } else {
        err = x509_name_text(r->subject_der, &text);
    }
    return arena_str(&w->kept, err == CH_OK ? buf_slice(&text) : slice_of(NULL, 0));
}

static enum chancery_err keep(struct trial_worker *w, const struct trial_record *rec,
                              const struct trial_case *c, struct trial_change *change)
{
    w->counts.counts[change->kind]++;
    if (change->kind == TRIAL_SAME || change->kind == TRIAL_OTHER_RULES ||
        w->n_changes >= TRIAL_CHANGES_MAX) {
        return CH_OK;
    }
    memcpy(change->request_id, c->request.request_id.ptr, sizeof change->request_id);
    memcpy(change->tbs_sha256, rec->tbs_sha256, 32);
    change->judged_at_s = rec->judged_at_s;
    change->profile = arena_str(&w->kept, c->request.profile);
    change->requester = arena_str(&w->kept, c->request.requester);
    change->name = first_name(w, &c->request);
    if (change->profile == NULL || change->requester == NULL || change->name == NULL) {
        return CH_NOMEM;
    }
    return trial_worker_keep(w, change);
}

enum chancery_err trial_replay_record(struct trial_worker *w, const struct trial_record *rec,
                                      uint64_t sequence)
{
    struct trial_change change = {.kind = TRIAL_SAME, .sequence = sequence};
    struct trial_case c;
    arena_reset(&w->arena);
    TRY(trial_case_read(rec, &w->arena, &c, &w->diag));
    enum chancery_err err = judge_case(w, rec, &c, &change);
    if (err == CH_OK) {
        err = keep(w, rec, &c, &change);
    }
    trial_case_clear(&c);
    w->counts.records++;
    w->counts.permitted += rec->permitted ? 1 : 0;
    w->counts.refused += rec->permitted ? 0 : 1;
    return err;
}
