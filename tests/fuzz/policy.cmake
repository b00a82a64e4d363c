foreach(name policy_lint policy_blocklist policy_bundle policy_tbs policy_judge policy_bound)
    chancery_fuzz(fuzz_${name} SOURCES "${CMAKE_CURRENT_LIST_DIR}/fuzz_${name}.c"
        LIBS chancery_policy_engine chancery_conf)
endforeach()
if(TARGET chancery_policy_decide)
    chancery_fuzz(fuzz_policy_issuers SOURCES "${CMAKE_CURRENT_LIST_DIR}/fuzz_policy_issuers.c"
        LIBS chancery_policy_decide chancery_daemon)
endif()
