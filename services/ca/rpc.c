/* The service's table: who may call what. */
#include "rpc.h"

#include "chancery/ca/v1/ca.pb-c.h"

static const char *const registration[] = {"/chancery/registration", NULL};
static const char *const revocation[] = {"/chancery/revocation", NULL};
static const char *const readers[] = {"/chancery/registration", "/chancery/revocation",
                                      "/chancery/policy", NULL};

static const struct rpc_method methods[] = {
    {"IssueBatch", RPC_UNARY, ca_rpc_issue, registration},
    {"SignCrl", RPC_CLIENT_STREAM, ca_rpc_crl, revocation},
    {"FindCertificates", RPC_UNARY, ca_rpc_find, registration},
    {"ListIssuers", RPC_UNARY, ca_rpc_issuers, readers},
};

enum chancery_err ca_rpc_add(struct ca *ca)
{
    return rpc_server_add(daemon_server(ca->d), &chancery__ca__v1__ca_service__descriptor, methods,
                          sizeof methods / sizeof methods[0], ca);
}
