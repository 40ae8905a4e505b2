#include "train/config/device_choice.h"

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
    const DeviceChoice choice = device_choice(row.text);
    CHECK(choice.kind == row.kind);
    CHECK(choice.gpus == row.gpus);
  }
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
