if(TARGET cli_objects)
    chancery_fuzz(fuzz_cli_plan SOURCES "${CMAKE_CURRENT_LIST_DIR}/fuzz_cli_plan.c" LIBS cli_objects)
endif()
