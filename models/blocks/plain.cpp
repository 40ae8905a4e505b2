#include <torch/types.h>

#include "models/graph/row_arguments.h"
#include "models/onnx/onnx_ops.h"

/// Blocks without parameters.
namespace rtdetr {

namespace {

class Concat : public Block {
 public:
  Tensor forward_all(const std::vector<Tensor>& inputs) override { return torch::cat(inputs, 1); }
  OnnxValue emit_all(OnnxBuilder& graph, const std::vector<OnnxValue>& inputs) const override {
    return onnx::concat(graph, inputs, 1);
  }
};

class Add : public Block {
 public:
  Tensor forward_all(const std::vector<Tensor>& inputs) override {
    Tensor sum = inputs[0];
    for (std::size_t k = 1; k < inputs.size(); ++k) sum = sum + inputs[k];
    return sum;
  }
  OnnxValue emit_all(OnnxBuilder& graph, const std::vector<OnnxValue>& inputs) const override {
    OnnxValue sum = inputs[0];
    for (std::size_t k = 1; k < inputs.size(); ++k) sum = onnx::add(graph, sum, inputs[k]);
    return sum;
  }
};

class Identity : public Block {
 public:
  Tensor forward(const Tensor& x) override { return x; }
  OnnxValue emit(OnnxBuilder&, const OnnxValue& x) const override { return x; }
};

class Upsample : public Block {
 public:
  explicit Upsample(std::int64_t factor) : factor_(factor) {}
  Tensor forward(const Tensor& x) override {
    return torch::upsample_nearest2d(x, {x.size(2) * factor_, x.size(3) * factor_});
  }
  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& x) const override { return onnx::upsample(graph, x, factor_); }

 private:
  std::int64_t factor_;
};

class MaxPool : public Block {
 public:
  MaxPool(std::int64_t kernel, std::int64_t stride, std::int64_t padding)
      : kernel_(kernel), stride_(stride), padding_(padding) {}
  Tensor forward(const Tensor& x) override { return torch::max_pool2d(x, kernel_, stride_, padding_); }
  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& x) const override {
    return onnx::max_pool(graph, x,
                          {.kernel = kernel_, .stride = stride_, .padding = {padding_, padding_, padding_, padding_}});
  }

 private:
  std::int64_t kernel_, stride_, padding_;
};

void check_one_size(const RowContext& row) {
  for (const FeatureMap& map : row.inputs) {
    if (map.stride != row.input().stride)
      refuse("expected maps of one size, found strides " + std::to_string(row.input().stride) + " and " +
             std::to_string(map.stride));
  }
}

FeatureMap concat_output(const RowContext& row) {
  check_one_size(row);
  FeatureMap out = {0, row.input().stride};
  for (const FeatureMap& map : row.inputs) out.channels += map.channels;
  return out;
}

FeatureMap add_output(const RowContext& row) {
  check_one_size(row);
  if (row.inputs.size() < 2) refuse("expected at least two maps, [from, from]");
  for (const FeatureMap& map : row.inputs) {
    if (map.channels != row.input().channels)
      refuse("expected maps of as many channels, found " + std::to_string(row.input().channels) + " and " +
             std::to_string(map.channels));
  }
  return row.input();
}

FeatureMap upsample_output(const RowContext& row) {
  const std::int64_t factor = row.args.integer("scale_factor");
  if (row.input().stride % factor) {
    refuse("cannot enlarge a map of stride " + std::to_string(row.input().stride) + " by " + std::to_string(factor));
  }
  return {row.input().channels, row.input().stride / factor};
}

/// nn.MaxPool2d's own default: the stride is the kernel size.
std::int64_t pool_stride(const RowContext& row) {
  return row.args.is_none("stride") ? row.args.integer("kernel_size") : row.args.integer("stride");
}

FeatureMap pool_output(const RowContext& row) {
  if (row.args.integer("padding") * 2 > row.args.integer("kernel_size")) {
    refuse("padding may be at most half of the kernel size " + std::to_string(row.args.integer("kernel_size")));
  }
  check_window(row.args.integer("kernel_size"), pool_stride(row), row.args.integer("padding"));
  return {row.input().channels, row.input().stride * pool_stride(row)};
}

}  // namespace

void register_plain_blocks(Registry& registry) {
  registry.add({.name = "Concat",
                .summary = "maps of one size, channels one after the other",
                .arguments = {integer_argument("dim", "dimension, always 1").fallback(1).range(1, 1)},
                .many_inputs = true,
                .output = concat_output,
                .build = [](const RowContext&) -> BlockPtr { return std::make_shared<Concat>(); }});
  registry.add({.name = "Add",
                .summary = "the sum of maps of one size and as many channels",
                .many_inputs = true,
                .output = add_output,
                .build = [](const RowContext&) -> BlockPtr { return std::make_shared<Add>(); }});
  registry.add(
      {.name = "nn.Upsample",
       .summary = "enlarges a map by repeating cells",
       .arguments = {text_argument("size", "always None: the factor counts", {"None"}).fallback(std::monostate{}),
                     integer_argument("scale_factor", "factor").fallback(2).range(1, 32),
                     text_argument("mode", "interpolation", {"nearest"}).fallback("nearest")},
       .output = upsample_output,
       .build = [](const RowContext& row) -> BlockPtr {
         return std::make_shared<Upsample>(row.args.integer("scale_factor"));
       }});
  registry.add(
      {.name = "nn.MaxPool2d",
       .summary = "maximum over a window",
       .arguments = {integer_argument("kernel_size", "window").range(1, 63),
                     integer_argument("stride", "step, None = the window").fallback(std::monostate{}).range(1, 32),
                     integer_argument("padding", "border").fallback(0).range(0, 31)},
       .output = pool_output,
       .build = [](const RowContext& row) -> BlockPtr {
         return std::make_shared<MaxPool>(row.args.integer("kernel_size"), pool_stride(row),
                                          row.args.integer("padding"));
       }});
  registry.add({.name = "nn.Identity",
                .summary = "passes its input on",
                .output = [](const RowContext& row) { return row.input(); },
                .build = [](const RowContext&) -> BlockPtr { return std::make_shared<Identity>(); }});
}

}  // namespace rtdetr
