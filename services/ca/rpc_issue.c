/* IssueBatch: message in, outcomes out. */
#include "issue.h"
#include "lease.h"
#include "os/os.h"
#include "rpc.h"

typedef Chancery__Ca__V1__IssueResult issue_result;

static Chancery__Common__V1__Certificate *certificate_of(const struct ca_batch *b,
                                                         struct ca_item *i)
{
    struct buf subject CLEANUP(buf_clear), names CLEANUP(buf_clear), one CLEANUP(buf_clear);
    buf_init(&subject, X509_TBS_MAX);
    buf_init(&names, X509_TBS_MAX * 4);
    buf_init(&one, X509_TBS_MAX * 4);
    bool ok = x509_name_text(i->built.subject, &subject) == CH_OK;
    for (size_t k = 0; ok && k < i->request.n_sans; k++) {
        const struct x509_san san = {i->request.sans[k].type, i->request.sans[k].value};
        ok = (k == 0 || buf_add_u8(&names, '\n') == CH_OK) && x509_san_text(&san, &names) == CH_OK;
    }
    const struct ca_shown s = {.issuer = i->profile->issuer,
                               .issuer_id = slice_str(i->profile->issuer->issuer_id),
                               .serial = slice_of(i->serial, CA_SERIAL),
                               .der = i->der,
                               .tbs_sha256 = slice_of(i->built.tbs_sha256, 32),
                               .profile = i->request.profile,
                               .requester = i->request.requester,
                               .tenant = i->request.tenant,
                               .request_id = i->request.request_id,
                               .spki_sha256 = i->request.spki_sha256,
                               .subject = buf_slice(&subject),
                               .names = buf_slice(&names),
                               .not_before_s = i->built.not_before_s,
                               .not_after_s = i->built.not_after_s,
                               .issued_at_s = b->now_s,
                               .shard = i->built.shard,
                               .log_index = i->result_index};
    return ok ? ca_rpc_certificate(b->arena, &s) : NULL;
}

/* Rules that failed; a person asked for the whole list gets it from policy's Evaluate. */
static enum chancery_err add_rules(const struct ca_batch *b, const struct ca_item *i,
                                   issue_result *out)
{
    out->rules = arena_alloc(b->arena, (i->n_rules + 1) * sizeof *out->rules);
    if (out->rules == NULL) {
        return CH_NOMEM;
    }
    for (size_t k = 0; k < i->n_rules; k++) {
        if (i->rules[k]->outcome == CHANCERY__COMMON__V1__OUTCOME__OUTCOME_FAIL) {
            out->rules[out->n_rules++] = i->rules[k];
        }
    }
    return CH_OK;
}

static enum chancery_err fill_result(const struct ca_batch *b, struct ca_item *i, issue_result *out)
{
    switch (i->outcome) {
    case CA_ISSUED:
        out->outcome = CHANCERY__CA__V1__ISSUE_OUTCOME__ISSUE_OUTCOME_ISSUED;
        out->certificate = certificate_of(b, i);
        return out->certificate == NULL ? CH_NOMEM : CH_OK;
    case CA_OUT_REFUSED:
        out->outcome = CHANCERY__CA__V1__ISSUE_OUTCOME__ISSUE_OUTCOME_REFUSED;
        TRY(add_rules(b, i, out));
        break;
    case CA_OPEN:
    case CA_OUT_VOIDED:
        out->outcome = CHANCERY__CA__V1__ISSUE_OUTCOME__ISSUE_OUTCOME_VOIDED;
        break;
    }
    out->error = rpc_error_detail(b->arena, i->err == CH_OK ? CH_INTERNAL : i->err, &i->diag);
    return out->error == NULL ? CH_NOMEM : CH_OK;
}

static enum chancery_err fill_response(const struct ca_batch *b,
                                       Chancery__Ca__V1__IssueBatchResponse *out)
{
    issue_result *rows = arena_alloc(b->arena, b->n * sizeof *rows);
    out->items = arena_alloc(b->arena, b->n * sizeof *out->items);
    if (rows == NULL || out->items == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < b->n; i++) {
        chancery__ca__v1__issue_result__init(&rows[i]);
        TRY(fill_result(b, &b->items[i], &rows[i]));
        out->items[i] = &rows[i];
    }
    out->n_items = b->n;
    return CH_OK;
}

/* What a whole batch's failure is for registration: a part that is away now, or the error itself.
 */
static enum chancery_err as_whole(enum chancery_err err)
{
    switch (err) {
    case CH_BUSY:
    case CH_CANCELLED:
    case CH_UNKNOWN:
    case CH_DB:
    case CH_NOMEM:
        return CH_UNAVAILABLE;
    default:
        return err;
    }
}

enum chancery_err ca_rpc_issue(struct rpc_call *call, const ProtobufCMessage *in,
                               ProtobufCMessage *out, void *ctx)
{
    struct ca_batch batch;
    TRY(ca_batch_open(ctx, (const Chancery__Ca__V1__IssueBatchRequest *)in, rpc_arena(call),
                      os_now_s(), rpc_time_left_ms(call), &batch, rpc_diag(call)));
    enum chancery_err err = ca_batch_run(&batch, rpc_diag(call));
    if (err == CH_OK) {
        err = fill_response(&batch, (Chancery__Ca__V1__IssueBatchResponse *)out);
    }
    ca_batch_clear(&batch);
    return as_whole(err);
}
