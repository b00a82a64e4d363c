chancery_fuzz(fuzz_policy_officers SOURCES "${CMAKE_CURRENT_LIST_DIR}/fuzz_policy_officers.c"
    LIBS chancery_policy_engine chancery_conf)
