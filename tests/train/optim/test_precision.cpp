#include "train/optim/precision.h"

#include <torch/types.h>
#include <catch2/catch.hpp>

#include "core/base/cpu_level.h"
#include "core/base/error.h"
#include "tests/support/thread_world.h"

namespace rtdetr {

TEST_CASE("amp= is taken at its word, and fp16 on a CPU is called slow") {
  CHECK(choose_precision(Amp::kOff, torch::kCPU).reason == "amp=off: the model runs in fp32");
  CHECK(choose_precision(Amp::kBFloat16, torch::kCPU).reason == "amp=bf16: the model runs in bf16 autocast");
  const PrecisionChoice half = choose_precision(Amp::kFloat16, torch::kCPU);
  CHECK(half.precision == Precision::kFloat16);
  CHECK_THAT(half.reason, Catch::StartsWith("amp=fp16: the model runs in fp16 autocast, which no CPU is fast at"));
}

TEST_CASE("on a CPU with bf16 products auto is fp32 or bf16, whichever a convolution says") {
  if (!has_bfloat16_products()) {
    WARN("this processor does not multiply such numbers: nothing was tried");
    return;
  }
  const PrecisionChoice choice = choose_precision(Amp::kAuto, torch::kCPU);
  CHECK(choice.precision != Precision::kFloat16);
  CHECK_THAT(choice.reason, Catch::Contains(" ms in bf16; the model runs in " + precision_name(choice.precision)));
}

TEST_CASE("on a CPU without bf16 products auto is fp32, whatever a clock says") {
  set_cpu_level(CpuLevel::kAvx2);
  const PrecisionChoice choice = choose_precision(Amp::kAuto, torch::kCPU);
  set_cpu_level(best_cpu_level());
  CHECK(choice.precision == Precision::kFloat32);
  CHECK(choice.reason == "amp=auto: this processor has no bf16 products; the model runs in fp32");
}

TEST_CASE("a run goes on in the type that it began with") {
  for (const auto& [word, precision] : kFloatWords) {
    const PrecisionChoice kept = keep_precision(word, torch::kCPU);
    CHECK(kept.precision == precision);
    CHECK_THAT(kept.reason, Catch::StartsWith("as this run began: the model runs in " + std::string(word)));
  }
  CHECK_THROWS_AS(keep_precision("fp8", torch::kCPU), ConfigError);
}

TEST_CASE("processes take the main one's type") {
  std::vector<Precision> precisions(2);
  test::ThreadWorld(2).run([&](ProcessGroup& group) {
    PrecisionChoice choice{group.is_main() ? Precision::kFloat16 : Precision::kFloat32, ""};
    share_precision(choice, group);
    precisions[static_cast<std::size_t>(group.rank())] = choice.precision;
  });
  for (const Precision precision : precisions) CHECK(precision == Precision::kFloat16);
}

}  // namespace rtdetr
