chancery_fuzz(fuzz_policy_follow SOURCES "${CMAKE_CURRENT_LIST_DIR}/fuzz_policy_follow.c"
    LIBS chancery_policy_limits)
if(TARGET fuzz_policy_follow)
    target_include_directories(fuzz_policy_follow PRIVATE "${CMAKE_SOURCE_DIR}/services/policy")
endif()
