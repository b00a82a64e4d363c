/* Client configuration, channels, files. */
#include "client.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "conf/conf.h"
#include "crypto/alg.h"
#include "os/os.h"
#include "text.h"
#include "x509/x509.h"

static enum chancery_err client_config_path(struct cli *cli, struct diag *diag)
{
    if (cli->config_path != NULL) {
        return CH_OK;
    }
    cli->config_path = getenv("CHANCERY_CONFIG");
    if (cli->config_path != NULL && cli->config_path[0] != '\0') {
        return CH_OK;
    }
    const char *home = getenv("HOME");
    if (home == NULL || home[0] != '/') {
        return cli_usage(cli, diag, "no configuration: give --config FILE or set CHANCERY_CONFIG");
    }
    cli->config_path = arena_printf(&cli->arena, "%s/.config/chancery/client.yaml", home);
    return cli->config_path == NULL ? CH_NOMEM : CH_OK;
}

static enum chancery_err client_config_peers(struct cli_config *c, const struct conf_node *root,
                                             struct diag *diag)
{
    const struct conf_node *peers = NULL;
    TRY(conf_map(root, "peers", CONF_REQUIRED, &peers, diag));
    if (conf_count(peers) > CLI_PEERS_MAX) {
        return conf_error(peers, CH_LIMIT, "client.peers", diag, "at most %d peers", CLI_PEERS_MAX);
    }
    for (size_t i = 0; i < conf_count(peers); i++) {
        struct cli_peer *p = &c->peers[i];
        p->process = conf_key_at(peers, i);
        if (!text_name_ok(p->process, 32, "-")) {
            return conf_error(conf_at(peers, i), CH_INVALID, "client.peers", diag,
                              "\"%s\" is not a process name", p->process);
        }
        TRY(conf_scalar(conf_at(peers, i), &p->address, diag));
        c->n_peers = i + 1;
    }
    return CH_OK;
}

static enum chancery_err client_config_read(struct cli *cli, struct diag *diag)
{
    struct cli_config *c = &cli->config;
    const struct conf_node *tls = NULL;
    const char *dir = NULL, *deny = NULL;
    TRY(conf_load(cli->config_path, &c->doc, diag));
    const struct conf_node *root = conf_root(c->doc);
    TRY(conf_string(root, "trust_domain", CONF_REQUIRED, &c->trust_domain, diag));
    TRY(conf_map(root, "tls", CONF_REQUIRED, &tls, diag));
    TRY(conf_string(tls, "dir", CONF_REQUIRED, &dir, diag));
    TRY(conf_string(tls, "deny_list", CONF_OPTIONAL, &deny, diag));
    TRY(client_config_peers(c, root, diag));
    TRY(conf_finish(root, diag));
    c->tls_dir = text_path(cli->config_path, dir);
    c->deny_list = deny == NULL ? NULL : text_path(cli->config_path, deny);
    return c->tls_dir == NULL || (deny != NULL && c->deny_list == NULL) ? CH_NOMEM : CH_OK;
}

enum chancery_err client_config(struct cli *cli, struct diag *diag)
{
    if (cli->config_loaded) {
        return CH_OK;
    }
    TRY(client_config_path(cli, diag));
    enum chancery_err err = client_config_read(cli, diag);
    if (err != CH_OK) {
        cli->usage = true; /* the configuration is the caller's, too */
        return err;
    }
    cli->config_loaded = true;
    return CH_OK;
}

enum chancery_err client_channel(struct cli *cli, const char *process, struct rpc_channel **out,
                                 struct diag *diag)
{
    /* Safe to repeat: reads, and writes that carry an idempotency key or are idempotent by nature.
     */
    static const char *const idempotent[] = {
        "chancery.registration.v1.RegistrationService/Enroll",
        "chancery.registration.v1.RegistrationService/GetCertificate",
        "chancery.registration.v1.RegistrationService/ListCertificates",
        "chancery.registration.v1.RegistrationService/Revoke",
        "chancery.registration.v1.RegistrationService/GetIssuer",
        "chancery.audit.v1.AuditService/GetCheckpoint",
        "chancery.audit.v1.AuditService/GetProof",
        "chancery.audit.v1.AuditService/ListEntries",
        "chancery.policy.v1.PolicyService/Evaluate",
        "chancery.policy.v1.PolicyService/GetBundle",
        "chancery.policy.v1.PolicyService/ListBundles",
        "chancery.policy.v1.PolicyService/SubmitBundle",
        "chancery.revocation.v1.RevocationService/ListCrls",
        NULL,
    };
    TRY(client_config(cli, diag));
    for (size_t i = 0; i < cli->config.n_peers; i++) {
        struct cli_peer *p = &cli->config.peers[i];
        if (strcmp(p->process, process) != 0) {
            continue;
        }
        if (p->channel == NULL) {
            if (!cli->rpc_started) {
                TRY(rpc_init());
                cli->rpc_started = true;
            }
            const char *uri = arena_printf(&cli->arena, "/chancery/%s", process);
            struct rpc_channel_opts opts = {
                .tls = {.dir = cli->config.tls_dir, .deny_file = cli->config.deny_list},
                .trust_domain = cli->config.trust_domain,
                .peer_uri = uri,
                .idempotent = idempotent,
            };
            TRY(rpc_channel_new(p->address, &opts, &p->channel, diag));
        }
        *out = p->channel;
        return CH_OK;
    }
    cli->usage = true;
    return diag_set(diag, CH_INVALID, "peers", "client.peers",
                    "%s names no address of %s under \"peers\"", cli->config_path, process);
}

