chancery_fuzz(fuzz_http_gate SOURCES fuzz_http_gate.c LIBS chancery_http)
