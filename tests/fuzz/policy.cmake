foreach(name policy_bundle policy_tbs policy_judge)
    chancery_fuzz(fuzz_${name} SOURCES "${CMAKE_CURRENT_LIST_DIR}/fuzz_${name}.c"
        LIBS chancery_policy_engine chancery_conf)
endforeach()
