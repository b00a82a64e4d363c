# Extensions, issuer pools, bases and validity on a whole stack with a bundle of its own.
add_test(NAME integration_extensions COMMAND /usr/bin/python3 -B "${CMAKE_CURRENT_SOURCE_DIR}/test_extensions.py")
set_tests_properties(integration_extensions PROPERTIES LABELS "integration;sanitized" TIMEOUT 300 RUN_SERIAL ON
    ENVIRONMENT "CHANCERY_BUILD=${CMAKE_BINARY_DIR};PYTHONPATH=${CMAKE_SOURCE_DIR}/tests/support;ASAN_OPTIONS=detect_leaks=0")
