foreach(name trial_table trial_record)
    chancery_fuzz(fuzz_${name} SOURCES "${CMAKE_CURRENT_LIST_DIR}/fuzz_${name}.c" LIBS chancery_trial)
endforeach()
