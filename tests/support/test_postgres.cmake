# A private PostgreSQL cluster for tests: link test_postgres, include "test_postgres.h".
chancery_library(test_postgres SOURCES "${CMAKE_CURRENT_LIST_DIR}/test_postgres.c"
    PUBLIC chancery_db PRIVATE chancery_os)
target_compile_definitions(test_postgres PRIVATE TEST_MIGRATIONS="${CMAKE_SOURCE_DIR}/migrations")
