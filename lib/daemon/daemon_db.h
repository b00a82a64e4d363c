/* The database part of the process frame: pool from `database: {conninfo, pool}`, readiness by a
 * round trip, clock skew against PostgreSQL. Library chancery_daemon_db. */
#ifndef CHANCERY_DAEMON_DAEMON_DB_H
#define CHANCERY_DAEMON_DAEMON_DB_H

#include "daemon/daemon.h"
#include "db/db.h"

/* daemon_db_open makes the pool of the configuration (owned by the daemon, freed after the stop
 * hooks) and adds the readiness checks "database" (reachable) and "clock" (skew of 5 s at most).
 * CH_INVALID when `database` is missing. The server need not be up. Before daemon_run. */
enum chancery_err daemon_db_open(struct daemon *d, struct db_pool **out,
                                 struct diag *diag) MUST_CHECK;

#endif
