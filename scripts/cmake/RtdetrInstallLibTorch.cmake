# cmake --install puts those libraries of the LibTorch that was built with which the program needs to run below
# lib/rtdetr/libtorch: found by a path relative to the program, so that neither the builder's cache nor its owner matter
# later. The folders keep their places to each other, by which the libraries find theirs.
# Gives RTDETR_INSTALLED_LIBTORCH, the folder with lib/ below lib/rtdetr.
get_filename_component(_base "${LibTorch_DIR_ROOT}" DIRECTORY)
get_filename_component(_name "${LibTorch_DIR_ROOT}" NAME)
set(RTDETR_INSTALLED_LIBTORCH libtorch/${_name})

file(GLOB _licences "${_base}/*.dist-info/licenses/*" "${LibTorch_DIR_ROOT}/LICENSE*")
foreach(_licence IN LISTS _licences)
  file(RELATIVE_PATH _folder "${_base}" "${_licence}")
  string(REGEX REPLACE "(\\.dist-info)?(/licenses)?/[^/]*$" "" _folder "${_folder}")
  install(FILES "${_licence}" DESTINATION ${CMAKE_INSTALL_DOCDIR}/licences/${_folder})
endforeach()

install(CODE "
  set(base \"${_base}\")
  set(first \"${LibTorch_CPU_LIBRARY}\")
  set(folder \"${CMAKE_INSTALL_LIBDIR}/rtdetr/libtorch\")")
install(CODE [[
  file(GET_RUNTIME_DEPENDENCIES LIBRARIES "${first}" RESOLVED_DEPENDENCIES_VAR libraries
       UNRESOLVED_DEPENDENCIES_VAR unresolved PRE_EXCLUDE_REGEXES "^ld-linux")
  if(unresolved)
    message(FATAL_ERROR "LibTorch's libraries were not found: ${unresolved}")
  endif()
  foreach(library IN LISTS first libraries)
    get_filename_component(at "${library}" DIRECTORY)
    get_filename_component(at "${at}" ABSOLUTE)
    file(RELATIVE_PATH below "${base}" "${at}")
    if(NOT below MATCHES "^\\.\\.")
      file(INSTALL "${library}" DESTINATION "${CMAKE_INSTALL_PREFIX}/${folder}/${below}" FOLLOW_SYMLINK_CHAIN)
    endif()
  endforeach()
]])
