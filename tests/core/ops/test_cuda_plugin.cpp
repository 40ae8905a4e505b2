#include "core/ops/cuda_plugin.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "core/base/error.h"
#include "tests/support/named_plugin.h"
#include "tests/support/temporary_folder.h"

using rtdetr::test::NamedPlugin;

TEST_CASE("a CUDA plug-in that is not there is refused with the place that was looked at") {
  const NamedPlugin named("/nowhere/librtdetr_cuda.so");
  CHECK_THROWS_WITH(rtdetr::load_cuda_plugin(), Catch::Contains("/nowhere/librtdetr_cuda.so"));
  CHECK_THROWS_AS(rtdetr::load_cuda_plugin(), rtdetr::ConfigError);
}

TEST_CASE("a file that is no library is refused with the loader's words") {
  const rtdetr::test::TemporaryFolder folder;
  std::ofstream(folder / "librtdetr_cuda.so") << "not a library";
  const NamedPlugin named(folder / "librtdetr_cuda.so");
  CHECK_THROWS_WITH(rtdetr::load_cuda_plugin(), Catch::Contains("cannot be loaded"));
}
