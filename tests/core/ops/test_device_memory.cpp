#include "core/ops/device_memory.h"

#include <catch2/catch.hpp>

#include <c10/util/Exception.h>

namespace rtdetr {

using Catch::Contains;

namespace {

int refuse() {
  const c10::SourceLocation here{"", "", 0};
  throw c10::OutOfMemoryError(here, "CUDA out of memory. Tried to allocate 2.00 GiB.\nand more");
}

}  // namespace

TEST_CASE("a load that a device cannot bear is told with the largest that it did, and what of its size would fit") {
  LoadLimit limit("batch= helps");
  CHECK(limit.run({16, 320, 320}, [] { return 1; }) == 1);
  CHECK(limit.run({4, 320, 320}, [] { return 2; }) == 2);
  try {
    limit.run({16, 640, 640}, refuse);
    FAIL("nothing was thrown");
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::kMemory);
    CHECK_THAT(error.what(), Contains("16 pictures of 640x640 at once") &&
                                 Contains("16 pictures of 320x320 did fit, so 4 of this size should") &&
                                 Contains("batch= helps") && Contains("2.00 GiB") && !Contains("and more"));
  }
}

TEST_CASE("where nothing has fitted yet, half is named, and for one picture a smaller one") {
  LoadLimit limit;
  CHECK_THROWS_WITH(limit.run({16, 640, 640}, refuse), Contains("nothing has fitted yet; 8 at once need about half"));
  CHECK_THROWS_WITH(limit.run({1, 640, 640}, refuse), Contains("smaller pictures (imgsz=)"));
}

TEST_CASE("what did fit is named alone where it says nothing of the size that was tried") {
  LoadLimit limit;
  limit.run({16, 640, 640}, [] { return 0; });
  CHECK_THROWS_WITH(limit.run({16, 640, 640}, refuse), Contains("16 pictures of 640x640 did fit"));
  CHECK_THROWS_WITH(limit.run({1, 9000, 9000}, refuse), Contains("16 pictures of 640x640 did fit"));
}

TEST_CASE("what CUDA's libraries say of memory is told with the load, too; the host's memory is another matter") {
  const c10::SourceLocation here{"", "", 0};
  const auto told = [&](const char* words) {
    LoadLimit limit;
    try {
      limit.run({16, 640, 640}, [&]() -> int { throw c10::Error(here, words); });
    } catch (const std::exception& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  for (const char* words : {"CUDA error: out of memory", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling x"}) {
    CHECK_THAT(told(words), Contains("the GPU has not enough memory for 16 pictures of 640x640") && Contains(words));
  }
  CHECK_THAT(told("DefaultCPUAllocator: not enough memory"), !Contains("GPU"));
}

TEST_CASE("other errors pass a load's limit as they are") {
  LoadLimit limit;
  CHECK_THROWS_AS(limit.run({1, 32, 32}, []() -> int { throw DataError("a picture"); }), DataError);
}

}  // namespace rtdetr
