/* CMocka with the headers it needs, in the order it wants them. */
#ifndef CHANCERY_TEST_CM_H
#define CHANCERY_TEST_CM_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#endif
