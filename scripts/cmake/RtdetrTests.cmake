# Seconds until a test counts as hung. No test is about speed.
set(rtdetr_test_timeout 1800)

# What a test's compilation costs is the headers of Catch2 and LibTorch, whatever it says: so these are read once, two
# dozen files are compiled together, and not as hard as code that is measured (an editor's -DRTDETR_MERGE_SOURCES=OFF
# compiles one by one).
function(rtdetr_compile_as_test target)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR})
  target_compile_definitions(${target} PRIVATE RTDETR_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O1>)
  if(RTDETR_MERGE_SOURCES)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 24)
  endif()
  get_target_property(libraries ${target} LINK_LIBRARIES)
  if(libraries MATCHES "rtdetr_(ops|core|models|losses|train)")
    target_link_libraries(${target} PRIVATE OpenMP::OpenMP_CXX)  # with its flag the precompiled header was made
    target_precompile_headers(${target} REUSE_FROM rtdetr_test_headers)
  endif()
endfunction()

# rtdetr_test_binary(<folder> LIBRARIES lib… [LABEL unit] SOURCES <test>.cpp …)
#
# One binary per folder, rtdetr_test_<folder>, and one ctest entry per source file, <folder>.<file without test_>:
# starting LibTorch once per test case would cost more than the cases.
function(rtdetr_test_binary folder)
  cmake_parse_arguments(ARG "" "LABEL" "LIBRARIES;SOURCES" ${ARGN})
  if(NOT ARG_LABEL)
    set(ARG_LABEL unit)
  endif()
  set(target rtdetr_test_${folder})
  set(sources ${ARG_SOURCES})
  list(FILTER sources INCLUDE REGEX "${RTDETR_TESTS}")
  if(sources)
    add_executable(${target} ${sources})
  else()
    add_executable(${target} EXCLUDE_FROM_ALL ${ARG_SOURCES})
  endif()
  target_link_libraries(${target} PRIVATE rtdetr_catch_main ${ARG_LIBRARIES})
  rtdetr_compile_as_test(${target})
  foreach(source IN LISTS sources)
    get_filename_component(stem ${source} NAME_WE)
    string(REGEX REPLACE "^test_" "" name ${stem})
    add_test(NAME ${folder}.${name} COMMAND ${target} --warn NoTests --filenames-as-tags "[#${stem}]")
    set_tests_properties(${folder}.${name} PROPERTIES LABELS ${ARG_LABEL} TIMEOUT ${rtdetr_test_timeout}
                         ENVIRONMENT "OMP_NUM_THREADS=1")
  endforeach()
endfunction()
