/* pkcs11: URIs (RFC 7512), the strict subset Chancery names tokens and keys with.
 *
 * Path attributes token, manufacturer, model, serial, object, id and type only. Refused: slot-id
 * and the other slot and library attributes (slot numbers change when tokens are initialised), the
 * whole query part (pin-value and pin-source would put a PIN into a name), vendor attributes,
 * duplicates, empty values, control characters. Pure: no I/O, no PKCS#11. */
#ifndef CHANCERY_HSM_URI_H
#define CHANCERY_HSM_URI_H

#include "base/bytes.h"

#define HSM_URI_MAX 1024 /* text; all attributes fully escaped need less than 800 */
#define HSM_LABEL_MAX 64 /* bytes of CKA_LABEL: what hsm_key_generate accepts */
#define HSM_ID_MAX 64    /* bytes of CKA_ID */

enum hsm_uri_type { HSM_URI_TYPE_ANY = 0, HSM_URI_TYPE_PRIVATE, HSM_URI_TYPE_PUBLIC };

/* Empty string or zero length: attribute not given. Sizes are those of CK_TOKEN_INFO plus NUL. */
struct hsm_uri {
    char token[33], manufacturer[33], model[17], serial[17];
    char object[HSM_LABEL_MAX + 1];
    uint8_t id[HSM_ID_MAX];
    size_t id_len;
    enum hsm_uri_type type;
};

/* hsm_uri_parse reads `text` into *out. CH_MALFORMED (syntax), CH_UNSUPPORTED (attribute that is
 * not accepted here), CH_LIMIT, CH_INVALID (duplicate, empty or non-printable value). RFC 7512 2.3.
 */
enum chancery_err hsm_uri_parse(struct slice text, struct hsm_uri *out,
                                struct diag *diag) MUST_CHECK;

/* hsm_uri_write appends the canonical text: attributes in the order token, manufacturer, model,
 * serial, id, object, type; everything but unreserved characters escaped (id always). Appends no
 * NUL. */
enum chancery_err hsm_uri_write(const struct hsm_uri *uri, struct buf *out) MUST_CHECK;

#endif
