chancery_fuzz(fuzz_conf SOURCES "${CMAKE_CURRENT_LIST_DIR}/fuzz_conf.c" LIBS chancery_conf)
