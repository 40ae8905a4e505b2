// Blocks of D-FINE's and DEIMv2's backbone and encoder alone, outside training and in it, and of DEIMv2's decoder.
#include <torch/types.h>

#include <catch2/catch.hpp>

#include "models/blocks/elan.h"
#include "models/blocks/hgnet.h"
#include "models/blocks/pooling.h"
#include "models/layers/module_tree.h"
#include "tests/parity/module_case.h"
#include "tests/parity/token_modules.h"

namespace rtdetr::test {
namespace {

constexpr double kBlock = 1e-12;  // tests/fixtures/README.md §3
const BatchNormOptions kNorm{1e-5, 0.1, false};

ConvNormAct unit(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride, bool affine) {
  ConvNormActOptions options =
      conv_unit(in, out, kernel, stride, affine ? Activation::kRelu : Activation::kNone, kNorm);
  options.affine = affine;
  if (!affine) options.conv.groups = out;
  return ConvNormAct(options);
}

HgBlock block(std::int64_t in, std::int64_t mid, std::int64_t out, bool light, bool affine, bool shortcut) {
  HgBlockOptions options;
  options.in = in, options.mid = mid, options.out = out;
  options.kernel = light ? 5 : 3;
  options.layers = 3;
  options.light = light;
  options.affine = affine;
  options.shortcut = shortcut;
  options.norm = kNorm;
  options.keys = HgBlockOptions::Keys::kDfine;
  return HgBlock(options);
}

/// A stage of the backbone: its down-sampling and two blocks.
struct Stage : Block {
  ConvNormAct downsample = unit(8, 8, 3, 2, false);
  HgBlock first = block(8, 4, 12, true, true, false), second = block(12, 4, 12, true, true, true);
  Stage() {
    register_module("downsample", downsample);
    register_at(*this, "blocks.0", first.ptr());
    register_at(*this, "blocks.1", second.ptr());
  }
  Tensor forward(const Tensor& x) override { return second->forward(first->forward(downsample->forward(x))); }
};

BlockPtr make_block(const std::string& tag) {
  if (tag == "conv_lab") return unit(6, 8, 3, 1, true).ptr();
  if (tag == "down") return unit(6, 6, 3, 2, false).ptr();
  if (tag == "light_lab") return LightConv(6, 8, 5, Activation::kRelu, kNorm, true).ptr();
  if (tag == "stem_lab") {
    HgStemOptions options{.mid = 8, .out = 8, .norm = kNorm};
    options.affine = true;
    return HgStem(options).ptr();
  }
  if (tag == "block_lab") return block(12, 4, 12, false, true, true).ptr();
  if (tag == "block_light") return block(8, 4, 12, true, false, false).ptr();
  if (tag == "stage_lab") return std::make_shared<Stage>();
  if (tag == "repncspelan4") return RepElan(RepElanOptions{16, 8, 16, 5, 2, Activation::kSilu, kNorm}).ptr();
  if (tag == "scdown") return ScDown(8, 8, 3, 2, kNorm).ptr();
  if (tag == "v2_csp2") {
    CspRepOptions options{8, 5, 5, 2, Activation::kSilu, kNorm, /*official_keys=*/true};
    options.split = true;
    return CspRep(options).ptr();
  }
  if (tag == "v2_elan4_csp2")
    return RepElan(RepElanOptions{8, 8, 16, 5, 2, Activation::kSilu, kNorm, /*split=*/true}).ptr();
  if (tag == "v2_gap") return GlobalFusion(8, 8, Activation::kSilu, kNorm).ptr();
  if (tag == "csp") return CspRep(CspRepOptions{8, 5, 5, 2, Activation::kSilu, kNorm, /*official_keys=*/true}).ptr();
  REQUIRE(tag == "vgg");
  return RepConv(RepConvOptions{.in = 5, .out = 5, .norm = kNorm, .norm_name = "norm"}).ptr();
}

void check_block(const Fixture& fixture, const std::string& tag, const std::vector<std::int64_t>& shape) {
  const BlockPtr made = make_block(tag);
  const Tensor x = centred(tag, "x", shape).set_requires_grad(true);
  const ModuleCase test{tag, made, {x}, [&](const std::vector<Tensor>& in) { return made->forward(in[0]); }};
  fill_module(test);
  {
    const torch::NoGradGuard no_grad;
    made->eval();
    check_relative(tag + ".out_eval", made->forward(x.detach()), fixture.tensor(tag + ".out_eval"), kBlock);
  }
  made->train();
  check_pass(fixture, test, "out_train", kBlock);
  const torch::NoGradGuard no_grad;
  fill_module(test);  // the pass has moved the running statistics
  made->eval();
  fuse_modules(*made);
  check_relative(tag + " fused", made->forward(x.detach()), fixture.tensor(tag + ".out_eval"), kBlock);
}

}  // namespace

TEST_CASE("blocks give the reference's maps and gradients, fused too", "[blocks]") {
  const Fixture fixture = load_fixture();
  for (const auto& [tag, entry] : fixture.json["modules"].items()) {
    if (tag == "v2_elan5") continue;  // of the sizes with a vision transformer, which are not offered
    if (fixture.tensors.contains(tag + ".out_eval"))
      check_block(fixture, tag, entry["inputs"][0]);
    else
      check_token_module(fixture, tag);
  }
}

}  // namespace rtdetr::test
