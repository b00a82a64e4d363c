/* Worker threads that share the items of a batch. The calling thread works too, so a pool without
 * threads is right, only slower. */
#ifndef CHANCERY_CA_POOL_H
#define CHANCERY_CA_POOL_H

#include <stddef.h>

#include "base/err.h"

struct ca_pool;
typedef void ca_pool_fn(void *ctx, size_t index);

/* ca_pool_new starts `threads` workers (0: one less than there are cores). CH_NOMEM. */
enum chancery_err ca_pool_new(unsigned threads, struct ca_pool **out) MUST_CHECK;

/* ca_pool_run calls fn(ctx, i) for each i < n, in any order and thread, and returns when all have
 * ended. */
void ca_pool_run(struct ca_pool *p, ca_pool_fn *fn, void *ctx, size_t n);

/* ca_pool_free ends the workers; nothing may run. NULL is fine. */
void ca_pool_free(struct ca_pool *p);

#endif
