// Convolutions and linear layers: packed kernels (core/ops/packed) with all that fusion joined to them.
#include <algorithm>

#include <torch/types.h>

#include "core/ops/packed/packed_conv.h"
#include "core/ops/packed/packed_linear.h"
#include "models/deploy/engine/step.h"

namespace rtdetr {
namespace {

FusedActivation fused(Activation activation) { return static_cast<FusedActivation>(activation); }
static_assert(static_cast<int>(Activation::kHardswish) == static_cast<int>(FusedActivation::kHardswish));

ResidualPlace residual_place(const EngineNode& node) {
  if (node.residual < 0) return ResidualPlace::kNone;
  return node.residual_first ? ResidualPlace::kBeforeActivation : ResidualPlace::kAfterActivation;
}

torch::Tensor constant(const EngineView& view, const std::vector<EngineBuffer>& buffers) {
  return buffers[static_cast<std::size_t>(view.buffer)].constant.contiguous();
}

/// Weights are packed: the plain ones are not read again.
EngineOperation without_weights(EngineOperation& operation) {
  EngineOperation kept = std::move(operation);
  kept.inputs.resize(1);
  return kept;
}

std::string format_word(NumberFormat format) {
  return format == NumberFormat::kBFloat16 ? " bf16" : format == NumberFormat::kInt8 ? " int8" : "";
}

class ProductStep : public EngineStep {
 public:
  using EngineStep::EngineStep;

 protected:
  PackedOutput output(const EngineFrame& frame) const {
    PackedOutput y{frame.map(out()), out().row_stride()};
    if (operation_.residual.buffer >= 0) {
      y.residual = frame.map(operation_.residual);
      y.residual_stride = operation_.residual.row_stride();
    }
    return y;
  }
  PackedWorkspace workspace(const EngineFrame& frame) const { return {frame.at<float>(workspace_), frame.threads}; }
};

class ConvStep : public ProductStep {
 public:
  ConvStep(EngineOperation operation, PackedConv conv) : ProductStep(std::move(operation)), conv_(std::move(conv)) {}
  void run(const EngineFrame& frame) const override {
    conv_.run({frame.map(in()), in().size(0), in().size(2), in().size(3), in().row_stride()}, output(frame),
              workspace(frame));
  }
  std::int64_t workspace_floats(int threads) const override {
    return conv_.workspace_floats(in().size(0), in().size(2), in().size(3), threads);
  }
  std::int64_t weight_bytes() const override { return static_cast<std::int64_t>(conv_.packed_bytes()); }
  double operations() const override {
    const PackedConvOptions& o = conv_.options();
    return 2.0 * static_cast<double>(out().rows() * o.out * o.in / o.groups * o.kernel_h * o.kernel_w);
  }
  std::string kind() const override {
    static const char* const names[] = {"auto", "product", "tiles", "winograd2", "winograd4", "depthwise"};
    const PackedConvOptions& o = conv_.options();
    return "Conv " + std::to_string(o.kernel_h) + "x" + std::to_string(o.kernel_w) + "/" + std::to_string(o.stride) +
           " " + names[static_cast<int>(conv_.algorithm())] + format_word(conv_.format());
  }

 private:
  PackedConv conv_;
};

/// Rows that are masked are their bias.
struct MaskedRows {
  std::vector<std::int64_t> rows;
  std::vector<float> bias;
};

class LinearStep : public ProductStep {
 public:
  LinearStep(EngineOperation operation, PackedLinear linear, MaskedRows masked)
      : ProductStep(std::move(operation)), linear_(std::move(linear)), masked_(std::move(masked)) {}
  void run(const EngineFrame& frame) const override {
    const PackedOutput y = output(frame);
    linear_.run(frame.map(in()), in().rows(), in().row_stride(), y, workspace(frame));
    for (const std::int64_t row : masked_.rows) std::ranges::copy(masked_.bias, y.data.floats() + row * y.pixel_stride);
  }
  std::int64_t workspace_floats(int threads) const override { return linear_.workspace_floats(in().rows(), threads); }
  std::string kind() const override { return node().op + format_word(linear_.format()); }
  std::int64_t weight_bytes() const override { return static_cast<std::int64_t>(linear_.packed_bytes()); }
  double operations() const override {
    return 2.0 * static_cast<double>(in().rows() * in().row_length() * out().row_length());
  }

