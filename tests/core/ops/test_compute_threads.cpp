#include "core/ops/compute_threads.h"

#include <ATen/Parallel.h>
#include <omp.h>

#include <catch2/catch.hpp>
#include <thread>

TEST_CASE("a scope's number of threads outlasts the first parallel loop of its thread") {
  const int before = at::get_num_threads();
  at::set_num_threads(2);
  int inside = 0, after = 0;
  std::thread([&] {
    {
      const rtdetr::ComputeThreads one(1);
      at::parallel_for(0, 8, 1, [](std::int64_t, std::int64_t) {});
      inside = omp_get_max_threads();
    }
    after = omp_get_max_threads();
  }).join();
  at::set_num_threads(before);
  CHECK(inside == 1);
  CHECK(after == 2);
}
