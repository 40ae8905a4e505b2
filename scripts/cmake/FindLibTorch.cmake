# Finds LibTorch without asking for a CUDA toolkit, which the package's own TorchConfig.cmake insists on.
#
# Looks in LibTorch_ROOT, Torch_DIR, the folders that scripts/setup fills, and CMAKE_PREFIX_PATH. Gives
#   LibTorch::CPU   libtorch_cpu + libc10 and their headers: all that the program links
#   LibTorch_DIR_ROOT, LibTorch_VERSION
set(_hints)
foreach(_root IN ITEMS "${LibTorch_ROOT}" "$ENV{LibTorch_ROOT}")
  if(_root)
    list(APPEND _hints "${_root}" "${_root}/torch")
  endif()
endforeach()
foreach(_package IN ITEMS "${Torch_DIR}" "$ENV{Torch_DIR}")
  if(_package)
    list(APPEND _hints "${_package}/../../..")
  endif()
endforeach()
if(NOT "$ENV{RTDETR_CACHE}" STREQUAL "")
  set(_caches "$ENV{RTDETR_CACHE}")
else()
  set(_caches /var/cache/rtdetr "$ENV{XDG_CACHE_HOME}/rtdetr" "$ENV{HOME}/.cache/rtdetr")
endif()
foreach(_cache IN LISTS _caches)
  list(APPEND _hints "${_cache}/libtorch-2.11.0/torch")
endforeach()

find_path(LibTorch_DIR_ROOT include/torch/csrc/api/include/torch/torch.h HINTS ${_hints}
          PATH_SUFFIXES "" libtorch DOC "LibTorch: the folder with include/ and lib/")
find_library(LibTorch_CPU_LIBRARY torch_cpu HINTS "${LibTorch_DIR_ROOT}/lib" NO_DEFAULT_PATH)
find_library(LibTorch_C10_LIBRARY c10 HINTS "${LibTorch_DIR_ROOT}/lib" NO_DEFAULT_PATH)
mark_as_advanced(LibTorch_CPU_LIBRARY LibTorch_C10_LIBRARY)

if(LibTorch_DIR_ROOT)
  file(STRINGS "${LibTorch_DIR_ROOT}/include/torch/headeronly/version.h" _lines REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
  string(REGEX REPLACE "[^0-9;]" "" _numbers "${_lines}")
  string(REPLACE ";" "." LibTorch_VERSION "${_numbers}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LibTorch_DIR_ROOT LibTorch_CPU_LIBRARY LibTorch_C10_LIBRARY
  VERSION_VAR LibTorch_VERSION
  REASON_FAILURE_MESSAGE "run scripts/setup, or pass -DLibTorch_ROOT=<folder with include/ and lib/>")

if(LibTorch_FOUND AND NOT TARGET LibTorch::CPU)
  add_library(LibTorch::C10 SHARED IMPORTED)
  set_target_properties(LibTorch::C10 PROPERTIES IMPORTED_LOCATION "${LibTorch_C10_LIBRARY}")
  add_library(LibTorch::CPU SHARED IMPORTED)
  set_target_properties(LibTorch::CPU PROPERTIES
    IMPORTED_LOCATION "${LibTorch_CPU_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${LibTorch_DIR_ROOT}/include;${LibTorch_DIR_ROOT}/include/torch/csrc/api/include"
    INTERFACE_LINK_LIBRARIES LibTorch::C10)
  # The library finds its own companions by a relative rpath; the linker need not.
  target_link_options(LibTorch::CPU INTERFACE -Wl,--allow-shlib-undefined)
  # Its headers' messages name their files as its own libraries do, without the folder where this machine has them.
  target_compile_options(LibTorch::CPU INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-fmacro-prefix-map=${LibTorch_DIR_ROOT}/include/=>)
  # The published LibTorch is built with NDEBUG, and some classes in its headers have another layout without it.
  target_compile_definitions(LibTorch::CPU INTERFACE $<$<CONFIG:Debug>:NDEBUG>)
endif()
