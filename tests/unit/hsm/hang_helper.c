/* Signs once with the key it is told of: hsm_hang_helper MODULE TOKEN-URI KEY-URI PIN-FILE
 * DEADLINE-MS. */
#include <stdlib.h>

#include "hsm/hsm.h"
#include "log/log.h"

int main(int argc, char **argv)
{
    struct diag diag = {.field = ""};
    if (argc != 6) {
        return 2;
    }
    log_init("hang-helper", "1", LOG_LEVEL_INFO);
    struct hsm_opts opts = {.module = argv[1],
                            .token_uri = argv[2],
                            .pin_file = argv[4],
                            .pin_fd = -1,
                            .deadline_ms = (unsigned)strtoul(argv[5], NULL, 10)};
    struct hsm_token *t = NULL;
    struct hsm_key *k = NULL;
    struct buf out;
    buf_init(&out, 2048);
    enum chancery_err err = hsm_open(&opts, &t, &diag);
    if (err == CH_OK) {
        err = hsm_key_open(t, argv[3], &k, &diag);
    }
    if (err == CH_OK) {
        err = hsm_sign(k, CRYPTO_ALG_ECDSA_SHA256, slice_str("hang"), 1000, &out, &diag);
    }
    if (err != CH_OK) {
        log_diag(LOG_LEVEL_ERROR, "helper.failed", err, &diag);
    }
    buf_clear(&out);
    hsm_close(t);
    return err == CH_OK ? 0 : 1;
}
