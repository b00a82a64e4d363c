/* A CSR as the request that registration would state for this caller. */
#include "policy_request.h"

#include "crypto/alg.h"
#include "os/os.h"

/* Names and extensions of the request message, from the CSR. */
static enum chancery_err fill_lists(struct cli *cli, const struct x509_csr *csr,
                                    Chancery__Common__V1__Request *r)
{
    r->sans = arena_alloc(&cli->arena, csr->n_sans * sizeof *r->sans + 1);
    r->extensions = arena_alloc(&cli->arena, csr->n_extensions * sizeof *r->extensions + 1);
    if (r->sans == NULL || r->extensions == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < csr->n_sans; i++) {
        Chancery__Common__V1__San *s = arena_alloc(&cli->arena, sizeof *s);
        if (s == NULL) {
            return CH_NOMEM;
        }
        chancery__common__v1__san__init(s);
        s->type = (Chancery__Common__V1__SanType)csr->sans[i].type;
        s->value = rpc_bytes(&cli->arena, csr->sans[i].value);
        r->sans[r->n_sans++] = s;
    }
    for (size_t i = 0; i < csr->n_extensions; i++) {
        Chancery__Common__V1__Extension *e = arena_alloc(&cli->arena, sizeof *e);
        if (e == NULL) {
            return CH_NOMEM;
        }
        chancery__common__v1__extension__init(e);
        e->oid = rpc_bytes(&cli->arena, csr->extensions[i].oid);
        e->critical = csr->extensions[i].critical;
        e->value = rpc_bytes(&cli->arena, csr->extensions[i].value);
        r->extensions[r->n_extensions++] = e;
    }
    return CH_OK;
}

enum chancery_err policy_request_fill(struct cli *cli, const struct args *args,
                                      const struct x509_csr *csr, Chancery__Common__V1__Request *r,
                                      Chancery__Common__V1__Evidence *e, struct diag *diag)
{
    uint8_t id[16], spki[32], proof[32], client[32];
    const char *uri = NULL;
    int64_t validity_s = 0;
    TRY(args_duration_s(args, "validity", 1, UINT32_MAX, &validity_s, diag));
    TRY(client_identity(cli, &uri, client, diag));
    /* What registration would state about this caller. */
    static const char *const proven[] = {"mtls", "pkcs10"};
    os_random(id, sizeof id);
    crypto_sha256(csr->spki, spki);
    crypto_sha256(csr->der, proof);
    const char *tenant = args_has(args, "tenant") ? args_get(args, "tenant") : "default";
    r->request_id = rpc_bytes(&cli->arena, slice_of(id, sizeof id));
    r->tenant = arena_str(&cli->arena, slice_str(tenant));
    r->profile = arena_str(&cli->arena, slice_str(args_get(args, "profile")));
    r->requester = arena_str(&cli->arena, slice_str(uri));
    r->spki_sha256 = rpc_bytes(&cli->arena, slice_of(spki, sizeof spki));
    r->subject_der = rpc_bytes(&cli->arena, csr->subject);
    r->max_validity_s = (uint32_t)validity_s;
    e->protocol = arena_str(&cli->arena, slice_str("grpc"));
    e->caller = r->requester;
    e->client_cert_sha256 = rpc_bytes(&cli->arena, slice_of(client, sizeof client));
    e->proof = arena_str(&cli->arena, slice_str("pkcs10"));
    e->proof_sha256 = rpc_bytes(&cli->arena, slice_of(proof, sizeof proof));
    e->authentication = (char **)(uintptr_t)proven;
    e->n_authentication = sizeof proven / sizeof proven[0];
    r->evidence = e;
    return fill_lists(cli, csr, r);
}
