# trust.json signed by a root made at test run time: link test_trust.
chancery_library(test_trust SOURCES "${CMAKE_CURRENT_LIST_DIR}/test_trust.c"
    PUBLIC chancery_base PRIVATE PkgConfig::JANSSON PkgConfig::OPENSSL)
