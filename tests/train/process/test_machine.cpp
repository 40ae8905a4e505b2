#include "train/process/machine.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/types.h>
#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "tests/support/named_plugin.h"

using namespace rtdetr;
using Catch::Contains;

namespace {

Settings on(const char* device) {
  Settings settings;
  settings.device = device;
  return settings;
}

}  // namespace

TEST_CASE("device=auto without a GPU computes on the CPU, which is also what cpu means") {
  const test::NamedPlugin nowhere("/nowhere/librtdetr_cuda.so");
  for (const char* device : {"auto", "cpu"}) {
    INFO(device);
    CHECK(compute_device(on(device)).is_cpu());
  }
}

TEST_CASE("a device of no known form is refused by every command alike") {
  CHECK_THROWS_AS(compute_device(on("gpu")), ConfigError);
  CHECK_THROWS_WITH(compute_device(on("gpu")), Contains("device=gpu"));
}

TEST_CASE("tf32= reaches LibTorch's switches for cards") {
  for (const bool allowed : {true, false}) {
    Settings settings;
    settings.tf32 = allowed;
    settings.threads = at::get_num_threads();
    apply_machine_settings(settings);
    CHECK(at::globalContext().allowTF32CuBLAS() == allowed);
  }
}

TEST_CASE("the instructions of LibTorch's kernels are told as LibTorch would") {
  CHECK(cpu_capability() == at::get_cpu_capability());
}
