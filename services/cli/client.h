/* Client configuration and channels to services; files that commands read and write. */
#ifndef CHANCERY_CLI_CLIENT_H
#define CHANCERY_CLI_CLIENT_H

#include "chancery/common/v1/common.pb-c.h"
#include "cli.h"
#include "rpc/rpc.h"

#define CLIENT_FILE_MAX ((size_t)1 << 20) /* largest file a command reads: a CSR, a certificate */

/* client_config reads the configuration once (see README.md for the search order). */
enum chancery_err client_config(struct cli *cli, struct diag *diag) MUST_CHECK;

/* client_channel gives the channel to `process`, opened on first use. CH_INVALID when the
 * configuration names no address for it. */
enum chancery_err client_channel(struct cli *cli, const char *process, struct rpc_channel **out,
                                 struct diag *diag) MUST_CHECK;

/* client_call calls one unary method of `process` with the run's timeout; *out lives in the run's
 * arena. */
enum chancery_err client_call(struct cli *cli, const char *process,
                              const ProtobufCServiceDescriptor *sd, const char *method,
                              const ProtobufCMessage *in, ProtobufCMessage **out,
                              struct diag *diag) MUST_CHECK;

/* client_identity reads the own certificate: its URI (in the run's arena) and SHA-256. */
enum chancery_err client_identity(struct cli *cli, const char **out_uri, uint8_t out_sha256[32],
                                  struct diag *diag) MUST_CHECK;

/* client_close closes channels and frees the configuration. */
void client_close(struct cli *cli);

/* client_read appends a file ("-": standard input). */
enum chancery_err client_read(const char *path, struct buf *out, struct diag *diag) MUST_CHECK;

/* client_write writes to a file (atomically, mode 0644) or, with `path` NULL or "-", to the output.
 */
enum chancery_err client_write(struct cli *cli, const char *path, struct slice content,
                               struct diag *diag) MUST_CHECK;

/* ---- certificates as JSON and PEM (cert_json.c) ---- */
json_t *client_cert_json(const Chancery__Common__V1__Certificate *c, bool with_pem);
/* client_cert_pem appends the certificate and, with `chain`, its chain. */
enum chancery_err client_cert_pem(const Chancery__Common__V1__Certificate *c, bool chain,
                                  struct buf *out) MUST_CHECK;

#endif
