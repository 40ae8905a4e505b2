#include "train/commands/version_text.h"

#include <torch/version.h>

#include "train/process/processor.h"

namespace rtdetr {

Versions versions() {
  Versions result;
  result.program = RTDETR_VERSION;
  result.libtorch = TORCH_VERSION;
  result.compiler = RTDETR_COMPILER;
  result.cpu_capability = cpu_capability();
  return result;
}

std::string version_text() {
  const Versions v = versions();
  return "rtdetr " + v.program + "\n  LibTorch   " + v.libtorch + "\n  compiler   " + v.compiler + "\n  processor  " +
         v.cpu_capability + ", " + std::to_string(physical_cores()) + " physical cores\n";
}

}  // namespace rtdetr
