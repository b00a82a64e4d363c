/* Strict reading of protobuf bytes; without gRPC, so that it can be fuzzed and tested alone. */
#ifndef CHANCERY_RPC_CODEC_H
#define CHANCERY_RPC_CODEC_H

#include <protobuf-c/protobuf-c.h>

#include "base/bytes.h"

#define RPC_DEPTH_MAX 16        /* nested messages: twice what any .proto here has */
#define RPC_ELEMENTS_MAX 200000 /* fields in one message: bounds what small bytes can grow into */

/* rpc_unpack_bytes checks the wire bytes against the descriptor (depth, number of elements, UTF-8
 * without NUL in strings) and unpacks into `arena`. CH_MALFORMED, CH_INVALID (string), CH_LIMIT. */
enum chancery_err rpc_unpack_bytes(struct slice bytes, const ProtobufCMessageDescriptor *d,
                                   struct arena *arena, ProtobufCMessage **out,
                                   struct diag *diag) MUST_CHECK;

/* rpc_new_message is an initialised empty message in `arena`, NULL when out of memory. */
ProtobufCMessage *rpc_new_message(const ProtobufCMessageDescriptor *d, struct arena *arena);

#endif
