# The two pure files alone: no database, HSM or RPC is built for this target.
set(revocation "${CMAKE_SOURCE_DIR}/services/revocation")
chancery_fuzz(fuzz_ocsp_request
    SOURCES fuzz_ocsp_request.c "${revocation}/ocsp_request.c" "${revocation}/ocsp_reply.c"
    LIBS chancery_der chancery_crypto chancery_base PkgConfig::OPENSSL)
if(TARGET fuzz_ocsp_request)
    target_include_directories(fuzz_ocsp_request PRIVATE "${revocation}")
endif()
chancery_fuzz(fuzz_revocation_journal
    SOURCES "${CMAKE_CURRENT_LIST_DIR}/fuzz_revocation_journal.c" "${revocation}/journal.c"
    LIBS chancery_crypto chancery_base)
if(TARGET fuzz_revocation_journal)
    target_include_directories(fuzz_revocation_journal PRIVATE "${revocation}")
endif()
