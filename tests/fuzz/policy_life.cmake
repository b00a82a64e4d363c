chancery_fuzz(fuzz_policy_life SOURCES "${CMAKE_CURRENT_LIST_DIR}/fuzz_policy_life.c"
    LIBS chancery_policy_engine chancery_conf Threads::Threads)
