chancery_fuzz(fuzz_base SOURCES "${CMAKE_CURRENT_LIST_DIR}/fuzz_base.c" LIBS chancery_base)
