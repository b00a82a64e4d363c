chancery_fuzz(fuzz_audit_leaf SOURCES ${CMAKE_CURRENT_LIST_DIR}/fuzz_audit_leaf.c LIBS chancery_audit_model)
chancery_fuzz(fuzz_audit_entry SOURCES ${CMAKE_CURRENT_LIST_DIR}/fuzz_audit_entry.c LIBS chancery_audit_model)
