# The public headers as other people's programs include them, <rtdetr/detector.h>: copies in one folder, whose includes of
# each other say so. Each is complete with these alone, or configuring ends here.
# Gives RTDETR_PUBLIC_HEADERS, the folder with rtdetr/ in it.
set(RTDETR_PUBLIC_HEADERS ${PROJECT_BINARY_DIR}/include)
set(_public
  core/base/cpp20.h
  core/base/error.h
  core/base/precision_type.h
  core/image/fit.h
  core/image/image_view.h
  core/image/picture_size.h
  core/image/resampling.h
  core/image/rgb_view.h
  models/deploy/detector.h
  train/library/rtdetr.h
  train/library/train.h
  train/library/version.h.in)
set(_names ${_public})
list(TRANSFORM _names REPLACE ".*/|\\.in$" "")
foreach(_header IN LISTS _public)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${_header})
  file(READ ${PROJECT_SOURCE_DIR}/${_header} _text)
  string(REGEX MATCHALL "#include \"[^\"]+\"" _includes "${_text}")
  foreach(_include IN LISTS _includes)
    string(REGEX REPLACE ".*/([^/]+)\"$" "\\1" _name "${_include}")
    if(NOT _name IN_LIST _names)
      message(FATAL_ERROR "${_header} is public (${CMAKE_CURRENT_LIST_FILE}) and has ${_include}, which is not")
    endif()
  endforeach()
  string(REGEX REPLACE "#include \"[a-z0-9_/]+/([a-z0-9_]+\\.h)\"" "#include <rtdetr/\\1>" _text "${_text}")
  string(REGEX REPLACE ".*/|\\.in$" "" _name ${_header})
  file(CONFIGURE OUTPUT ${RTDETR_PUBLIC_HEADERS}/rtdetr/${_name} CONTENT "${_text}" @ONLY)
endforeach()
