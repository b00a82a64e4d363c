foreach(name json leaves)
    chancery_fuzz(fuzz_verify_${name} SOURCES ${CMAKE_CURRENT_LIST_DIR}/fuzz_verify_${name}.c LIBS chancery_verify_core)
endforeach()
