# rtdetr_options: what every target of ours is compiled with. Nothing global besides.
include(GNUInstallDirs)

set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()
set(CMAKE_CXX_EXTENSIONS OFF)

# A file that includes LibTorch costs ten seconds whatever it says (GCC instantiates at its end what templates the
# precompiled header left open), so sixteen at once cost little more than one.
option(RTDETR_MERGE_SOURCES "Compile libraries and tests as few fat translation units" ON)
option(RTDETR_MERGE_LIBRARIES "The libraries, too: OFF finds what a source lacks that its neighbours include" ${RTDETR_MERGE_SOURCES})
function(rtdetr_merge_sources target)
  if(RTDETR_MERGE_LIBRARIES)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 16)
  endif()
endfunction()

add_library(rtdetr_options INTERFACE)
target_compile_features(rtdetr_options INTERFACE cxx_std_20)
# -fPIC for programs too: one precompiled header then serves libraries and programs alike.
target_compile_options(rtdetr_options INTERFACE -fPIC -Wall -Wextra -Wno-missing-field-initializers -fstack-protector-strong)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # What these find in `"text" + std::to_string(…)` is a fault of GCC 12 (its bug 105651).
  target_compile_options(rtdetr_options INTERFACE -Wno-restrict -Wno-stringop-overflow -Wno-array-bounds)
endif()
# Messages name files from the root of the sources, wherever the builder has them.
set(RTDETR_NAMELESS_SOURCES -fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=)
target_compile_options(rtdetr_options INTERFACE ${RTDETR_NAMELESS_SOURCES})
target_compile_definitions(rtdetr_options INTERFACE _GLIBCXX_ASSERTIONS)
target_link_options(rtdetr_options INTERFACE -Wl,-z,relro,-z,now)
if(CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT RTDETR_SANITIZE)
  target_compile_options(rtdetr_options INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()
if(RTDETR_SANITIZE)
  target_compile_options(rtdetr_options INTERFACE -fsanitize=${RTDETR_SANITIZE} -fno-omit-frame-pointer -g1)
  target_link_options(rtdetr_options INTERFACE -fsanitize=${RTDETR_SANITIZE})
endif()
