/* CRL push reader: the result does not depend on how the octets are cut. The first octet chooses
 * the cut. */
#include <stdlib.h>

#include "x509/x509.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    size_t entries, octets;
    bool head, tail;
};

static enum chancery_err on_head(void *ctx, const struct x509_crl_head *h, struct diag *diag)
{
    struct seen *s = ctx;
    (void)diag;
    s->head = true;
    s->octets += h->issuer.len;
    return CH_OK;
}

static enum chancery_err on_entry(void *ctx, const struct x509_crl_entry *e, struct diag *diag)
{
    struct seen *s = ctx;
    (void)diag;
    if (!s->head || s->tail || e->serial.len == 0 || e->serial.ptr[0] == 0) {
        abort();
    }
    s->entries++;
    s->octets += e->serial.len + e->reason;
    return CH_OK;
}

static enum chancery_err on_tail(void *ctx, const struct x509_crl_head *h, struct diag *diag)
{
    struct seen *s = ctx;
    (void)diag;
    s->tail = true;
    s->octets += h->issuer_ski.len + (h->idp_url == NULL ? 0 : strlen(h->idp_url));
    return CH_OK;
}

static enum chancery_err run(struct slice tbs, size_t chunk, struct seen *s)
{
    static const struct x509_crl_events events = {on_head, on_entry, on_tail};
    struct x509_crl_reader *r = x509_crl_reader_new(&events, s);
    enum chancery_err err = r == NULL ? CH_NOMEM : CH_OK;
    for (size_t at = 0; err == CH_OK && at < tbs.len; at += chunk) {
        err = x509_crl_reader_push(r, slice_sub(tbs, at, chunk), NULL);
    }
    if (err == CH_OK) {
        err = x509_crl_reader_finish(r, NULL);
    }
    x509_crl_reader_free(r);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    struct slice tbs = slice_of(data + 1, size - 1);
    struct seen whole = {0}, cut = {0};
    enum chancery_err a = run(tbs, tbs.len + 1, &whole);
    enum chancery_err b = run(tbs, (size_t)data[0] + 1, &cut);
    if (a != b || (a == CH_OK &&
                   (whole.entries != cut.entries || whole.octets != cut.octets || !whole.tail))) {
        abort();
    }
    return 0;
}
