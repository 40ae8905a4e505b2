#include "models/deploy/size.h"

#include <ATen/record_function.h>

#include <catch2/catch.hpp>

#include "models/graph/model_files.h"

namespace rtdetr {
namespace {

constexpr std::size_t kBackboneNumber = 0, kEncoderNumber = 1, kDecoderNumber = 2;

PartNumbers gflops_at_64(const std::string& name) {
  return count_part_gflops(build_model(load_model_spec(name), {.shapes_only = true}), 64, 64);
}

TEST_CASE("a deformable encoder's operations are those of its linear layers, and the encoder's") {
  const double tokens = 8 * 8 + 4 * 4 + 2 * 2 + 1;  // of four levels
  const double attention = 3 * 128 * 128 + 128 * 64, feed_forward = 2 * 128 * 512;
  const PartNumbers dino = gflops_at_64("dino-n.yaml"), plain = gflops_at_64("rtdetr-n.yaml");
  CHECK(dino[kEncoderNumber] == Approx(2 * 3 * tokens * (attention + feed_forward) / 1e9));
  CHECK(dino[kBackboneNumber] == Approx(plain[kBackboneNumber]));
  CHECK(dino[kDecoderNumber] > 0);
}

TEST_CASE("the parts of a model have all of its operations") {
  const DetectionModel model = build_model(load_model_spec("rtdetr-n.yaml"), {.shapes_only = true});
  const PartNumbers parts = count_part_gflops(model, 64, 64);
  for (const double part : parts) CHECK(part > 0);
  CHECK(count_gflops(model, 64, 64) == Approx(parts[0] + parts[1] + parts[2]));
}

TEST_CASE("a pass is in the innermost part whose scope is open") {
  const PartFollower follower;
  CHECK(follower.part() == kBackboneNumber);
  {
    RECORD_USER_SCOPE("decoder");
    {
      RECORD_USER_SCOPE("deformable encoder");
      CHECK(follower.part() == kEncoderNumber);
    }
    {
      RECORD_USER_SCOPE("query selection");
      CHECK(follower.part() == kDecoderNumber);
    }
    CHECK(follower.part() == kDecoderNumber);
  }
  CHECK(follower.part() == kBackboneNumber);
  CHECK(follower.ms()[kDecoderNumber] > 0);
  CHECK(follower.ms()[kEncoderNumber] > 0);
  CHECK(follower.ms()[kBackboneNumber] == 0);
}

}  // namespace
}  // namespace rtdetr
