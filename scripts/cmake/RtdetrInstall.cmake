# cmake --install: the program, the libraries with their headers, the model and recipe files, and the package that
# find_package(rtdetr) reads. Headers keep their folders below include/rtdetr; <rtdetr/detector.h> is the front door.
include(CMakePackageConfigHelpers)

set(_package ${CMAKE_INSTALL_LIBDIR}/cmake/rtdetr)

set_target_properties(rtdetr PROPERTIES INSTALL_RPATH "${LibTorch_DIR_ROOT}/lib")
foreach(_library IN ITEMS io core data models losses train)
  set_target_properties(rtdetr_${_library} PROPERTIES EXPORT_NAME ${_library})
endforeach()
set_target_properties(rtdetr PROPERTIES EXPORT_NAME program)

install(TARGETS rtdetr rtdetr_io rtdetr_core rtdetr_data rtdetr_models rtdetr_losses rtdetr_train rtdetr_opencv
        EXPORT rtdetrTargets)
install(EXPORT rtdetrTargets NAMESPACE rtdetr:: DESTINATION ${_package})

foreach(_folder IN ITEMS core data models losses train)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/${_folder} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/rtdetr
          FILES_MATCHING PATTERN "*.h" PATTERN samples EXCLUDE)
endforeach()
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/detector.h CONTENT "#pragma once\n\n#include \"models/detector.h\"\n")
install(FILES ${PROJECT_BINARY_DIR}/detector.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/rtdetr)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/configs DESTINATION ${CMAKE_INSTALL_DATADIR}/rtdetr)

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/rtdetrConfig.cmake.in ${PROJECT_BINARY_DIR}/rtdetrConfig.cmake
                              INSTALL_DESTINATION ${_package})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/rtdetrConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/rtdetrConfig.cmake ${PROJECT_BINARY_DIR}/rtdetrConfigVersion.cmake
              ${CMAKE_CURRENT_LIST_DIR}/FindLibTorch.cmake
        DESTINATION ${_package})
