foreach(name csr spki cert name crl der pem)
    chancery_fuzz(fuzz_${name} SOURCES "${CMAKE_CURRENT_SOURCE_DIR}/fuzz_${name}.c"
        LIBS chancery_x509 chancery_crypto chancery_der chancery_base PkgConfig::OPENSSL)
endforeach()
