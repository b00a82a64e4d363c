chancery_fuzz(fuzz_permit SOURCES "${CMAKE_CURRENT_LIST_DIR}/fuzz_permit.c" LIBS chancery_permit)
chancery_fuzz(fuzz_permit_request SOURCES "${CMAKE_CURRENT_LIST_DIR}/fuzz_permit_request.c"
    LIBS chancery_permit)
