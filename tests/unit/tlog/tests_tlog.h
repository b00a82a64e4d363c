/* What the tests of lib/tlog share. */
#ifndef CHANCERY_TESTS_TLOG_H
#define CHANCERY_TESTS_TLOG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tlog/tiles.h"

/* Entry i of the published vectors. */
static inline struct slice vector_entry(uint64_t i, char buf[64])
{
    int n = snprintf(buf, 64, "{\"seq\":%llu,\"op\":\"sign\"}", (unsigned long long)i);
    return slice_of(buf, (size_t)n);
}

static inline void assert_hash(const struct tlog_hash *h, const char *want_base64)
{
    struct buf b;
    buf_init(&b, 64);
    assert_int_equal(base64_encode(slice_of(h->b, TLOG_HASH), &b), CH_OK);
    assert_int_equal(b.len, strlen(want_base64));
    assert_memory_equal(b.ptr, want_base64, b.len);
    buf_clear(&b);
}

#endif
