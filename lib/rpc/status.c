/* Errors on the wire: gRPC status codes and the ErrorDetail that travels beside them.
 *
 * The stable name in ErrorDetail.code is what Chancery's programs read; the gRPC code is for
 * foreign clients and for failures that libgrpc itself reports. */
#include <stdio.h>
#include <string.h>

#include "chancery/common/v1/common.pb-c.h"
#include "rpc_int.h"

static const grpc_status_code status_of[CH_ERR_COUNT] = {
    [CH_OK] = GRPC_STATUS_OK,
    [CH_INVALID] = GRPC_STATUS_INVALID_ARGUMENT,
    [CH_MALFORMED] = GRPC_STATUS_INVALID_ARGUMENT,
    [CH_LIMIT] = GRPC_STATUS_INVALID_ARGUMENT,
    [CH_UNSUPPORTED] = GRPC_STATUS_UNIMPLEMENTED,
    [CH_NOT_FOUND] = GRPC_STATUS_NOT_FOUND,
    [CH_EXISTS] = GRPC_STATUS_ALREADY_EXISTS,
    [CH_CONFLICT] = GRPC_STATUS_ABORTED,
    [CH_DENIED] = GRPC_STATUS_PERMISSION_DENIED,
    [CH_UNAUTHENTICATED] = GRPC_STATUS_UNAUTHENTICATED,
    [CH_REFUSED] = GRPC_STATUS_FAILED_PRECONDITION,
    [CH_PRECONDITION] = GRPC_STATUS_FAILED_PRECONDITION,
    [CH_BUSY] = GRPC_STATUS_RESOURCE_EXHAUSTED,
    [CH_UNAVAILABLE] = GRPC_STATUS_UNAVAILABLE,
    [CH_DEADLINE] = GRPC_STATUS_DEADLINE_EXCEEDED,
    [CH_CANCELLED] = GRPC_STATUS_CANCELLED,
    [CH_UNKNOWN] = GRPC_STATUS_UNKNOWN,
    [CH_INTEGRITY] = GRPC_STATUS_DATA_LOSS,
    [CH_CRYPTO] = GRPC_STATUS_INTERNAL,
    [CH_HSM] = GRPC_STATUS_INTERNAL,
    [CH_DB] = GRPC_STATUS_INTERNAL,
    [CH_IO] = GRPC_STATUS_INTERNAL,
    [CH_NOMEM] = GRPC_STATUS_RESOURCE_EXHAUSTED,
    [CH_END] = GRPC_STATUS_OUT_OF_RANGE,
    [CH_INTERNAL] = GRPC_STATUS_INTERNAL,
};

grpc_status_code rpc_status_of(enum chancery_err err)
{
    if ((int)err < 0 || err >= CH_ERR_COUNT) {
        return GRPC_STATUS_INTERNAL;
    }
    return status_of[err];
}

/* For peers without ErrorDetail. */
static enum chancery_err err_of_status(grpc_status_code code)
{
    switch (code) {
    case GRPC_STATUS_OK:
        return CH_OK;
    case GRPC_STATUS_CANCELLED:
        return CH_CANCELLED;
    case GRPC_STATUS_INVALID_ARGUMENT:
    case GRPC_STATUS_OUT_OF_RANGE:
        return CH_INVALID;
    case GRPC_STATUS_DEADLINE_EXCEEDED:
        return CH_DEADLINE;
    case GRPC_STATUS_NOT_FOUND:
        return CH_NOT_FOUND;
    case GRPC_STATUS_ALREADY_EXISTS:
        return CH_EXISTS;
    case GRPC_STATUS_PERMISSION_DENIED:
        return CH_DENIED;
    case GRPC_STATUS_UNAUTHENTICATED:
        return CH_UNAUTHENTICATED;
    case GRPC_STATUS_RESOURCE_EXHAUSTED:
        return CH_BUSY;
    case GRPC_STATUS_FAILED_PRECONDITION:
        return CH_PRECONDITION;
    case GRPC_STATUS_ABORTED:
        return CH_CONFLICT;
    case GRPC_STATUS_UNIMPLEMENTED:
        return CH_UNSUPPORTED;
    case GRPC_STATUS_UNAVAILABLE:
        return CH_UNAVAILABLE;
    case GRPC_STATUS_DATA_LOSS:
        return CH_INTEGRITY;
    case GRPC_STATUS_UNKNOWN:
        return CH_UNKNOWN;
    case GRPC_STATUS_INTERNAL:
    case GRPC_STATUS__DO_NOT_USE:
        return CH_INTERNAL;
    }
    return CH_INTERNAL;
}

/* The literals that fill `detail` must be writable pointers for protobuf-c; it never writes. */
static char *as_text(const char *s)
{
    return (char *)(uintptr_t)s;
}

/* diag texts are cut to fixed sizes, which may cut a UTF-8 sequence: the wire only carries whole
 * ones. */
static void copy_utf8(char *out, size_t cap, const char *in)
{
    (void)snprintf(out, cap, "%s", in);
    size_t len = strlen(out);
    for (int i = 0; i < 4 && len > 0 && !slice_is_utf8(slice_of(out, len)); i++) {
        out[--len] = '\0';
    }
    if (!slice_is_utf8(slice_of(out, len))) {
        for (size_t i = 0; i < len; i++) {
            out[i] = (unsigned char)out[i] < 0x80 ? out[i] : '?';
        }
    }
}

