chancery_fuzz(fuzz_verify_json SOURCES ${CMAKE_CURRENT_LIST_DIR}/fuzz_verify_json.c LIBS chancery_verify_core)
