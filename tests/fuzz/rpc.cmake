foreach(name codec peer)
    chancery_fuzz(fuzz_rpc_${name} SOURCES "${CMAKE_CURRENT_LIST_DIR}/fuzz_rpc_${name}.c"
        LIBS chancery_rpc chancery_grpc)
endforeach()
