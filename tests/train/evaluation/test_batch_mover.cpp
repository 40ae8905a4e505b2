#include "train/evaluation/batch_mover.h"

#include <torch/types.h>

#include <catch2/catch.hpp>
#include <numeric>

#include "tests/support/devices.h"

namespace rtdetr {
namespace {

/// Three pictures of 4 x 6 pixels, the second of which has no box.
Batch make_batch(const FloatSource& source = {}) {
  constexpr std::size_t kFloats = 3 * 3 * 4 * 6;
  Batch batch{.size = 3, .repeated = 0, .height = 4, .width = 6};
  batch.images = source ? FloatBlock(source(kFloats), kFloats) : FloatBlock(kFloats);
  std::iota(batch.images.data(), batch.images.data() + kFloats, 1.0f);
  batch.targets.resize(3);
  batch.targets[0] = {.labels = {4, 1}, .boxes_cxcywh = {0.1f, 0.2f, 0.3f, 0.4f, 0.5f, 0.6f, 0.7f, 0.8f}};
  batch.targets[2] = {.labels = {7}, .boxes_cxcywh = {0.9f, 0.8f, 0.7f, 0.6f}};
  return batch;
}

void check_is_batch(const BatchTensors& found) {
  const torch::Tensor images = torch::arange(1, 3 * 3 * 4 * 6 + 1, torch::kFloat32).view({3, 3, 4, 6});
  CHECK(torch::equal(found.images.cpu(), images));
  CHECK(found.images.is_contiguous(torch::MemoryFormat::ChannelsLast));
  REQUIRE(found.targets.size() == 3);
  CHECK(torch::equal(found.targets[0].labels.cpu(), torch::tensor({4, 1}, torch::kInt64)));
  CHECK(torch::equal(found.targets[0].boxes_cxcywh.cpu(),
                     torch::tensor({0.1f, 0.2f, 0.3f, 0.4f, 0.5f, 0.6f, 0.7f, 0.8f}).view({2, 4})));
  CHECK(found.targets[1].labels.sizes() == torch::IntArrayRef({0}));
  CHECK(found.targets[1].boxes_cxcywh.sizes() == torch::IntArrayRef({0, 4}));
  CHECK(torch::equal(found.targets[2].labels.cpu(), torch::tensor({7}, torch::kInt64)));
}

}  // namespace

TEST_CASE("a batch arrives where it is computed, whether it was started before or not", "[devices]") {
  const torch::Device device = test::test_device();
  BatchMover mover(device);
  const Batch first = make_batch(batch_memory(device)), second = make_batch();
  mover.start(first);
  mover.start(second);
  mover.start(first);  // once is enough
  const BatchTensors of_second = mover.take(second), of_first = mover.take(first), again = mover.take(first);
  for (const BatchTensors* found : {&of_second, &of_first, &again}) {
    check_is_batch(*found);
    CHECK(found->images.device().type() == device.type());
    CHECK(found->targets[0].labels.is_cpu());
  }
}

TEST_CASE("on the CPU a batch that is to come is not touched, and its memory is ordinary") {
  BatchMover mover(torch::kCPU);
  CHECK_FALSE(batch_memory(torch::kCPU));
  const Batch batch = make_batch();
  mover.start(batch);
  CHECK(batch.images.hold().use_count() == 2);  // the batch's and this one
  check_is_batch(mover.take(batch));
  CHECK(batch.images.hold().use_count() == 2);
}

}  // namespace rtdetr
