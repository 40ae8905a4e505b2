# Finds out whether the CUDA plug-in can be built, as RTDETR_CUDA asks: sets RTDETR_BUILD_CUDA and, if so, enables the
# language and gives LibTorch::CUDA. Our own find module, because the package's config dies without a toolkit and
# overrides CMAKE_CUDA_ARCHITECTURES with one that knows chips nvcc no longer builds for.
set(RTDETR_BUILD_CUDA OFF)
if(RTDETR_CUDA STREQUAL "OFF")
  return()
endif()

# An nvcc of yours comes first (CMAKE_CUDA_COMPILER, CUDACXX, PATH, /usr/local/cuda), then the one that scripts/setup puts
# beside LibTorch. It must be of LibTorch's own CUDA, or two runtimes would meet in one process.
include(CheckLanguage)
function(_rtdetr_is_cuda_13 result nvcc)
  execute_process(COMMAND "${nvcc}" --version OUTPUT_VARIABLE _says ERROR_QUIET)
  if(NOT _says MATCHES "release 13\\.")
    set(${result} FALSE PARENT_SCOPE)
  endif()
endfunction()
if(NOT CMAKE_CUDA_COMPILER AND "$ENV{CUDACXX}" STREQUAL "")
  find_program(RTDETR_NVCC nvcc PATHS /usr/local/cuda/bin "${LibTorch_DIR_ROOT}/../nvidia/cu13/bin"
               VALIDATOR _rtdetr_is_cuda_13)
  mark_as_advanced(RTDETR_NVCC)
  if(RTDETR_NVCC)
    file(REAL_PATH "${RTDETR_NVCC}" CMAKE_CUDA_COMPILER)
  endif()
endif()
check_language(CUDA)
find_library(LibTorch_TORCH_CUDA_LIBRARY torch_cuda HINTS "${LibTorch_DIR_ROOT}/lib" NO_DEFAULT_PATH)
find_library(LibTorch_C10_CUDA_LIBRARY c10_cuda HINTS "${LibTorch_DIR_ROOT}/lib" NO_DEFAULT_PATH)
mark_as_advanced(LibTorch_TORCH_CUDA_LIBRARY LibTorch_C10_CUDA_LIBRARY)
set(_missing "")
if(NOT CMAKE_CUDA_COMPILER)
  string(APPEND _missing " nvcc (scripts/setup --nvcc, or put yours on PATH, or set CUDACXX)")
endif()
if(NOT LibTorch_TORCH_CUDA_LIBRARY OR NOT LibTorch_C10_CUDA_LIBRARY)
  string(APPEND _missing " libtorch_cuda and libc10_cuda in ${LibTorch_DIR_ROOT}/lib")
endif()
if(_missing)
  if(RTDETR_CUDA STREQUAL "ON")
    message(FATAL_ERROR "RTDETR_CUDA=ON, but these are missing:${_missing}")
  endif()
  message(STATUS "CUDA plug-in: not built, missing${_missing}")
  return()
endif()

if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 75 80 86 89 90)
endif()
enable_language(CUDA)
if(NOT TARGET LibTorch::CUDA)
  # --no-as-needed: the libraries register themselves, nobody calls them by name. They find what they need (cuDNN, NCCL)
  # by their own rpath at run time; the linker need not.
  # The runtime is nvcc's own (CUDA_RUNTIME_LIBRARY), so CMake's FindCUDAToolkit has nothing to add; 3.25's stumbles over
  # a toolkit without NVTX.
  add_library(LibTorch::CUDA INTERFACE IMPORTED)
  target_link_libraries(LibTorch::CUDA INTERFACE LibTorch::CPU)
  target_include_directories(LibTorch::CUDA INTERFACE ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES})
  target_link_options(LibTorch::CUDA INTERFACE
    "LINKER:--push-state,--no-as-needed,${LibTorch_TORCH_CUDA_LIBRARY},${LibTorch_C10_CUDA_LIBRARY},--pop-state"
    LINKER:--allow-shlib-undefined)
endif()
set(RTDETR_BUILD_CUDA ON)
message(STATUS "CUDA plug-in: built with ${CMAKE_CUDA_COMPILER} for ${CMAKE_CUDA_ARCHITECTURES}")
