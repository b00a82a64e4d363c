chancery_fuzz(fuzz_rpc_codec SOURCES "${CMAKE_CURRENT_LIST_DIR}/fuzz_rpc_codec.c" LIBS chancery_rpc)
