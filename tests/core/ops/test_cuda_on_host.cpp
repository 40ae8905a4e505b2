#include <catch2/catch.hpp>
#include <numeric>
#include <vector>

#include "tests/support/cuda_on_host/cuda_runtime_api.h"

namespace rtdetr {
namespace {

using test::ThreadOrder;

void launch_on_host(void (*kernel)(int*), unsigned threads, int* values) {
  cudaLaunchConfig_t config;
  config.blockDim.x = threads;
  cudaLaunchKernelEx(&config, kernel, values);
}

/// Each thread takes what its neighbour, last to first, has put down.
template <bool kMeet>
void pass_on(int* values) {
  __shared__ int shared[64];
  shared[threadIdx.x] = values[threadIdx.x];
  if (kMeet) __syncthreads();
  values[threadIdx.x] = shared[(threadIdx.x + 1) % 64];
}

std::vector<int> count_from(int first) {
  std::vector<int> values(64);
  std::iota(values.begin(), values.end(), first);
  return values;
}

std::vector<int> passed_on(void (*kernel)(int*), std::vector<int> values) {
  launch_on_host(kernel, 64, values.data());
  return values;
}

}  // namespace

TEST_CASE("an emulated block waits at its barriers, whichever thread goes first") {
  const ThreadOrder order(GENERATE(false, true));
  std::vector<int> expected = count_from(101);
  expected.back() = 100;
  CHECK(passed_on(pass_on<true>, count_from(100)) == expected);
}

TEST_CASE("a barrier that an emulated kernel lacks shows in one order of its threads") {
  std::vector<int> expected = count_from(201);
  expected.back() = 200;
  CHECK(passed_on(pass_on<false>, count_from(200)) != expected);
}

TEST_CASE("an emulated warp sums what its lanes hold, time after time") {
  const ThreadOrder order(GENERATE(false, true));
  std::vector<int> values = count_from(0);
  launch_on_host(
      [](int* value) {
        int& own = value[threadIdx.x];
        for (int lanes = 16; lanes > 0; lanes /= 2) own += __shfl_xor_sync(0xffffffffu, own, lanes);
      },
      64, values.data());
  CHECK(values.front() == 496);        // 0 + … + 31
  CHECK(values.back() == 496 + 1024);  // 32 + … + 63
}

TEST_CASE("a barrier that some threads of an emulated block never reach is an error") {
  int unused = 0;
  const auto leave = [](int*) {
    if (threadIdx.x > 0) __syncthreads();
  };
  CHECK_THROWS_WITH(launch_on_host(leave, 32, &unused), Catch::Contains("wait for others that have ended"));
}

}  // namespace rtdetr