enum chancery_err client_call(struct cli *cli, const char *process,
                              const ProtobufCServiceDescriptor *sd, const char *method,
                              const ProtobufCMessage *in, ProtobufCMessage **out, struct diag *diag)
{
    struct rpc_channel *channel = NULL;
    TRY(client_channel(cli, process, &channel, diag));
    enum chancery_err err =
        rpc_call_unary(channel, sd, method, in, cli->timeout_ms, &cli->arena, out, diag);
    if (err == CH_UNAVAILABLE && diag != NULL && diag->text[0] == '\0') {
        return diag_set(diag, err, process, "client.unavailable", "%s does not answer", process);
    }
    return err;
}

struct client_first {
    struct buf *out;
    bool seen;
};

static enum chancery_err client_take_first(void *ctx, struct slice der)
{
    struct client_first *first = ctx;
    if (first->seen) {
        return CH_OK;
    }
    first->seen = true;
    return buf_add(first->out, der);
}

static enum chancery_err client_identity_read(struct cli *cli, struct buf *pem, struct buf *der,
                                              const char **out_uri, uint8_t out_sha256[32],
                                              struct diag *diag)
{
    struct client_first first = {.out = der};
    struct x509_cert cert;
    const char *path = arena_printf(&cli->arena, "%s/cert.pem", cli->config.tls_dir);
    if (path == NULL) {
        return CH_NOMEM;
    }
    TRY(os_file_read(path, pem, diag));
    TRY(x509_pem_each("CERTIFICATE", buf_slice(pem), client_take_first, &first, diag));
    TRY(x509_cert_read(buf_slice(der), &cli->arena, &cert, diag));
    for (size_t i = 0; i < cert.n_sans; i++) {
        if (cert.sans[i].type == CHANCERY__COMMON__V1__SAN_TYPE__SAN_TYPE_URI) {
            *out_uri = arena_str(&cli->arena, cert.sans[i].value);
            crypto_sha256(buf_slice(der), out_sha256);
            return *out_uri == NULL ? CH_NOMEM : CH_OK;
        }
    }
    return diag_set(diag, CH_INVALID, path, "client.identity", "the certificate names no URI");
}

enum chancery_err client_identity(struct cli *cli, const char **out_uri, uint8_t out_sha256[32],
                                  struct diag *diag)
{
    struct buf pem, der;
    TRY(client_config(cli, diag));
    buf_init(&pem, CLIENT_FILE_MAX);
    buf_init(&der, CLIENT_FILE_MAX);
    enum chancery_err err = client_identity_read(cli, &pem, &der, out_uri, out_sha256, diag);
    buf_clear(&pem);
    buf_clear(&der);
    return err;
}

void client_close(struct cli *cli)
{
    for (size_t i = 0; i < cli->config.n_peers; i++) {
        rpc_channel_free(cli->config.peers[i].channel);
    }
    if (cli->rpc_started) {
        rpc_shutdown();
    }
    free(cli->config.tls_dir);
    free(cli->config.deny_list);
    conf_free(cli->config.doc);
    memset(&cli->config, 0, sizeof cli->config);
}

enum chancery_err client_read(const char *path, struct buf *out, struct diag *diag)
{
    uint8_t chunk[8192];
    if (strcmp(path, "-") != 0) {
        return os_file_read(path, out, diag);
    }
    for (;;) {
        ssize_t n = read(STDIN_FILENO, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return diag_set(diag, CH_IO, "stdin", "client.read", "reading standard input: %s",
                            strerror(errno));
        }
        if (n == 0) {
            return CH_OK;
        }
        TRY(buf_add(out, slice_of(chunk, (size_t)n)));
    }
}

enum chancery_err client_write(struct cli *cli, const char *path, struct slice content,
                               struct diag *diag)
{
    if (path != NULL && strcmp(path, "-") != 0) {
        return os_file_write_atomic(path, content, 0644, diag);
    }
    if (fwrite(content.ptr, 1, content.len, cli->out.f) != content.len || fflush(cli->out.f) != 0) {
        return diag_set(diag, CH_IO, "stdout", "client.write", "writing the output: %s",
                        strerror(errno));
    }
    return CH_OK;
}
