#include "core/base/give_back.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstddef>
#include <fstream>
#include <memory>
#include <vector>

namespace {

/// Of this process, in MiB.
double held_mib() {
  std::ifstream status("/proc/self/statm");
  double all = 0, resident = 0;
  status >> all >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE)) / (1 << 20);
}

}  // namespace

TEST_CASE("freed memory is given back to the system, by the program's allocator, too") {
  constexpr std::size_t kBlock = std::size_t{1} << 20, kBlocks = 64;
  std::vector<std::unique_ptr<std::vector<char>>> blocks;
  for (std::size_t i = 0; i < kBlocks; ++i) blocks.push_back(std::make_unique<std::vector<char>>(kBlock, 'x'));
  const double full = held_mib();
  blocks.clear();
  rtdetr::give_back_freed_memory();
  CHECK(held_mib() < full - 48);
}
