/* chancery-registration: the public API. */
#include "registration.h"

int main(int argc, char **argv)
{
    static struct registration registration; /* method tables outlive the daemon */
    struct diag diag = {.text = ""};
    enum chancery_err err = daemon_start(argc, argv, "registration", &registration.daemon, &diag);
    if (err == CH_OK) {
        err = registration_service_open(&registration, &diag);
    }
    if (err == CH_OK) {
        err = daemon_run(registration.daemon, &diag);
    }
    return daemon_exit(registration.daemon, err, &diag);
}
