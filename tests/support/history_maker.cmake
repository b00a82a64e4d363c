add_library(history_maker STATIC "${CMAKE_CURRENT_LIST_DIR}/history_maker.c")
target_include_directories(history_maker PUBLIC "${CMAKE_CURRENT_LIST_DIR}" "${CMAKE_SOURCE_DIR}/lib" "${CMAKE_SOURCE_DIR}")
target_link_libraries(history_maker PUBLIC chancery_trial chancery_permit chancery_crypto PRIVATE chancery_flags
    chancery_proto chancery_x509 PkgConfig::OPENSSL)