struct detail_text {
    struct diag d;
};

static void detail_fill(Chancery__Common__V1__ErrorDetail *detail, struct detail_text *text,
                        enum chancery_err err, const struct diag *diag)
{
    chancery__common__v1__error_detail__init(detail);
    detail->code = as_text(err_name(err));
    if (diag == NULL) {
        return;
    }
    copy_utf8(text->d.field, sizeof text->d.field, diag->field);
    copy_utf8(text->d.rule, sizeof text->d.rule, diag->rule);
    copy_utf8(text->d.text, sizeof text->d.text, diag->text);
    copy_utf8(text->d.reference, sizeof text->d.reference, diag->reference);
    detail->field = text->d.field;
    detail->rule = text->d.rule;
    detail->message = text->d.text;
    detail->reference = text->d.reference;
    detail->retry_after_s = diag->retry_after_s;
}

grpc_slice rpc_error_pack(enum chancery_err err, const struct diag *diag)
{
    Chancery__Common__V1__ErrorDetail detail;
    struct detail_text text;
    detail_fill(&detail, &text, err, diag);
    size_t len = chancery__common__v1__error_detail__get_packed_size(&detail);
    grpc_slice s = grpc_slice_malloc(len);
    (void)chancery__common__v1__error_detail__pack(&detail, GRPC_SLICE_START_PTR(s));
    return s;
}

Chancery__Common__V1__ErrorDetail *rpc_error_detail(struct arena *arena, enum chancery_err err,
                                                    const struct diag *diag)
{
    Chancery__Common__V1__ErrorDetail *detail = arena_alloc(arena, sizeof *detail);
    struct detail_text *text = diag == NULL ? NULL : arena_alloc(arena, sizeof *text);
    if (detail == NULL || (diag != NULL && text == NULL)) {
        return NULL;
    }
    detail_fill(detail, text, err, diag);
    if (err == CH_OK) {
        detail->code = as_text("");
    }
    return detail;
}

enum chancery_err rpc_error_read(const Chancery__Common__V1__ErrorDetail *detail, struct diag *diag)
{
    if (detail == NULL || detail->code == NULL || detail->code[0] == '\0') {
        return CH_OK;
    }
    enum chancery_err err = err_from_name(detail->code);
    if (err == CH_OK) {
        err = CH_INTERNAL; /* a detail that says OK is a bug of its writer, never a success */
    }
    (void)diag_set(diag, err, detail->field, detail->rule, "%s", detail->message);
    if (diag != NULL) {
        diag->retry_after_s = detail->retry_after_s;
    }
    return diag_ref(diag, err, detail->reference);
}

/* Reads the packed detail among the trailing metadata; false when there is none that parses. */
static bool read_detail(const grpc_metadata_array *trailing, enum chancery_err *out,
                        struct diag *diag)
{
    for (size_t i = 0; i < trailing->count; i++) {
        if (grpc_slice_str_cmp(trailing->metadata[i].key, RPC_ERROR_KEY) != 0) {
            continue;
        }
        const grpc_slice *v = &trailing->metadata[i].value;
        CLEANUP(arena_clear) struct arena arena = {0};
        ProtobufCMessage *m = NULL;
        if (rpc_unpack_bytes(slice_of(GRPC_SLICE_START_PTR(*v), GRPC_SLICE_LENGTH(*v)),
                             &chancery__common__v1__error_detail__descriptor, &arena, &m,
                             NULL) == CH_OK) {
            *out = rpc_error_read((const Chancery__Common__V1__ErrorDetail *)m, diag);
            return *out != CH_OK;
        }
    }
    return false;
}

/* libgrpc's wording (1.51, load balancing and resolver) for calls that never reached a connection.
 * Anything else that ends a call as UNAVAILABLE may have happened after the peer read the request.
 */
static bool never_sent(const char *text)
{
    static const char *const openings[] = {"failed to connect to all addresses",
                                           "connections to all backends failing",
                                           "DNS resolution failed", "empty address list"};
    for (size_t i = 0; i < sizeof openings / sizeof openings[0]; i++) {
        if (strncmp(text, openings[i], strlen(openings[i])) == 0) {
            return true;
        }
    }
    return false;
}

enum chancery_err rpc_status_read(grpc_status_code code, grpc_slice text,
                                  const grpc_metadata_array *trailing, bool repeatable,
                                  struct diag *diag)
{
    if (code == GRPC_STATUS_OK) {
        return CH_OK;
    }
    enum chancery_err err = CH_INTERNAL;
    if (read_detail(trailing, &err, diag)) {
        return err;
    }
    char message[RPC_TEXT_MAX];
    size_t len = GRPC_SLICE_LENGTH(text);
    len = len < sizeof message - 1 ? len : sizeof message - 1;
    memcpy(message, GRPC_SLICE_START_PTR(text), len);
    message[len] = '\0';
    err = err_of_status(code);
    if (err == CH_BUSY && strstr(message, "larger than max") != NULL) {
        return diag_set(diag, CH_LIMIT, "", "rpc.message.size", "%s", message);
    }
    /* We never cancel a call whose status we read: a server that is stopping answers CANCELLED. */
    if (err == CH_CANCELLED) {
        err = CH_UNAVAILABLE;
    }
    if (err == CH_UNAVAILABLE && !repeatable && !never_sent(message)) {
        err = CH_UNKNOWN;
    }
    return diag_set(diag, err, "", "rpc.status", "%s", message);
}
