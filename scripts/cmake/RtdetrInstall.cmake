# cmake --install: the program, the libraries with their headers, the model and recipe files, the sample pictures, the
# licences, the LibTorch it was built with, and the package that find_package(rtdetr) reads. Headers keep their folders
# below include/rtdetr; <rtdetr/detector.h> and <rtdetr/trainer.h> are the front doors. The result may be moved, and is found by every user.
include(CMakePackageConfigHelpers)

# docs/decisions/0004-where-libtorch-lies.md
set(_carry ON)
if(LibTorch_DIR_ROOT MATCHES "^/usr(/lib.*)?$")
  set(_carry OFF)
endif()
option(RTDETR_INSTALL_LIBTORCH "Install LibTorch's headers and the libraries that are linked, 520 MB; OFF: use it where it lies"
       ${_carry})

set(_package ${CMAKE_INSTALL_LIBDIR}/cmake/rtdetr)
set(_private ${CMAKE_INSTALL_LIBDIR}/rtdetr)
set(_libtorch_lib "${LibTorch_DIR_ROOT}/lib")
set(_libtorch_last_resort "${LibTorch_DIR_ROOT}")
if(RTDETR_INSTALL_LIBTORCH)
  include(RtdetrInstallLibTorch)
  set(_libtorch_last_resort "")
  set(_libtorch_lib "$ORIGIN/${RTDETR_INSTALLED_LIBTORCH}/lib")
endif()
set_target_properties(rtdetr_worker PROPERTIES INSTALL_RPATH "${_libtorch_lib}")
foreach(_library IN ITEMS base ops io core data models losses grammar train)
  set_target_properties(rtdetr_${_library} PROPERTIES EXPORT_NAME ${_library})
endforeach()
set_target_properties(rtdetr PROPERTIES EXPORT_NAME program)

install(TARGETS rtdetr rtdetr_base rtdetr_ops rtdetr_io rtdetr_core rtdetr_data rtdetr_models rtdetr_losses rtdetr_grammar
                rtdetr_train rtdetr_opencv
        EXPORT rtdetrTargets)
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
  set_target_properties(rtdetr_cuda PROPERTIES
                        INSTALL_RPATH "$ORIGIN/${RTDETR_INSTALLED_LIBTORCH}/lib;${LibTorch_DIR_ROOT}/lib")
  install(TARGETS rtdetr_cuda LIBRARY DESTINATION ${_private})
endif()

foreach(_folder IN ITEMS core data models losses train)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/${_folder} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/rtdetr
          FILES_MATCHING PATTERN "*.h" PATTERN samples EXCLUDE)
endforeach()
# Of these headers the interface is what docs/reference/library.md names; all are there because they include each other.
set(_front_door_detector models/deploy/detector.h)
set(_front_door_trainer data/dataset/dataset.h models/graph/model_files.h train/loop/trainer.h)
foreach(_door IN ITEMS detector trainer)
  set(_lines "#pragma once\n\n// What else may be included, and what may change with any version: share/doc/rtdetr/library.md\n")
  foreach(_header IN ITEMS core/base/cpp20.h ${_front_door_${_door}})
    string(APPEND _lines "#include \"${_header}\"\n")
  endforeach()
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/${_door}.h CONTENT "${_lines}")
  install(FILES ${PROJECT_BINARY_DIR}/${_door}.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/rtdetr)
endforeach()
install(FILES ${PROJECT_SOURCE_DIR}/docs/reference/library.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/configs DESTINATION ${CMAKE_INSTALL_DATADIR}/rtdetr)
# The pictures of configs/datasets/bccd*.yaml, 9 MB: where these look for them, beside configs.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/data/samples DESTINATION ${CMAKE_INSTALL_DATADIR}/rtdetr/data)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/THIRD_PARTY.md DESTINATION ${CMAKE_INSTALL_DOCDIR})

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/rtdetrConfig.cmake.in ${PROJECT_BINARY_DIR}/rtdetrConfig.cmake
                              INSTALL_DESTINATION ${_package})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/rtdetrConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/rtdetrConfig.cmake ${PROJECT_BINARY_DIR}/rtdetrConfigVersion.cmake
              ${CMAKE_CURRENT_LIST_DIR}/FindLibTorch.cmake
        DESTINATION ${_package})