 private:
  PackedLinear linear_;
  MaskedRows masked_;
};

PackedConvOptions conv_options(const EngineNode& node, const Tensor& weight) {
  const auto dilations = node.integers("dilations");
  PackedConvOptions options;
  options.groups = node.integer("group", 1);
  options.in = weight.size(1) * options.groups;
  options.out = weight.size(0);
  options.kernel_h = weight.size(2);
  options.kernel_w = weight.size(3);
  options.stride = node.integers("strides")[0];
  options.padding = node.integers("pads")[0];
  options.dilation = dilations.empty() ? 1 : dilations[0];
  options.extra_padding = node.integer("extra_padding");
  options.activation = fused(node.activation);
  options.residual = residual_place(node);
  options.format = node.format;
  options.bytes = node.bytes;
  return options;
}

EngineStepPtr make_conv(EngineOperation& operation, const std::vector<EngineBuffer>& buffers) {
  const Tensor weight = constant(operation.inputs[1], buffers), bias = constant(operation.inputs[2], buffers);
  PackedConv conv(conv_options(operation.node, weight), weight.const_data_ptr<float>(), bias.const_data_ptr<float>());
  return std::make_unique<ConvStep>(without_weights(operation), std::move(conv));
}

MaskedRows masked_rows(const Tensor& mask, const Tensor& bias) {
  MaskedRows masked;
  const Tensor flat = mask.flatten();
  const float* values = flat.const_data_ptr<float>();
  for (std::int64_t row = 0; row < flat.numel(); ++row) {
    if (values[row] == 0) masked.rows.push_back(row);
  }
  masked.bias.assign(bias.const_data_ptr<float>(), bias.const_data_ptr<float>() + bias.numel());
  return masked;
}

EngineStepPtr make_linear(EngineOperation& operation, const std::vector<EngineBuffer>& buffers) {
  const Tensor weight = constant(operation.inputs[1], buffers), bias = constant(operation.inputs[2], buffers);
  const PackedLinearOptions options{
      weight.size(1),        weight.size(0),      fused(operation.node.activation), residual_place(operation.node),
      operation.node.format, operation.node.bytes};
  PackedLinear linear(options, weight.const_data_ptr<float>(), bias.const_data_ptr<float>());
  MaskedRows masked;
  if (operation.inputs.size() > 3) masked = masked_rows(constant(operation.inputs[3], buffers), bias);
  return std::make_unique<LinearStep>(without_weights(operation), std::move(linear), std::move(masked));
}

/// Rows that the packed kernels can read and write; a convolution's are pixels.
bool has_rows(const EngineOperation& operation) {
  const EngineView &in = operation.inputs.front(), &out = operation.outputs.front();
  const bool conv = operation.node.op == "Conv";
  return in.is_rows() && out.is_rows() && in.is_pixels() == conv && out.is_pixels() == conv &&
         (operation.residual.buffer < 0 || operation.residual.has_rows_like(out));
}

/// The same padding on all sides, one stride.
bool is_even(const EngineNode& node) {
  const auto pads = node.integers("pads"), strides = node.integers("strides");
  return strides[0] == strides[1] && std::ranges::all_of(pads, [&](std::int64_t pad) { return pad == pads.front(); });
}

}  // namespace

bool is_packed_product(const EngineOperation& operation, const std::vector<EngineBuffer>& buffers) {
  const bool conv = operation.node.op == "Conv";
  if ((!conv && operation.node.op != "Linear") || !has_rows(operation) || (conv && !is_even(operation.node)))
    return false;
  return std::all_of(operation.inputs.begin() + 1, operation.inputs.end(), [&](const EngineView& view) {
    return buffers[static_cast<std::size_t>(view.buffer)].constant.defined();
  });
}

NarrowMaps product_narrow_maps(const EngineOperation& operation, const std::vector<EngineBuffer>& buffers) {
  const EngineNode& node = operation.node;
  const Tensor& weight = buffers[static_cast<std::size_t>(operation.inputs[1].buffer)].constant;
  if (node.op == "Conv") return PackedConv::narrow_maps(conv_options(node, weight));
  NarrowMaps maps = PackedConv::narrow_maps({.in = weight.size(1), .out = weight.size(0), .format = node.format});
  maps.output = maps.output && operation.inputs.size() <= 3;  // masked rows are written behind the kernel
  return maps;
}

EngineStepPtr make_product_step(EngineOperation& operation, const std::vector<EngineBuffer>& buffers) {
  return operation.node.op == "Conv" ? make_conv(operation, buffers) : make_linear(operation, buffers);
}

}  // namespace rtdetr
