chancery_fuzz(fuzz_hsm_uri SOURCES fuzz_hsm_uri.c LIBS chancery_hsm_uri)
