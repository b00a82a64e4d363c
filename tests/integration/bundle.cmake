# The life of policy bundles on a whole stack.
add_test(NAME integration_bundle COMMAND /usr/bin/python3 -B "${CMAKE_CURRENT_SOURCE_DIR}/test_bundle.py")
set_tests_properties(integration_bundle PROPERTIES LABELS "integration;sanitized" TIMEOUT 600 RUN_SERIAL ON
    ENVIRONMENT "CHANCERY_BUILD=${CMAKE_BINARY_DIR};PYTHONPATH=${CMAKE_SOURCE_DIR}/tests/support;ASAN_OPTIONS=detect_leaks=0")
