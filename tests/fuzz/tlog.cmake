chancery_fuzz(fuzz_tlog_checkpoint SOURCES ${CMAKE_CURRENT_LIST_DIR}/fuzz_tlog_checkpoint.c LIBS chancery_tlog)
chancery_fuzz(fuzz_tlog_bundle SOURCES ${CMAKE_CURRENT_LIST_DIR}/fuzz_tlog_bundle.c LIBS chancery_tlog)
chancery_fuzz(fuzz_tlog_proof SOURCES ${CMAKE_CURRENT_LIST_DIR}/fuzz_tlog_proof.c LIBS chancery_tlog)
