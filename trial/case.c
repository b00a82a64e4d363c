/* A history record opened: request message, TBS and key. */
#include "chancery/policy/v1/policy.pb-c.h"
#include "policy/tbs.h"
#include "rpc/codec.h"
#include "trial/replay.h"
#include "trial/usage.h"

static struct slice bin(ProtobufCBinaryData b)
{
    return slice_of(b.data, b.len);
}

static enum chancery_err read_item(const struct trial_record *r, struct arena *arena,
                                   struct trial_case *out, struct diag *diag)
{
    ProtobufCMessage *m = NULL;
    TRY(rpc_unpack_bytes(r->item, &chancery__policy__v1__certificate_item__descriptor, arena, &m,
                         diag));
    const Chancery__Policy__V1__CertificateItem *item =
        (const Chancery__Policy__V1__CertificateItem *)m;
    TRY(permit_request_from_proto(item->request, arena, &out->request, diag));
    TRY(permit_request_digest(&out->request, out->digest, diag)); /* sizes and order */
    struct policy_approval *approvals =
        arena_alloc(arena, (item->n_approvals + 1) * sizeof *approvals);
    if (approvals == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < item->n_approvals; i++) {
        approvals[i] = (struct policy_approval){bin(item->approvals[i]->approval),
                                                bin(item->approvals[i]->signature)};
    }
    out->approvals = approvals;
    out->n_approvals = item->n_approvals;
    out->issuer_id = item->issuer_id;
    out->tbs = bin(item->tbs);
    return CH_OK;
}

enum chancery_err trial_case_read(const struct trial_record *r, struct arena *arena,
                                  struct trial_case *out, struct diag *diag)
{
    struct trial_case c = {.n_approvals = 0};
    struct policy_usage *usage = arena_alloc(arena, sizeof *usage);
    if (usage == NULL) {
        return CH_NOMEM;
    }
    TRY(trial_usage_read(r->usage, usage, diag));
    c.usage = usage;
    enum chancery_err err = read_item(r, arena, &c, diag);
    if (err != CH_OK) {
        return err == CH_NOMEM ? err
                               : diag_set(diag, err, "history", "history.item",
                                          "the request of a record is not readable");
    }
    struct policy_tbs *tbs = arena_alloc(arena, sizeof *tbs);
    if (tbs == NULL) {
        return CH_NOMEM;
    }
    /* What the judge could not read was refused; it is not an error of the history. */
    if (policy_tbs_read(c.tbs, tbs) == NULL) {
        c.read = tbs;
        if (crypto_public_from_spki(tbs->spki, &c.key, NULL) != CH_OK) {
            c.key = NULL;
        }
    }
    *out = c;
    return CH_OK;
}

void trial_case_clear(struct trial_case *c)
{
    crypto_public_free(c->key);
    c->key = NULL;
}
