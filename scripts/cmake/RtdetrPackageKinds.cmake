# Read by cpack once for each kind of package: the tarball alone brings Debian's libraries.
set(CPACK_PRE_BUILD_SCRIPTS "${CMAKE_CURRENT_LIST_DIR}/RtdetrWithoutCuda.cmake")
if(CPACK_GENERATOR STREQUAL "TGZ")
  list(APPEND CPACK_INSTALL_CMAKE_PROJECTS "${CPACK_RTDETR_BINARY_DIR};rtdetr;system_libraries;/")
endif()
