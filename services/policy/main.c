/* chancery-policy: judges final TBS bytes against the pinned bundle and signs permits. */
#include "service.h"

int main(int argc, char **argv)
{
    static struct policy_service service; /* method tables point to it until the daemon is freed */
    struct diag diag = {.field = ""};
    enum chancery_err err = daemon_start(argc, argv, "policy", &service.daemon, &diag);
    if (err == CH_OK) {
        err = policy_service_open(&service, &diag);
    }
    if (err == CH_OK) {
        err = daemon_run(service.daemon, &diag);
    }
    int code = daemon_exit(service.daemon, err, &diag);
    policy_service_close(&service);
    return code;
}
