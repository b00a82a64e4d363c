/* Worker threads, kept alive, that share the items of a batch. */
#ifndef CHANCERY_SIGNER_POOL_H
#define CHANCERY_SIGNER_POOL_H

#include "base/err.h"

struct signer_pool;
typedef void signer_pool_fn(void *ctx, size_t i);

/* signer_pool_new starts `threads` workers (0: one per core). */
enum chancery_err signer_pool_new(unsigned threads, struct signer_pool **out) MUST_CHECK;

/* signer_pool_run calls fn(ctx, i) once for each i < n, in any order and in parallel, and returns
 * when all are done. The caller works too. Several threads may run batches at the same time. */
void signer_pool_run(struct signer_pool *p, signer_pool_fn *fn, void *ctx, size_t n);

/* signer_pool_free ends the workers. No batch may be running. NULL is fine. */
void signer_pool_free(struct signer_pool *p);

#endif
