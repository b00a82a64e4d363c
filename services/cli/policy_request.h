/* The request message of a CSR, as registration would state it for the caller. */
#ifndef CHANCERY_CLI_POLICY_REQUEST_H
#define CHANCERY_CLI_POLICY_REQUEST_H

#include "client.h"
#include "x509/x509.h"

/* policy_request_fill fills `r` and `e` (initialised) for `csr`; options tenant, profile and
 * validity of the command. Everything lives in the run's arena. */
enum chancery_err policy_request_fill(struct cli *cli, const struct args *args,
                                      const struct x509_csr *csr, Chancery__Common__V1__Request *r,
                                      Chancery__Common__V1__Evidence *e,
                                      struct diag *diag) MUST_CHECK;

#endif
