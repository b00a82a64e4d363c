foreach(name gate date)
    chancery_fuzz(fuzz_http_${name} SOURCES "${CMAKE_CURRENT_LIST_DIR}/fuzz_http_${name}.c" LIBS chancery_http)
endforeach()
