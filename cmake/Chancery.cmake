# Build rules shared by every module: flags, sanitizers, and the helper functions
#   chancery_library(NAME SOURCES ... [PUBLIC ...] [PRIVATE ...])
#   chancery_program(NAME SOURCES ... LIBS ...)
#   chancery_test(NAME SOURCES ... LIBS ... [TIMEOUT s] [LABELS ...])
#   chancery_fuzz(NAME SOURCES ... LIBS ...)
# Links are private unless a public header of the module needs them.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(OPENSSL REQUIRED IMPORTED_TARGET libcrypto>=3.0 libssl>=3.0)
pkg_check_modules(PROTOBUF_C REQUIRED IMPORTED_TARGET libprotobuf-c)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(LIBPQ REQUIRED IMPORTED_TARGET libpq)
pkg_check_modules(LIBEVENT REQUIRED IMPORTED_TARGET libevent libevent_pthreads)
pkg_check_modules(P11KIT REQUIRED IMPORTED_TARGET p11-kit-1)
pkg_check_modules(IDN2 REQUIRED IMPORTED_TARGET libidn2)
pkg_check_modules(PSL REQUIRED IMPORTED_TARGET libpsl)
find_library(UNISTRING_LIBRARY unistring REQUIRED) # has no pkg-config file
pkg_check_modules(LIBP11 REQUIRED IMPORTED_TARGET libp11)

# gRPC's own pkg-config file lists some seventy libraries; these two are what C code needs.
add_library(chancery_grpc INTERFACE)
target_link_libraries(chancery_grpc INTERFACE grpc gpr)

add_library(chancery_flags INTERFACE)
target_compile_options(chancery_flags INTERFACE
    -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
    -Wformat=2 -Wundef -Wpointer-arith -Wwrite-strings
    -Werror -Werror=implicit-function-declaration
    -fno-common -fstack-protector-strong -fvisibility=hidden)
target_compile_definitions(chancery_flags INTERFACE
    _GNU_SOURCE $<$<BOOL:${CHANCERY_FAILPOINTS}>:CHANCERY_FAILPOINTS=1>)
if(CMAKE_BUILD_TYPE MATCHES "Release|RelWithDebInfo" AND NOT CHANCERY_SANITIZE)
    target_compile_options(chancery_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()
# assert() stays on in every build type (docs: programmer errors must stop a CA, not corrupt it).
foreach(type RELEASE RELWITHDEBINFO MINSIZEREL)
    string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_${type} "${CMAKE_C_FLAGS_${type}}")
endforeach()
if(CHANCERY_SANITIZE STREQUAL "address")
    add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
    add_link_options(-fsanitize=address,undefined)
elseif(CHANCERY_SANITIZE STREQUAL "thread")
    add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
    add_link_options(-fsanitize=thread)
endif()
if(CHANCERY_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-omit-frame-pointer)
    add_link_options(-fsanitize=address,undefined)
endif()
add_link_options(-Wl,-z,relro,-z,now,-z,noexecstack,--as-needed)

find_program(CCACHE ccache)
if(CCACHE)
    set(CMAKE_C_COMPILER_LAUNCHER "${CCACHE}")
endif()

# Parts of a build that tools/check wants alone: all installed programs, the tests that run under the thread
# sanitizer or need kill points, the fuzz targets.
add_custom_target(programs)
add_custom_target(tsan_tests)
add_custom_target(fault_tests)
add_custom_target(fuzz_targets)

function(chancery_library name)
    cmake_parse_arguments(A "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
    add_library(${name} STATIC ${A_SOURCES})
    # Headers are included as "<folder>/<file>.h" from lib/ or the top level ("hsm/...", "policy/...").
    target_include_directories(${name} PUBLIC "${CMAKE_SOURCE_DIR}/lib" "${CMAKE_SOURCE_DIR}")
    target_link_libraries(${name} PUBLIC ${A_PUBLIC} PRIVATE chancery_flags ${A_PRIVATE})
endfunction()

function(chancery_program name)
    cmake_parse_arguments(A "NO_INSTALL" "" "SOURCES;LIBS" ${ARGN})
    add_executable(${name} ${A_SOURCES})
    target_include_directories(${name} PRIVATE "${CMAKE_SOURCE_DIR}/lib" "${CMAKE_SOURCE_DIR}"
        "${CMAKE_CURRENT_SOURCE_DIR}")
    target_link_libraries(${name} PRIVATE chancery_flags ${A_LIBS} Threads::Threads)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
    if(NOT A_NO_INSTALL)
        install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
        add_dependencies(programs ${name})
    endif()
endfunction()

pkg_check_modules(CMOCKA IMPORTED_TARGET cmocka)
function(chancery_test name)
    if(NOT CHANCERY_TESTS)
        return()
    endif()
    cmake_parse_arguments(A "" "TIMEOUT" "SOURCES;LIBS;LABELS;ENV" ${ARGN})
    add_executable(${name} ${A_SOURCES})
    target_include_directories(${name} PRIVATE "${CMAKE_SOURCE_DIR}/lib" "${CMAKE_SOURCE_DIR}"
        "${CMAKE_SOURCE_DIR}/tests/support")
    target_link_libraries(${name} PRIVATE chancery_flags ${A_LIBS} PkgConfig::CMOCKA Threads::Threads)
    target_compile_definitions(${name} PRIVATE
        TEST_SOURCE_DIR="${CMAKE_SOURCE_DIR}" TEST_BINARY_DIR="${CMAKE_BINARY_DIR}")
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
    add_test(NAME ${name} COMMAND ${name})
    if(NOT A_TIMEOUT)
        set(A_TIMEOUT 60)
    endif()
    if(NOT A_LABELS)
        set(A_LABELS unit)
    endif()
    set_tests_properties(${name} PROPERTIES TIMEOUT ${A_TIMEOUT} LABELS "${A_LABELS}"
        ENVIRONMENT "${A_ENV}")
    foreach(kind tsan fault)
        if("${kind}" IN_LIST A_LABELS)
            add_dependencies(${kind}_tests ${name})
        endif()
    endforeach()
endfunction()

# A fuzz target: libFuzzer entry in SOURCES, seeds in tests/fuzz/corpus/<name>/ when there are any.
function(chancery_fuzz name)
    if(NOT CHANCERY_FUZZ)
        return()
    endif()
    cmake_parse_arguments(A "" "" "SOURCES;LIBS" ${ARGN})
    add_executable(${name} ${A_SOURCES})
    target_include_directories(${name} PRIVATE "${CMAKE_SOURCE_DIR}/lib" "${CMAKE_SOURCE_DIR}")
    target_link_libraries(${name} PRIVATE chancery_flags ${A_LIBS} Threads::Threads)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    add_dependencies(fuzz_targets ${name})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/fuzz")
endfunction()
