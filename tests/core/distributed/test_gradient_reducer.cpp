#include "core/base/check.h"
#include "core/distributed/gradient_reducer.h"

#include <torch/types.h>
#include <catch2/catch.hpp>
#include <future>
#include <vector>

#include "core/base/error.h"
#include "tests/support/captured_stderr.h"
#include "tests/support/rank_threads.h"
#include "tests/support/thread_world.h"

namespace rtdetr {
namespace {

using torch::Tensor;

/// Parameters of two types, so large together that they go in several buckets.
struct Net {
  std::vector<Tensor> parameters{torch::full({600, 600}, 0.5, torch::requires_grad()),
                                 torch::full({600}, 0.25, torch::dtype(torch::kFloat64).requires_grad(true)),
                                 torch::full({600, 600}, 0.125, torch::requires_grad())};

  /// Σ factor · parameter over the parameters in `used`: the gradient of each is `factor`.
  Tensor loss(double factor, const std::vector<std::size_t>& used) const {
    Tensor sum = torch::zeros({}, torch::kFloat64);
    for (const std::size_t i : used) sum = sum + parameters[i].sum().to(torch::kFloat64) * factor;
    return sum;
  }
  void expect(std::size_t i, double gradient) const {
    const Tensor& grad = parameters[i].grad();
    RTDETR_CHECK(grad.defined() && grad.eq(gradient).all().item<bool>(),
                 "parameter " + std::to_string(i) + ", want " + std::to_string(gradient));
  }
  void drop_gradients() {
    for (Tensor& parameter : parameters) parameter.mutable_grad().reset();
  }
};

/// In a world of each kind.
template <class Work>
void run_worlds(Work&& work) {
  test::ThreadWorld(2).run(work);
  test::run_world(2, work);
}

}  // namespace

TEST_CASE("in a world of one gradients are those of the pass") {
  Net net;
  world_of_one().make_reducer(net.parameters)->backward(net.loss(3, {0, 2}));
  net.expect(0, 3);
  CHECK_FALSE(net.parameters[1].grad().defined());
}

TEST_CASE("gradients are averaged over the ranks, step after step, and nothing is said") {
  const auto steps = [](ProcessGroup& group) {
    Net net;
    const auto reducer = group.make_reducer(net.parameters);
    for (int step = 1; step <= 4; ++step) {
      reducer->backward(net.loss(group.rank() == 0 ? step : 3 * step, {0, 1, 2}));
      for (const std::size_t i : {0, 1, 2}) net.expect(i, 2 * step);
      net.drop_gradients();
    }
  };
  CHECK(test::stderr_of([&] { run_worlds(steps); }).empty());
}

TEST_CASE("gradients accumulate on every rank alone until the pass that completes them") {
  run_worlds([](ProcessGroup& group) {
    Net net;
    const auto reducer = group.make_reducer(net.parameters);
    const double own = group.rank() == 0 ? 1 : 5;
    for (int step = 0; step < 3; ++step) {
      net.loss(own, {0, 1}).backward();
      net.expect(0, own);
      net.loss(10 * own, {0}).backward();
      reducer->backward(net.loss(100 * own, {0, 2}));
      net.expect(0, 333);
      net.expect(1, 3);  // used in an earlier pass only
      net.expect(2, 300);
      net.drop_gradients();
    }
  });
}

TEST_CASE("a parameter has a gradient on all ranks if one rank used it, and on none if none did") {
  run_worlds([](ProcessGroup& group) {
    Net net;
    const auto reducer = group.make_reducer(net.parameters);
    for (unsigned pattern = 0; pattern < 64; ++pattern) {
      const unsigned own = group.rank() == 0 ? pattern & 7 : pattern >> 3;
      std::vector<std::size_t> used;
      for (std::size_t i = 0; i < 3; ++i) {
        if (own >> i & 1) used.push_back(i);
      }
      Tensor loss = net.loss(2, used);
      if (used.empty()) loss = loss + torch::zeros({}, torch::dtype(torch::kFloat64).requires_grad(true));
      reducer->backward(loss);
      for (std::size_t i = 0; i < 3; ++i) {
        const unsigned ranks = (pattern >> i & 1) + (pattern >> (3 + i) & 1);
        if (ranks > 0)
          net.expect(i, ranks);
        else
          RTDETR_CHECK(!net.parameters[i].grad().defined(), "a gradient from nowhere");
      }
      net.drop_gradients();
    }
  });
}

TEST_CASE("all ranks have the same bits, of three, too") {
  std::vector<Tensor> gradients(3);
  test::run_world(3, [&](ProcessGroup& group) {
    Tensor weight = torch::linspace(0.1, 1, 5000).requires_grad_();
    const auto reducer = group.make_reducer({weight});
    reducer->backward((weight * weight * (0.7 + 0.1 * static_cast<double>(group.rank()))).sum());
    gradients[static_cast<std::size_t>(group.rank())] = weight.grad();
  });
  CHECK(torch::equal(gradients[0], gradients[1]));
  CHECK(torch::equal(gradients[0], gradients[2]));
  CHECK(torch::allclose(gradients[0], 1.6 * torch::linspace(0.1, 1, 5000)));
}

TEST_CASE("a rank that leaves during the pass is an error on the other, and a fault of the pass stays what it is") {
  const test::TemporaryFolder temp;
  std::vector<test::Failure> failures;
  const auto work = [&](const Rendezvous& me) {
    const auto group = join_through_file(temp.path() / "meeting", me);
    Net net;
    const auto reducer = group->make_reducer(net.parameters);
    reducer->backward(net.loss(1, {0, 1, 2}));
    Tensor loss = net.loss(1, {0, 1, 2});
    if (me.rank == 1) loss.register_hook([](const Tensor&) -> Tensor { throw DataError("a fault of its own"); });
    reducer->backward(loss);
  };
  CHECK(test::stderr_of([&] { failures = test::run_ranks({.size = 2}, 2, work); }).empty());
  INFO(failures[0].text);
  CHECK(failures[0].code == ExitCode::kPeer);
  CHECK_THAT(failures[0].text, Catch::StartsWith("rank 0 of 2 (127.0.0.1): averaging the gradients failed: "));
  CHECK(failures[1].code == ExitCode::kData);
}

}  // namespace rtdetr
