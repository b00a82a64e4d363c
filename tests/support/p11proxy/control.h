/* The control file of p11proxy: which fault is on. */
#ifndef P11PROXY_CONTROL_H
#define P11PROXY_CONTROL_H

#include <p11-kit/pkcs11.h>
#include <stdbool.h>
#include <stddef.h>

enum control_fault {
    CONTROL_NONE = 0,
    CONTROL_ERROR,
    CONTROL_DELAY,
    CONTROL_HANG,
    CONTROL_SESSION_LOSS,
    CONTROL_WRONG_SIGNATURE,
};

/* What a C_Sign with a key of this id has to suffer now. Reads the control file again when it
 * changed; a counted fault is used up by one. `value`: CKR of CONTROL_ERROR, milliseconds of
 * CONTROL_DELAY. */
enum control_fault control_next(const unsigned char *id, size_t id_len, unsigned long *value);

/* True once for each appearance of `session_loss` in the control file. */
bool control_session_loss(void);

#endif
