#pragma once

#include <string>

namespace rtdetr {

/// "LibTorch 2.11.0", "AVX512", "g++ 12.2.0": parts of `rtdetr version`.
struct Versions {
  std::string program;
  std::string libtorch;
  std::string compiler;
  std::string cpu_capability;
};
Versions versions();

/// What `rtdetr version` prints.
std::string version_text();

}  // namespace rtdetr
