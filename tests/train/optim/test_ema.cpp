#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/linear.h>
#include <torch/types.h>
#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "train/optim/ema.h"

namespace rtdetr {

TEST_CASE("the average starts as the model and follows it by one minus the decay") {
  torch::nn::Linear live(2, 2), average(2, 2);
  Ema ema(*live, *average, {.decay = 0.9, .ramp = 0});
  CHECK(torch::equal(live->weight, average->weight));
  const auto before = average->weight.detach().clone();
  {
    torch::NoGradGuard no_grad;
    live->weight.add_(1);
  }
  ema.update();
  CHECK(ema.updates() == 1);
  CHECK(torch::allclose(average->weight, before + 0.1, 1e-6, 1e-6));
}

TEST_CASE("BatchNorm statistics are averaged, its counter stays") {
  torch::nn::BatchNorm2d live(3), average(3);
  Ema ema(*live, *average, {.decay = 0.5, .ramp = 0});
  live->forward(torch::randn({2, 3, 4, 4}) + 2);
  ema.update();
  CHECK(torch::allclose(average->running_mean, 0.5 * live->running_mean));
  CHECK(live->num_batches_tracked.item<std::int64_t>() == 1);
  CHECK(average->num_batches_tracked.item<std::int64_t>() == 0);
}

TEST_CASE("a tensor under two keys is averaged once") {
  torch::nn::Linear live(2, 2), average(2, 2);
  for (auto* const linear : {&live, &average}) (*linear)->register_buffer("again", (*linear)->weight);
  Ema ema(*live, *average, {.decay = 0.9, .ramp = 0});
  const auto before = average->weight.detach().clone();
  {
    torch::NoGradGuard no_grad;
    live->weight.add_(1);
  }
  ema.update();
  CHECK(torch::allclose(average->weight, before + 0.1, 1e-6, 1e-6));
}

TEST_CASE("a decay of 0 keeps the average equal to the model") {
  torch::nn::Linear live(2, 2), average(2, 2);
  Ema ema(*live, *average, {.decay = 0});
  {
    torch::NoGradGuard no_grad;
    live->weight.normal_();
  }
  ema.update();
  CHECK(torch::equal(live->weight, average->weight));
}

TEST_CASE("an average with other keys is refused") {
  torch::nn::Linear live(2, 2), average(torch::nn::LinearOptions(2, 2).bias(false));
  CHECK_THROWS_AS(Ema(*live, *average), InternalError);
}

}  // namespace rtdetr
