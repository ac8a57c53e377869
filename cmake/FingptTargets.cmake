# Targets of the project: thin wrappers that state what a library is made of.
#
#   fingpt_add_library(FingptParams SOURCES a.cpp b.cpp LINK FingptSupport)
#   fingpt_add_library(FinIR COMPILER SOURCES ... LINK ... DEPENDS FinIncGen)
#
# COMPILER marks targets that use LLVM/MLIR: they link the shared libMLIR and
# libLLVM (once), and share one precompiled header. All others know no LLVM.

set(FINGPT_WARNINGS -Wall -Wextra -Werror -Wno-unused-parameter)
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  list(APPEND FINGPT_WARNINGS -Wno-unused-command-line-argument -Wreserved-identifier)
endif()

set(FINGPT_INSTRUMENT "")
if(FINGPT_SANITIZE OR FINGPT_FUZZ)
  list(APPEND FINGPT_INSTRUMENT -fsanitize=address,undefined
    -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
endif()
if(FINGPT_FUZZ)
  list(APPEND FINGPT_INSTRUMENT -fsanitize=fuzzer-no-link
    -fsanitize=implicit-conversion -fno-sanitize-recover=all)
endif()
if(FINGPT_COVERAGE)
  list(APPEND FINGPT_INSTRUMENT -fprofile-instr-generate -fcoverage-mapping)
endif()

function(fingpt_configure_target target compiler)
  target_compile_options(${target} PRIVATE ${FINGPT_WARNINGS} ${FINGPT_INSTRUMENT})
  target_link_options(${target} PRIVATE ${FINGPT_INSTRUMENT})
  if(compiler)
    target_include_directories(${target} SYSTEM PRIVATE
      ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
    separate_arguments(definitions NATIVE_COMMAND "${LLVM_DEFINITIONS}")
    target_compile_definitions(${target} PRIVATE ${definitions})
    if(NOT TARGET FingptPCH)
      file(WRITE ${PROJECT_BINARY_DIR}/pch/FingptPCH.cpp "")
      add_library(FingptPCH OBJECT ${PROJECT_BINARY_DIR}/pch/FingptPCH.cpp)
      target_include_directories(FingptPCH SYSTEM PRIVATE
        ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
      target_compile_definitions(FingptPCH PRIVATE ${definitions})
      target_compile_options(FingptPCH PRIVATE ${FINGPT_WARNINGS} ${FINGPT_INSTRUMENT})
      target_precompile_headers(FingptPCH PRIVATE
        ${PROJECT_SOURCE_DIR}/cmake/CompilerPCH.h)
    endif()
    target_precompile_headers(${target} REUSE_FROM FingptPCH)
  endif()
endfunction()

function(fingpt_add_library name)
  cmake_parse_arguments(ARG "COMPILER" "" "SOURCES;LINK;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC ${ARG_LINK})
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
  if(ARG_COMPILER)
    target_link_libraries(${name} PUBLIC MLIR LLVM)
  endif()
  fingpt_configure_target(${name} "${ARG_COMPILER}")
endfunction()

function(fingpt_add_executable name)
  cmake_parse_arguments(ARG "COMPILER" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LINK})
  fingpt_configure_target(${name} "${ARG_COMPILER}")
  # Executables would get -fPIE, which the precompiled header was not built with.
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(${name} PRIVATE -fPIC)
endfunction()

# A GoogleTest binary `<name>`, run as one CTest test.
function(fingpt_add_unittest name)
  cmake_parse_arguments(ARG "COMPILER" "" "SOURCES;LINK" ${ARGN})
  if(ARG_COMPILER)
    fingpt_add_executable(${name} COMPILER SOURCES ${ARG_SOURCES}
      LINK ${ARG_LINK} GTest::gtest GTest::gtest_main)
  else()
    fingpt_add_executable(${name} SOURCES ${ARG_SOURCES}
      LINK ${ARG_LINK} GTest::gtest GTest::gtest_main)
  endif()
  target_compile_definitions(${name} PRIVATE
    FINGPT_TEST_DATA_DIR="${PROJECT_SOURCE_DIR}/test/data")
  add_test(NAME ${name} COMMAND ${name})
endfunction()
