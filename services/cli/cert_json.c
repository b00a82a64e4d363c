/* A certificate of the API as JSON and as PEM. */
#include "client.h"
#include "x509/x509.h"

#define CERT_PEM_MAX ((size_t)1 << 20)

enum chancery_err client_cert_pem(const Chancery__Common__V1__Certificate *c, bool chain,
                                  struct buf *out)
{
    TRY(x509_pem_write("CERTIFICATE", rpc_slice(c->der), out));
    for (size_t i = 0; chain && i < c->n_chain_der; i++) {
        TRY(x509_pem_write("CERTIFICATE", rpc_slice(c->chain_der[i]), out));
    }
    return CH_OK;
}

/* Adds the PEM texts; false when out of memory. */
static bool cert_json_pem(json_t *v, const Chancery__Common__V1__Certificate *c)
{
    struct buf pem;
    buf_init(&pem, CERT_PEM_MAX);
    bool ok = client_cert_pem(c, false, &pem) == CH_OK &&
              json_object_set_new(v, "pem", out_text(buf_slice(&pem))) == 0;
    buf_reset(&pem);
    for (size_t i = 0; ok && i < c->n_chain_der; i++) {
        ok = x509_pem_write("CERTIFICATE", rpc_slice(c->chain_der[i]), &pem) == CH_OK;
    }
    ok = ok && json_object_set_new(v, "chain_pem", out_text(buf_slice(&pem))) == 0;
    buf_clear(&pem);
    return ok;
}

json_t *client_cert_json(const Chancery__Common__V1__Certificate *c, bool with_pem)
{
    json_t *names = json_array();
    for (size_t i = 0; i < c->n_names; i++) {
        (void)json_array_append_new(names, out_text(slice_str(c->names[i])));
    }
    json_t *v = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:i, s:I, s:o}", "issuer_id",
        out_text(slice_str(c->issuer_id)), "serial", out_hex(rpc_slice(c->serial)), "subject",
        out_text(slice_str(c->subject)), "names", names, "profile", out_text(slice_str(c->profile)),
        "requester", out_text(slice_str(c->requester)), "tenant", out_text(slice_str(c->tenant)),
        "request_id", out_hex(rpc_slice(c->request_id)), "spki_sha256",
        out_hex(rpc_slice(c->spki_sha256)), "not_before_s", (json_int_t)c->not_before_s,
        "not_after_s", (json_int_t)c->not_after_s, "issued_at_s", (json_int_t)c->issued_at_s,
        "shard", (int)c->shard, "log_index", (json_int_t)c->log_index, "status",
        out_text(slice_str(c->status)));
    if (v == NULL) {
        return NULL;
    }
    if (c->revoked_at_s != 0) {
        (void)json_object_set_new(v, "revoked_at_s", json_integer((json_int_t)c->revoked_at_s));
        (void)json_object_set_new(v, "revocation_reason",
                                  out_text(slice_str(c->revocation_reason)));
    }
    if (with_pem && !cert_json_pem(v, c)) {
        json_decref(v);
        return NULL;
    }
    return v;
}
