chancery_fuzz(fuzz_trust SOURCES "${CMAKE_CURRENT_LIST_DIR}/fuzz_trust.c"
    LIBS chancery_daemon chancery_conf chancery_verify_core chancery_crypto chancery_base)
