if(TARGET chancery_signer_job)
    chancery_fuzz(fuzz_signer_tbs_head SOURCES fuzz_signer_tbs_head.c
        LIBS chancery_signer_job chancery_crypto)
    if(TARGET fuzz_signer_tbs_head)
        target_include_directories(fuzz_signer_tbs_head PRIVATE "${CMAKE_SOURCE_DIR}/services/signer")
    endif()
endif()
