/* A private SoftHSM for one test program: own configuration, own token folder, own PIN files.
 *
 * Sets SOFTHSM2_CONF and, for p11proxy, P11PROXY_MODULE, P11PROXY_LOG and P11PROXY_CONTROL of the
 * process. A failure is printed and ends the program. */
#ifndef CHANCERY_TEST_SOFTHSM_H
#define CHANCERY_TEST_SOFTHSM_H

#include "base/err.h"

#define TEST_SOFTHSM_MODULE "/usr/lib/softhsm/libsofthsm2.so"
#define TEST_P11PROXY_MODULE TEST_BINARY_DIR "/tests/libp11proxy.so"

struct test_softhsm {
    char dir[64];
    char tokens[96]; /* token folder */
    char pin[96];    /* user PIN file, mode 0600 */
    char so_pin[96];
    char journal[96]; /* P11PROXY_LOG */
    char control[96]; /* P11PROXY_CONTROL */
};

/* test_softhsm_start makes the folder; there is no token yet. */
void test_softhsm_start(struct test_softhsm *s);

/* test_softhsm_token makes a token by hsm_token_init. */
void test_softhsm_token(struct test_softhsm *s, const char *label);

/* test_softhsm_control sets the fault of p11proxy, atomically. */
void test_softhsm_control(struct test_softhsm *s, const char *command);

/* test_softhsm_end removes the folder. */
void test_softhsm_end(struct test_softhsm *s);

#endif
