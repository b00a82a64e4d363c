# Compiled from the reader's own sources: the target needs no RPC, database or HSM.
set(cli_dir "${CMAKE_SOURCE_DIR}/services/cli")
chancery_fuzz(fuzz_cli_plan
    SOURCES "${CMAKE_CURRENT_LIST_DIR}/fuzz_cli_plan.c" "${cli_dir}/plan.c" "${cli_dir}/plan_read.c" "${cli_dir}/text.c"
    LIBS chancery_conf chancery_crypto chancery_os chancery_base)
if(TARGET fuzz_cli_plan)
    target_include_directories(fuzz_cli_plan PRIVATE "${cli_dir}")
endif()
chancery_fuzz(fuzz_cli_text
    SOURCES "${CMAKE_CURRENT_LIST_DIR}/fuzz_cli_text.c" "${cli_dir}/text.c" LIBS chancery_os chancery_base)
chancery_fuzz(fuzz_cli_transcript
    SOURCES "${CMAKE_CURRENT_LIST_DIR}/fuzz_cli_transcript.c" "${cli_dir}/transcript.c" "${cli_dir}/out.c" "${cli_dir}/text.c"
    LIBS chancery_crypto chancery_os chancery_base PkgConfig::JANSSON)
foreach(name text transcript)
    if(TARGET fuzz_cli_${name})
        target_include_directories(fuzz_cli_${name} PRIVATE "${cli_dir}")
    endif()
endforeach()
