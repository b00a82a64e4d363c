/* Messages in and out: one copy out, none in when the message arrived in one piece.
 *
 * protobuf-c stops at no depth, keeps no length of a string (so a NUL inside would silently cut it)
 * and does not check UTF-8. The wire bytes are therefore walked once, by the descriptors, before it
 * unpacks them. Everything unpacked lives in the caller's arena. */
#include <grpc/byte_buffer_reader.h>
#include <string.h>

#include "rpc_int.h"

struct wire {
    const uint8_t *p, *end;
};

static bool wire_varint(struct wire *w, uint64_t *out)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && w->p < w->end; shift += 7) {
        uint8_t b = *w->p++;
        if (shift == 63 && b > 1) {
            return false;
        }
        v |= (uint64_t)(b & 0x7f) << shift;
        if ((b & 0x80) == 0) {
            *out = v;
            return true;
        }
    }
    return false;
}

/* The content of one field. Groups (3, 4) are proto2 and refused. */
static bool wire_value(struct wire *w, unsigned type, struct slice *out)
{
    uint64_t len = 0;
    const uint8_t *start = w->p;
    switch (type) {
    case 0:
        if (!wire_varint(w, &len)) {
            return false;
        }
        *out = slice_of(start, (size_t)(w->p - start));
        return true;
    case 1:
        len = 8;
        break;
    case 2:
        if (!wire_varint(w, &len)) {
            return false;
        }
        break;
    case 5:
        len = 4;
        break;
    default:
        return false;
    }
    if (len > (uint64_t)(w->end - w->p)) {
        return false;
    }
    *out = slice_of(w->p, (size_t)len);
    w->p += len;
    return true;
}

static enum chancery_err check_string(struct slice s, const ProtobufCFieldDescriptor *f,
                                      struct diag *diag)
{
    if (slice_has_nul(s)) {
        return diag_set(diag, CH_INVALID, f->name, "string.nul", "the text holds a NUL character");
    }
    if (!slice_is_utf8(s)) {
        (void)diag_set(diag, CH_INVALID, f->name, "string.utf8", "the text is not valid UTF-8");
        return diag_ref(diag, CH_INVALID, "RFC 3629 4");
    }
    return CH_OK;
}

static enum chancery_err check_message(struct slice s, const ProtobufCMessageDescriptor *d,
                                       unsigned depth, size_t *elements, struct diag *diag)
{
    if (depth > RPC_DEPTH_MAX) {
        return diag_set(diag, CH_LIMIT, d->short_name, "message.depth",
                        "messages are nested deeper than %d", RPC_DEPTH_MAX);
    }
    struct wire w = {s.ptr, s.ptr + s.len};
    while (w.p < w.end) {
        uint64_t tag;
        struct slice value;
        if (!wire_varint(&w, &tag) || tag >> 3 == 0 || tag >> 3 > 0x1fffffff ||
            !wire_value(&w, (unsigned)(tag & 7), &value)) {
            return diag_set(diag, CH_MALFORMED, d->short_name, "message.wire",
                            "the bytes are not a protobuf message");
        }
        if (++*elements > RPC_ELEMENTS_MAX) {
            return diag_set(diag, CH_LIMIT, d->short_name, "message.elements",
                            "more than %d fields in one message", RPC_ELEMENTS_MAX);
        }
        const ProtobufCFieldDescriptor *f =
            (tag & 7) == 2 ? protobuf_c_message_descriptor_get_field(d, (unsigned)(tag >> 3))
                           : NULL;
        if (f != NULL && f->type == PROTOBUF_C_TYPE_STRING) {
            TRY(check_string(value, f, diag));
        } else if (f != NULL && f->type == PROTOBUF_C_TYPE_MESSAGE) {
            TRY(check_message(value, f->descriptor, depth + 1, elements, diag));
        }
    }
    return CH_OK;
}

static void *codec_alloc(void *arena, size_t size)
{
    return arena_alloc(arena, size);
}

static void codec_free(void *arena, void *p)
{
    (void)arena;
    (void)p; /* the arena takes back everything at once */
}

enum chancery_err rpc_unpack_bytes(struct slice bytes, const ProtobufCMessageDescriptor *d,
                                   struct arena *arena, ProtobufCMessage **out, struct diag *diag)
{
    size_t elements = 0;
    TRY(check_message(bytes, d, 1, &elements, diag));
    ProtobufCAllocator allocator = {codec_alloc, codec_free, arena};
    static const uint8_t none[1];
    ProtobufCMessage *m =
        protobuf_c_message_unpack(d, &allocator, bytes.len, bytes.len == 0 ? none : bytes.ptr);
    if (m == NULL) {
        size_t max = arena->max == 0 ? ARENA_DEFAULT_MAX : arena->max;
        bool full = arena->used > max / 2;
        return full ? diag_set(diag, CH_LIMIT, d->short_name, "message.memory",
                               "the unpacked message is too large")
                    : diag_set(diag, CH_MALFORMED, d->short_name, "message.wire",
                               "the bytes are not a %s", d->name);
    }
    *out = m;
    return CH_OK;
}

enum chancery_err rpc_unpack(grpc_byte_buffer *bytes, const ProtobufCMessageDescriptor *d,
                             struct arena *arena, ProtobufCMessage **out, struct diag *diag)
{
    grpc_byte_buffer_reader reader;
    if (!grpc_byte_buffer_reader_init(&reader, bytes)) {
        return diag_set(diag, CH_MALFORMED, "", "message.encoding", "the message cannot be read");
    }
    enum chancery_err err;
    grpc_slice *first = NULL;
    size_t total = grpc_byte_buffer_length(bytes);
    if (total == 0) {
        err = rpc_unpack_bytes(slice_of(NULL, 0), d, arena, out, diag);
    } else if (grpc_byte_buffer_reader_peek(&reader, &first) &&
               GRPC_SLICE_LENGTH(*first) == total) {
        err = rpc_unpack_bytes(slice_of(GRPC_SLICE_START_PTR(*first), total), d, arena, out, diag);
    } else {
        grpc_byte_buffer_reader_destroy(&reader);
        (void)grpc_byte_buffer_reader_init(&reader, bytes);
        grpc_slice all = grpc_byte_buffer_reader_readall(&reader);
        err = rpc_unpack_bytes(slice_of(GRPC_SLICE_START_PTR(all), GRPC_SLICE_LENGTH(all)), d,
                               arena, out, diag);
        grpc_slice_unref(all);
    }
    grpc_byte_buffer_reader_destroy(&reader);
    return err;
}

grpc_byte_buffer *rpc_pack(const ProtobufCMessage *m)
{
    grpc_slice s = grpc_slice_malloc(protobuf_c_message_get_packed_size(m));
    (void)protobuf_c_message_pack(m, GRPC_SLICE_START_PTR(s));
    grpc_byte_buffer *b = grpc_raw_byte_buffer_create(&s, 1);
    grpc_slice_unref(s);
    return b;
}

ProtobufCMessage *rpc_new_message(const ProtobufCMessageDescriptor *d, struct arena *arena)
{
    ProtobufCMessage *m = arena_alloc(arena, d->sizeof_message);
    if (m != NULL) {
        protobuf_c_message_init(d, m);
    }
    return m;
}

ProtobufCBinaryData rpc_bytes(struct arena *arena, struct slice s)
{
    ProtobufCBinaryData b = {0, NULL};
    b.data = s.len == 0 ? NULL : arena_copy(arena, s);
    b.len = b.data == NULL ? 0 : s.len;
    return b;
}
