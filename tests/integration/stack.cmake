# Flows on a whole stack, by a foreign gRPC client and the command line.
foreach(name api attack isolation limits log names policy_tools walkthrough)
    add_test(NAME integration_${name} COMMAND /usr/bin/python3 -B "${CMAKE_CURRENT_SOURCE_DIR}/test_${name}.py")
    # Those of the label "sanitized" also run on a stack built with the address sanitizer; without leak
    # detection, since SoftHSM's own leaks cannot be told apart by the fast unwinder. Unit tests look for leaks.
    set(labels integration)
    if(name MATCHES "api|attack")
        list(APPEND labels sanitized)
    endif()
    set_tests_properties(integration_${name} PROPERTIES LABELS "${labels}" TIMEOUT 300 RUN_SERIAL ON
        ENVIRONMENT "CHANCERY_BUILD=${CMAKE_BINARY_DIR};PYTHONPATH=${CMAKE_SOURCE_DIR}/tests/support;ASAN_OPTIONS=detect_leaks=0")
endforeach()
# Foreign checkers on what a stack issues.
add_test(NAME interop_checkers COMMAND /usr/bin/python3 -B "${CMAKE_SOURCE_DIR}/tests/interop/test_checkers.py")
set_tests_properties(interop_checkers PROPERTIES LABELS interop TIMEOUT 300 RUN_SERIAL ON
    ENVIRONMENT "CHANCERY_BUILD=${CMAKE_BINARY_DIR};PYTHONPATH=${CMAKE_SOURCE_DIR}/tests/support")
