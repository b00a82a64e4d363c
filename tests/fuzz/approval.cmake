chancery_fuzz(fuzz_approval SOURCES "${CMAKE_CURRENT_LIST_DIR}/fuzz_approval.c" LIBS chancery_approval)
