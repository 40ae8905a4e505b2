# Run by cpack over the files of a package: the GPU plug-in stays out, whose LibTorch no package has.
file(GLOB_RECURSE plugins "${CPACK_TEMPORARY_INSTALL_DIRECTORY}/*/librtdetr_cuda.so")
if(plugins)
  file(REMOVE ${plugins})
endif()
