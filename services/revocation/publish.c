/* Assembling a signed CRL and putting it where HTTP finds it: temporary file, fsync, rename, fsync
 * of the folder. A reader sees the old file or the new one, whole. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "os/os.h"
#include "revocation.h"

struct writing {
    int fd;
    struct crypto_hasher *hash;
    uint64_t length;
};

static enum chancery_err put(void *ctx, struct slice piece, struct diag *diag)
{
    struct writing *w = ctx;
    crypto_hasher_update(w->hash, piece);
    w->length += piece.len;
    while (piece.len > 0) {
        ssize_t n = write(w->fd, piece.ptr, piece.len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return diag_set(diag, CH_IO, "crl", "crl.write", "cannot write the CRL");
        }
        piece = slice_sub(piece, (size_t)n, piece.len);
    }
    return CH_OK;
}

/* CertificateList ::= SEQUENCE { tbsCertList, signatureAlgorithm, signatureValue } (RFC 5280 5.1).
 */
static enum chancery_err write_crl(const struct revocation_crl *crl, struct writing *w,
                                   struct diag *diag)
{
    struct buf head CLEANUP(buf_clear) = {0}, tail CLEANUP(buf_clear) = {0};
    buf_init(&head, 32);
    buf_init(&tail, 8192);
    TRY(buf_add(&tail, crypto_alg_der(crl->issuer->alg)));
    TRY(der_put_bits(&tail, buf_slice(&crl->signature), 0));
    TRY(der_put_header(&head, DER_SEQUENCE, (size_t)crl->tbs_len + tail.len));
    TRY(put(w, buf_slice(&head), diag));
    TRY(revocation_crl_each(crl, put, w, diag));
    return put(w, buf_slice(&tail), diag);
}

enum chancery_err revocation_crl_path(const struct revocation *rv, const char *issuer_id,
                                      uint32_t shard, char *out, size_t cap)
{
    int n = snprintf(out, cap, "%s/%s/%u.crl", rv->conf.www, issuer_id, shard);
    return n < 0 || (size_t)n >= cap ? CH_LIMIT : CH_OK;
}

static enum chancery_err sync_dir(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return CH_IO;
    }
    enum chancery_err err = fsync(fd) == 0 ? CH_OK : CH_IO;
    close(fd);
    return err;
}

enum chancery_err revocation_crl_publish(struct revocation *rv, struct revocation_crl *crl,
                                         struct diag *diag)
{
    char dir[600], path[700], temp[720];
    struct writing w = {.fd = -1};
    int n = snprintf(dir, sizeof(dir), "%s/%s", rv->conf.www, crl->issuer->id);
    if (n < 0 || (size_t)n >= sizeof(dir)) {
        return CH_LIMIT;
    }
    TRY(os_mkdirs(dir, 0755));
    TRY(revocation_crl_path(rv, crl->issuer->id, crl->shard, path, sizeof(path)));
    (void)snprintf(temp, sizeof(temp), "%s.new", path);
    w.hash = crypto_hasher_new(CRYPTO_HASH_SHA256);
    w.fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    enum chancery_err err = w.hash == NULL || w.fd < 0 ? CH_IO : write_crl(crl, &w, diag);
    if (err == CH_OK && fsync(w.fd) != 0) {
        err = CH_IO;
    }
    if (w.fd >= 0) {
        close(w.fd);
    }
    if (err == CH_OK && rename(temp, path) != 0) {
        err = CH_IO;
    }
    if (err == CH_OK) {
        err = sync_dir(dir);
    }
    if (err == CH_OK) {
        crypto_hasher_final(w.hash, crl->sha256);
        crl->length = w.length;
    } else {
        (void)unlink(temp);
        err = diag_set(diag, err, path, "crl.publish", "cannot publish: %s", err_name(err));
    }
    crypto_hasher_free(w.hash);
    return err;
}
