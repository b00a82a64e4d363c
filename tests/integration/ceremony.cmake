# Ceremonies and identities on real SoftHSM tokens. The program under test has kill points in every
# build: it stands outside bin/ and is never installed.
if(TARGET cli_objects)
    get_property(ceremony_sources GLOBAL PROPERTY CHANCERY_CLI_SOURCES)
    get_property(ceremony_libs GLOBAL PROPERTY CHANCERY_CLI_LIBS)
    add_executable(chancery_killable ${ceremony_sources} "${CMAKE_SOURCE_DIR}/lib/os/failpoint.c")
    target_include_directories(chancery_killable PRIVATE "${CMAKE_SOURCE_DIR}/services/cli"
        "${CMAKE_SOURCE_DIR}/lib" "${CMAKE_SOURCE_DIR}")
    target_link_libraries(chancery_killable PRIVATE chancery_flags ${ceremony_libs} Threads::Threads)
    target_compile_definitions(chancery_killable PRIVATE CHANCERY_VERSION="${PROJECT_VERSION}"
        $<$<NOT:$<BOOL:${CHANCERY_FAILPOINTS}>>:CHANCERY_FAILPOINTS=1>)
    set_target_properties(chancery_killable PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
    foreach(name ceremony identity cli)
        add_test(NAME integration_${name}
            COMMAND /usr/bin/python3 -B "${CMAKE_CURRENT_LIST_DIR}/test_${name}.py")
        set_tests_properties(integration_${name} PROPERTIES LABELS integration TIMEOUT 300
            ENVIRONMENT "CHANCERY_BUILD=${CMAKE_BINARY_DIR};PYTHONPATH=${CMAKE_SOURCE_DIR}/tests/support;LSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/tests/support/lsan.supp;ASAN_OPTIONS=fast_unwind_on_malloc=0")
    endforeach()
endif()
