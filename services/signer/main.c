/* chancery-signer: holds the issuer keys and signs what a permit allows. */
#include "signer.h"

int main(int argc, char **argv)
{
    static struct signer signer; /* method tables and keys outlive the daemon */
    struct diag diag = {.field = ""};
    enum chancery_err err = daemon_start(argc, argv, "signer", &signer.daemon, &diag);
    if (err == CH_OK) {
        err = signer_service_open(&signer, &diag);
    }
    if (err == CH_OK) {
        err = daemon_run(signer.daemon, &diag);
    }
    signer_service_close(&signer);
    return daemon_exit(signer.daemon, err, &diag);
}
