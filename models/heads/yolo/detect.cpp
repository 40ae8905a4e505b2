#include "models/heads/yolo/detect.h"

#include <algorithm>
#include <cmath>

#include <torch/nn/module.h>
#include <torch/types.h>

#include "core/base/check.h"
#include "core/base/error.h"
#include "core/ops/conv.h"
#include "core/tensor/box_ops.h"
#include "core/tensor/check.h"
#include "models/heads/yolo/suppressed_pairs.h"
#include "models/layers/module_tree.h"

namespace rtdetr {
namespace {

constexpr double kBoxBias = 2;       // of the last box convolution, before training
constexpr double kPriorObjects = 5;  // that a picture of
constexpr double kPriorSide = 640;   // pixels is expected to have

/// The means' weights, where the reference's file has them.
struct BinsImpl : torch::nn::Module, InitializesWeights {
  explicit BinsImpl(std::int64_t bins) {
    weight = register_parameter("weight", new_weight({1, bins, 1, 1}), /*requires_grad=*/false);
  }
  void init_weights(const WeightDraws&) override {
    const torch::NoGradGuard no_grad;
    weight.copy_(torch::arange(weight.numel()).view_as(weight));
  }
  Tensor weight;
};

/// [B, C, H, W] of each map → [B, A, C]
Tensor to_anchors(const std::vector<Tensor>& maps) {
  std::vector<Tensor> rows;
  for (const Tensor& map : maps) rows.push_back(map.flatten(2).transpose(1, 2));
  return torch::cat(rows, 1);
}

}  // namespace

DenseGrid make_grid(const std::vector<std::int64_t>& sides, const std::vector<DetectOptions::Map>& maps,
                    const torch::TensorOptions& like) {
  std::vector<Tensor> points, sizes, strides;
  for (std::size_t k = 0; k < maps.size(); ++k) {
    const std::int64_t height = sides[2 * k], width = sides[2 * k + 1];
    const Tensor y = (torch::arange(height, like) + 0.5).view({-1, 1}).expand({height, width});
    const Tensor x = (torch::arange(width, like) + 0.5).expand({height, width});
    points.push_back(torch::stack({x, y}, -1).view({-1, 2}));
    const Tensor size = torch::tensor({static_cast<double>(width), static_cast<double>(height)}, torch::kDouble);
    sizes.push_back(size.to(like).expand({height * width, 2}));
    strides.push_back(torch::full({height * width, 1}, static_cast<double>(maps[k].stride), like));
  }
  return {torch::cat(points), torch::cat(sizes), torch::cat(strides)};
}

PointConvolutionImpl::PointConvolutionImpl(std::int64_t in, std::int64_t out) {
  weight = register_parameter("weight", new_weight({out, in, 1, 1}));
  bias = register_parameter("bias", new_weight({out}));
}

Tensor PointConvolutionImpl::forward(const Tensor& x) { return conv2d(x, weight, bias, ConvWindow{}); }

void PointConvolutionImpl::init_weights(const WeightDraws& draws) {
  draws.fan_in_uniform(weight, "weight");
  draws.bias_uniform(bias, weight, "bias");
}

DetectImpl::DetectImpl(const DetectOptions& options) : options_(options) {
  RTDETR_CHECK(!options_.maps.empty(), "the head needs at least one map");
  const std::int64_t finest = options_.maps.front().channels, sides = 4 * options_.bins;
  const std::int64_t box_width = std::max({std::int64_t{16}, finest / 4, sides});
  const std::int64_t class_width = std::max(finest, std::min<std::int64_t>(options_.num_classes, 100));
  for (std::size_t k = 0; k < options_.maps.size(); ++k)
    boxes_.push_back(add_branch("cv2." + std::to_string(k), options_.maps[k].channels, box_width, sides));
  for (std::size_t k = 0; k < options_.maps.size(); ++k)
    classes_.push_back(
        add_branch("cv3." + std::to_string(k), options_.maps[k].channels, class_width, options_.num_classes));
  const auto bins = std::make_shared<BinsImpl>(options_.bins);
  register_at(*this, "dfl.conv", bins);
  bins_ = bins->weight;
}

DetectImpl::Branch DetectImpl::add_branch(const std::string& path, std::int64_t in, std::int64_t width,
                                          std::int64_t out) {
  Branch branch;
  branch.first = ConvNormAct(conv_unit(in, width, 3, 1, options_.activation, options_.norm));
  branch.second = ConvNormAct(conv_unit(width, width, 3, 1, options_.activation, options_.norm));
  branch.last = PointConvolution(width, out);
  register_at(*this, path + ".0", branch.first.ptr());
  register_at(*this, path + ".1", branch.second.ptr());
  register_at(*this, path + ".2", branch.last.ptr());
  return branch;
}

void DetectImpl::init_weights(const WeightDraws&) {
  for (std::size_t k = 0; k < options_.maps.size(); ++k) {
    WeightDraws::constant(boxes_[k].last->bias, kBoxBias);
    const double cells = std::pow(kPriorSide / static_cast<double>(options_.maps[k].stride), 2);
    const double share = kPriorObjects / static_cast<double>(options_.num_classes) / cells;
    WeightDraws::constant(classes_[k].last->bias, std::log(share));
  }
}

DenseGrid DetectImpl::grid_of(const std::vector<Tensor>& maps, const torch::TensorOptions& like) {
  std::vector<std::int64_t> sides;
  for (const Tensor& map : maps) sides.insert(sides.end(), {map.size(2), map.size(3)});
  return grids_.get(sides, like, [&] { return make_grid(sides, options_.maps, like); });
}

ModelOutput DetectImpl::forward(const std::vector<Tensor>& maps, const ForwardOptions& options) {
  RTDETR_CHECK(maps.size() == options_.maps.size(), "the head was built for " + std::to_string(options_.maps.size()) +
                                                        " maps, not " + std::to_string(maps.size()));
  if (options.decoder_layers < 0 || options.decoder_layers > 1)
    throw ConfigError("decoder_layers=" + std::to_string(options.decoder_layers) +
                      ": a model that ends in Detect has no decoder; leave it away");
  std::vector<Tensor> of_sides, of_classes;
  for (std::size_t k = 0; k < maps.size(); ++k) {
    of_sides.push_back(boxes_[k].forward(maps[k]));
    of_classes.push_back(classes_[k].forward(maps[k]));
  }
  const auto type = of_sides.front().scalar_type() == torch::kDouble ? torch::kDouble : torch::kFloat;
  const auto extras = std::make_shared<DenseExtras>();
  extras->assignment = options_.assignment;
  extras->sides = to_anchors(of_sides).to(type).unflatten(2, {std::int64_t{4}, options_.bins});
  extras->distances = distances_of(extras->sides, bins_.view({-1}).to(type));
  extras->grid = grid_of(maps, extras->distances.options().requires_grad(false));
  const Tensor scale = torch::cat({extras->grid.sizes, extras->grid.sizes}, -1);
  const Tensor corners = boxes_around(extras->grid.points, extras->distances);
  ModelOutput output;
  output.layers.push_back({to_anchors(of_classes), xyxy_to_cxcywh(corners) / scale});
  output.extras = extras;
  return output;
}

std::vector<Detections> DetectImpl::postprocess(const Prediction& prediction, std::span<const PictureSize> sizes,
                                                const PostprocessOptions& options) const {
  return suppressed_pairs(prediction, sizes, options_.suppression, options);
}

double DetectImpl::spared_operations(std::int64_t tokens) const {
  return 2.0 * 4 * static_cast<double>(options_.bins * tokens);
}

}  // namespace rtdetr
