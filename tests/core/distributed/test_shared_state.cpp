#include "core/base/check.h"
#include "core/distributed/shared_state.h"

#include <torch/types.h>
#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "tests/support/rank_threads.h"
#include "tests/support/thread_world.h"

namespace rtdetr {
namespace {

/// A rank's own values.
NamedTensors state_of(double value) {
  const torch::Tensor weight = torch::full({2, 3, 1, 1}, value).contiguous(torch::MemoryFormat::ChannelsLast);
  return {{"conv.weight", weight.requires_grad_()},
          {"bn.running_mean", torch::full({3}, value, torch::kFloat64)},
          {"bn.num_batches_tracked", torch::full({}, static_cast<std::int64_t>(value), torch::kInt64)},
          {"half", torch::full({4}, value, torch::kBFloat16)}};
}

std::string refusal_of(const std::function<void()>& work) {
  const test::Failure failure = test::failure_of(work);
  CHECK(failure.code == ExitCode::kPeer);
  return failure.text;
}

}  // namespace

TEST_CASE("every rank gets the state of rank 0, whatever its type and layout") {
  const auto share = [](ProcessGroup& group) {
    const NamedTensors state = state_of(5 + static_cast<double>(group.rank()));
    share_state(group, state);
    for (const auto& [name, tensor] : state) RTDETR_CHECK(tensor.eq(5).all().item<bool>(), name);
  };
  share(world_of_one());
  test::ThreadWorld(3).run(share);
  test::run_world(2, share);
}

TEST_CASE("ranks whose models differ are told the first tensor that does") {
  const auto refused = [](const std::function<void(NamedTensors&)>& change) {
    return refusal_of([&] {
      test::ThreadWorld(2).run([&](ProcessGroup& group) {
        NamedTensors state = state_of(1);
        if (group.rank() == 1) change(state);
        share_state(group, state);
      });
    });
  };
  const std::string start = "rank 0 of 2: the ranks have different models: tensor ";
  using Catch::StartsWith;
  CHECK_THAT(refused([](NamedTensors& state) { state[1].second = torch::zeros({4}, torch::kFloat64); }),
             StartsWith(start + "1 is bn.running_mean [3] Double here, and another on another rank"));
  CHECK_THAT(refused([](NamedTensors& state) { state[3].second = torch::zeros({4}); }),
             StartsWith(start + "3 is half [4]"));
  CHECK_THAT(refused([](NamedTensors& state) { state[0].first = "conv.w"; }), StartsWith(start + "0 is conv.weight"));
  CHECK_THAT(refused([](NamedTensors& state) { state.pop_back(); }), StartsWith(start + "3 is half [4]"));
  CHECK_THAT(refused([](NamedTensors& state) {
               state.push_back({"more", torch::zeros({1})});
             }),
             StartsWith(start + "4 is none"));
}

TEST_CASE("a single bit that differs on one rank is found, in a tensor of any type, and both are named") {
  const auto flip = [](torch::Tensor tensor) {
    auto* bytes = static_cast<std::uint8_t*>(tensor.detach().data_ptr());
    bytes[tensor.nbytes() - tensor.element_size()] ^= 1;  // the lowest bit of the last number
  };
  for (const std::size_t index : {0U, 1U, 2U, 3U}) {
    const std::string refusal = refusal_of([&] {
      test::ThreadWorld(3).run([&](ProcessGroup& group) {
        const NamedTensors state = state_of(3);
        require_same_state(group, state);
        if (group.rank() == 0) flip(state[index].second);
        require_same_state(group, state);
      });
    });
    CHECK_THAT(refusal, Catch::Contains("'" + state_of(3)[index].first + "' of rank 0 is another"));
  }
}

TEST_CASE("of two ranks that differ the second is named, over sockets as well; a world of one compares nothing") {
  require_same_state(world_of_one(), state_of(1));
  const std::string refusal = refusal_of([] {
    test::run_world(
        2, [](ProcessGroup& group) { require_same_state(group, state_of(static_cast<double>(group.rank()))); });
  });
  CHECK_THAT(refusal, Catch::Contains("'conv.weight' of rank 1 is another"));
}

}  // namespace rtdetr
