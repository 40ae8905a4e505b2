#include "core/base/device_choice.h"

#include <catch2/catch.hpp>

#include "core/base/error.h"

using namespace rtdetr;
using Kind = DeviceChoice::Kind;

TEST_CASE("a device is named as people write it elsewhere") {
  struct Row {
    const char* text;
    Kind kind;
    std::vector<int> gpus;
  };
  for (const Row& row : std::vector<Row>{{"cpu", Kind::kCpu, {}},
                                         {"auto", Kind::kAuto, {}},
                                         {"cuda", Kind::kCuda, {0}},
                                         {"cuda:3", Kind::kCuda, {3}},
                                         {"0", Kind::kCuda, {0}},
                                         {"12", Kind::kCuda, {12}},
                                         {"2,0,1", Kind::kCuda, {2, 0, 1}}}) {
    INFO(row.text);
    const DeviceChoice choice = device_choice(row.text, " (somewhere)");
    CHECK(choice.argument == "device=" + std::string(row.text) + " (somewhere)");
    CHECK(choice.kind == row.kind);
    CHECK(choice.gpus == row.gpus);
  }
}

TEST_CASE("of several processes on a machine each has a GPU of its own") {
  struct Row {
    const char* text;
    std::int64_t local_rank, visible;
    int gpu;
  };
  for (const Row& row : std::vector<Row>{{"2,0,1", 0, 4, 2},
                                         {"2,0,1", 2, 4, 1},
                                         {"cuda", 0, 4, 0},
                                         {"cuda", 3, 4, 3},
                                         {"auto", 1, 2, 1},
                                         {"cuda", 3, 1, 0},  // Slurm shows each task its own
                                         {"cuda:1", 3, 4, 1}}) {
    INFO(row.text << " for process " << row.local_rank << " that sees " << row.visible);
    CHECK(gpu_of_process(device_choice(row.text), row.local_rank, row.visible) == row.gpu);
  }
  CHECK_THROWS_WITH(gpu_of_process(device_choice("4,5"), 2, 8),
                    Catch::Contains("process 2") && Catch::Contains("2 in device="));
  CHECK_THROWS_WITH(gpu_of_process(device_choice("cuda"), 4, 4), Catch::Contains("has no GPU: there are 4; "));
}

TEST_CASE("a device that has no such form is refused with the words that are known") {
  using Catch::Contains;
  for (const char* text : {"", ",", "0,", ",1", "gpu", "cuda:", "cuda:x", "cuda:-1", "-1", "0 1", "1.5", "cuda:0,1",
                           "128", "99999999999"}) {
    INFO(text);
    CHECK_THROWS_AS(device_choice(text), ConfigError);
    CHECK_THROWS_WITH(device_choice(text), Contains("device=" + std::string(text)) && Contains("cpu, auto, cuda"));
  }
  CHECK_THROWS_WITH(device_choice("cudda"), Contains("did you mean 'cuda'?"));
  CHECK_THROWS_WITH(device_choice("0,1,0"), Contains("GPU 0 stands twice"));
}
