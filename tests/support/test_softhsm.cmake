if(NOT TARGET chancery_test_softhsm)
    chancery_library(chancery_test_softhsm SOURCES "${CMAKE_CURRENT_LIST_DIR}/test_softhsm.c"
        PUBLIC chancery_base PRIVATE chancery_hsm chancery_os)
endif()
