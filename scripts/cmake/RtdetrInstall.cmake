# cmake --install: the program, librtdetr.so with its public headers and examples, the model and recipe files, the sample
# pictures, the licences, the libraries of the LibTorch it was built with, and what find_package(rtdetr) and pkg-config
# read. The result may be moved, and is found by every user.
include(CMakePackageConfigHelpers)

# docs/decisions/0004-where-libtorch-lies.md
set(_carry ON)
if(LibTorch_DIR_ROOT MATCHES "^/usr(/lib.*)?$")
  set(_carry OFF)
endif()
option(RTDETR_INSTALL_LIBTORCH "Install the libraries of LibTorch that are linked, 460 MB; OFF: use them where they lie"
       ${_carry})

set(_package ${CMAKE_INSTALL_LIBDIR}/cmake/rtdetr)
set(_private ${CMAKE_INSTALL_LIBDIR}/rtdetr)
set(_libtorch_lib "${LibTorch_DIR_ROOT}/lib")
set(_libtorch_lib_of_library "${LibTorch_DIR_ROOT}/lib")
if(RTDETR_INSTALL_LIBTORCH)
  include(RtdetrInstallLibTorch)
  set(_libtorch_lib "$ORIGIN/${RTDETR_INSTALLED_LIBTORCH}/lib")
  set(_libtorch_lib_of_library "$ORIGIN/rtdetr/${RTDETR_INSTALLED_LIBTORCH}/lib")
endif()
# The folder system is the tarball's (RtdetrPackage.cmake). Its libraries find each other by the run path of who loads
# them, which only the old kind of run path hands on.
file(RELATIVE_PATH _bin_to_private ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR}/rtdetr)
set_target_properties(rtdetr PROPERTIES EXPORT_NAME program INSTALL_RPATH "$ORIGIN/${_bin_to_private}/system")
set_target_properties(rtdetr_worker PROPERTIES INSTALL_RPATH "${_libtorch_lib};$ORIGIN/system")
set_target_properties(rtdetr_shared PROPERTIES EXPORT_NAME rtdetr
                      INSTALL_RPATH "${_libtorch_lib_of_library};$ORIGIN/rtdetr/system")
foreach(_target IN ITEMS rtdetr rtdetr_worker rtdetr_shared)
  target_link_options(${_target} PRIVATE LINKER:--disable-new-dtags)
endforeach()

install(TARGETS rtdetr rtdetr_shared EXPORT rtdetrTargets)
# What bin/rtdetr becomes for all that needs LibTorch (train/front.cpp).
install(TARGETS rtdetr_worker RUNTIME DESTINATION ${_private})
install(EXPORT rtdetrTargets NAMESPACE rtdetr:: DESTINATION ${_package})

# What the program says of itself (train/CMakeLists.txt), where shells and man look for it.
set(_told ${PROJECT_BINARY_DIR}/told)
install(FILES ${_told}/rtdetr.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${_told}/rtdetr DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${_told}/_rtdetr DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
install(FILES ${_told}/rtdetr.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)

# The plug-in's own libraries (libtorch_cuda, cuDNN, …) take gigabytes and stay where they are, or are put beside LibTorch.
if(TARGET rtdetr_cuda)
  set_target_properties(rtdetr_cuda PROPERTIES INSTALL_RPATH "${_libtorch_lib};${LibTorch_DIR_ROOT}/lib")
  install(TARGETS rtdetr_cuda LIBRARY DESTINATION ${_private})
endif()

install(DIRECTORY ${PROJECT_BINARY_DIR}/include/rtdetr DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
# The pages, 1 MB, with README above them, as their links have it; the programs of docs/examples in a folder of their own.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs DESTINATION ${CMAKE_INSTALL_DOCDIR} PATTERN examples EXCLUDE)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs/examples DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/configs DESTINATION ${CMAKE_INSTALL_DATADIR}/rtdetr)
# The pictures of configs/datasets/bccd*.yaml, 9 MB: where these look for them, beside configs.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/data/samples DESTINATION ${CMAKE_INSTALL_DATADIR}/rtdetr/data)
foreach(_page IN ITEMS README.md CHANGELOG.md CONTRIBUTING.md LICENSE THIRD_PARTY.md)
  install(FILES ${PROJECT_SOURCE_DIR}/${_page} DESTINATION ${CMAKE_INSTALL_DOCDIR})
endforeach()
# The same in Debian's format, where its tools look for it. Lines of a field begin with a space, empty ones with a dot.
function(rtdetr_read_field result file)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  file(READ ${file} _text)
  string(STRIP "${_text}" _text)
  string(REPLACE "\n\n" "\n.\n" _text "${_text}")
  string(REPLACE "\n" "\n " _text "${_text}")
  set(${result} "${_text}" PARENT_SCOPE)
endfunction()
rtdetr_read_field(RTDETR_THIRD_PARTY_FIELD ${PROJECT_SOURCE_DIR}/THIRD_PARTY.md)
rtdetr_read_field(RTDETR_BCCD_FIELD ${PROJECT_SOURCE_DIR}/data/samples/bccd/LICENSE)
configure_file(${CMAKE_CURRENT_LIST_DIR}/copyright.in ${PROJECT_BINARY_DIR}/package/copyright @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/package/copyright DESTINATION ${CMAKE_INSTALL_DOCDIR})

# In a folder that find_package() does not look into: it searches what is on the PATH, too, where README puts the build
# folder, and what it needs is complete in an installation alone.
set(_built_package ${PROJECT_BINARY_DIR}/package)
file(REMOVE ${PROJECT_BINARY_DIR}/rtdetrConfig.cmake)  # where it was before
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/rtdetrConfig.cmake.in ${_built_package}/rtdetrConfig.cmake
                              INSTALL_DESTINATION ${_package})
write_basic_package_version_file(${_built_package}/rtdetrConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${_built_package}/rtdetrConfig.cmake ${_built_package}/rtdetrConfigVersion.cmake DESTINATION ${_package})
file(RELATIVE_PATH RTDETR_PREFIX_OF_PC ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(${CMAKE_CURRENT_LIST_DIR}/rtdetr.pc.in ${_built_package}/rtdetr.pc @ONLY)
install(FILES ${_built_package}/rtdetr.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
