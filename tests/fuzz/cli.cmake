# Compiled from the reader's own sources: the target needs no RPC, database or HSM.
set(cli_dir "${CMAKE_SOURCE_DIR}/services/cli")
chancery_fuzz(fuzz_cli_plan
    SOURCES "${CMAKE_CURRENT_LIST_DIR}/fuzz_cli_plan.c" "${cli_dir}/plan.c" "${cli_dir}/plan_read.c" "${cli_dir}/text.c"
    LIBS chancery_conf chancery_crypto chancery_os chancery_base)
if(TARGET fuzz_cli_plan)
    target_include_directories(fuzz_cli_plan PRIVATE "${cli_dir}")
endif()
