#include "train/process/machine.h"

#include <catch2/catch.hpp>

#include "core/base/error.h"

using namespace rtdetr;

TEST_CASE("device=auto computes where this program can: on the CPU, which is also what cpu means") {
  for (const char* device : {"auto", "cpu"}) {
    INFO(device);
    Settings settings;
    settings.device = device;
    CHECK(compute_device(settings).is_cpu());
  }
}

TEST_CASE("a device of no known form is refused by every command alike") {
  Settings settings;
  settings.device = "gpu";
  CHECK_THROWS_AS(compute_device(settings), ConfigError);
  CHECK_THROWS_WITH(compute_device(settings), Catch::Contains("device=gpu"));
}
