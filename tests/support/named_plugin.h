#pragma once

#include <cstdlib>
#include <filesystem>

namespace rtdetr::test {

/// Points the search for the CUDA plug-in at `file` for as long as it lives.
struct NamedPlugin {
  explicit NamedPlugin(const std::filesystem::path& file) { ::setenv("RTDETR_CUDA_PLUGIN", file.c_str(), 1); }
  ~NamedPlugin() { ::unsetenv("RTDETR_CUDA_PLUGIN"); }
  NamedPlugin(const NamedPlugin&) = delete;
  NamedPlugin& operator=(const NamedPlugin&) = delete;
};

}  // namespace rtdetr::test
