# cpack, in the build folder: rtdetr_VERSION_amd64.deb, whose dependencies Debian brings, and a tarball that may be unpacked
# anywhere and needs nothing but glibc: it has Debian's libraries in lib/rtdetr/system. Both bring their LibTorch.
install(CODE "
  set(programs \"$<TARGET_FILE:rtdetr>\" \"$<TARGET_FILE:rtdetr_worker>\")
  set(libraries \"$<TARGET_FILE:rtdetr_shared>\")
  get_filename_component(libtorch \"${LibTorch_DIR_ROOT}\" DIRECTORY)
  set(folder \"${CMAKE_INSTALL_LIBDIR}/rtdetr/system\")
  set(licences \"${CMAKE_INSTALL_DOCDIR}/licences\")" COMPONENT system_libraries EXCLUDE_FROM_ALL)
install(CODE [[
  # As Debian's package of that library has it.
  function(install_copyright_of library)
    get_filename_component(file "${library}" REALPATH)
    string(REGEX MATCH "/[^/]+/[^/]+$" end "${file}")  # above that, /lib may be /usr/lib
    execute_process(COMMAND dpkg-query --search "*${end}" OUTPUT_VARIABLE owner RESULT_VARIABLE code ERROR_QUIET)
    string(REGEX REPLACE ":.*" "" package "${owner}")
    if(code OR NOT EXISTS "/usr/share/doc/${package}/copyright")
      message(FATAL_ERROR "no licence was found of ${library}, which the tarball brings")
    endif()
    file(INSTALL "/usr/share/doc/${package}/copyright" DESTINATION "${CMAKE_INSTALL_PREFIX}/${licences}/${package}")
  endfunction()
  file(GET_RUNTIME_DEPENDENCIES EXECUTABLES ${programs} LIBRARIES ${libraries} RESOLVED_DEPENDENCIES_VAR found
       UNRESOLVED_DEPENDENCIES_VAR unresolved PRE_EXCLUDE_REGEXES "^ld-linux" "^lib(c|m|dl|rt|pthread|resolv|mvec|util)\\.so")
  if(unresolved)
    message(FATAL_ERROR "libraries that the program needs were not found: ${unresolved}")
  endif()
  foreach(library IN LISTS found)
    if(NOT library MATCHES "^${libtorch}/")
      file(INSTALL "${library}" DESTINATION "${CMAKE_INSTALL_PREFIX}/${folder}" FOLLOW_SYMLINK_CHAIN)
      install_copyright_of("${library}")
    endif()
  endforeach()
]] COMPONENT system_libraries EXCLUDE_FROM_ALL)

set(CPACK_GENERATOR DEB TGZ)
set(CPACK_PACKAGE_CONTACT "the rtdetr developers")
set(CPACK_PACKAGE_VENDOR rtdetr)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "RT-DETR object detectors: train, evaluate, export")
set(CPACK_PACKAGE_DESCRIPTION
    "The program rtdetr trains RT-DETR, D-FINE, DEIM and DINO detectors from YAML files, evaluates them as COCO does, finds
objects in pictures and videos and writes fused weights or ONNX. Also librtdetr, which does so in programs in C++, C and
Python, with its headers. The CPU half of LibTorch comes along in a folder of its own; GPUs need a build from source.")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_STRIP_FILES ON)
set(CPACK_PROJECT_CONFIG_FILE ${CMAKE_CURRENT_LIST_DIR}/RtdetrPackageKinds.cmake)
set(CPACK_RTDETR_BINARY_DIR ${PROJECT_BINARY_DIR})
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "ffmpeg, g++, pkg-config")
set(CPACK_DEBIAN_COMPRESSION_TYPE zstd)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# Of the package's own libraries no other package is asked for.
file(GLOB _nvidia "${LibTorch_DIR_ROOT}/../nvidia/*/lib")
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS "${LibTorch_DIR_ROOT}/lib" ${_nvidia})
include(CPack)
