chancery_fuzz(fuzz_policy_names SOURCES "${CMAKE_CURRENT_LIST_DIR}/fuzz_policy_names.c"
    LIBS chancery_policy_engine chancery_conf PkgConfig::IDN2)
