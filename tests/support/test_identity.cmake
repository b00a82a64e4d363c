# Infrastructure CA and SPIFFE identities made at test run time: link test_identity.
chancery_library(test_identity SOURCES "${CMAKE_CURRENT_LIST_DIR}/test_identity.c"
    PUBLIC chancery_base PRIVATE chancery_os PkgConfig::OPENSSL)
