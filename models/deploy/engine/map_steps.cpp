// What moves pixels: pools, nearest upsampling, copies of rows. A pixel's channels are a row.
#include <algorithm>
#include <limits>

#include <ATen/Parallel.h>
#include <torch/types.h>

#include "models/deploy/engine/kernels.h"
#include "models/deploy/engine/step.h"

namespace rtdetr {
namespace {

/// A square window on a map.
struct Window {
  std::int64_t kernel = 1, stride = 1, padding = 0;
};

class PoolStep : public EngineStep {
 public:
  PoolStep(EngineOperation operation, const Window& window) : EngineStep(std::move(operation)), window_(window) {}
  void run(const EngineFrame& frame) const override {
    const std::int64_t height = out().size(2);
    at::parallel_for(0, height, 1, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t y = first; y < last; ++y) {
        for (std::int64_t x = 0; x < out().size(3); ++x) pool(frame, y, x);
      }
    });
  }

 protected:
  struct Range {
    std::int64_t first, last;  ///< cells that lie on the map
    bool beyond;               ///< there are others behind it
  };
  Range range(std::int64_t cell, std::int64_t size) const {
    const std::int64_t start = cell * window_.stride - window_.padding, end = start + window_.kernel;
    return {std::max<std::int64_t>(start, 0), std::min(end, size), end > size};
  }
  const float* pixel(const EngineFrame& frame, std::int64_t y, std::int64_t x) const {
    return frame.at<float>(in()) + (y * in().size(3) + x) * in().row_stride();
  }
  virtual void pool(const EngineFrame& frame, std::int64_t y, std::int64_t x) const = 0;

  Window window_;
};

/// Padding in front never wins; behind the map there may be zeros.
class MaxPoolStep : public PoolStep {
 public:
  using PoolStep::PoolStep;

 private:
  void pool(const EngineFrame& frame, std::int64_t y, std::int64_t x) const override {
    const std::int64_t channels = out().size(1);
    float* to = frame.at<float>(out()) + (y * out().size(3) + x) * out().row_stride();
    const Range rows = range(y, in().size(2)), columns = range(x, in().size(3));
    const bool zeros = node().integer("extra_padding") > 0 && (rows.beyond || columns.beyond);
    std::fill_n(to, channels, zeros ? 0 : -std::numeric_limits<float>::infinity());
    for (std::int64_t row = rows.first; row < rows.last; ++row) {
      for (std::int64_t column = columns.first; column < columns.last; ++column)
        max_row(pixel(frame, row, column), to, channels);
    }
  }
};

/// The mean of the cells that lie on the map, or of all with zeros around it.
class AveragePoolStep : public PoolStep {
 public:
  using PoolStep::PoolStep;

 private:
  void pool(const EngineFrame& frame, std::int64_t y, std::int64_t x) const override {
    const std::int64_t channels = out().size(1);
    float* to = frame.at<float>(out()) + (y * out().size(3) + x) * out().row_stride();
    const Range rows = range(y, in().size(2)), columns = range(x, in().size(3));
    std::int64_t left = (rows.last - rows.first) * (columns.last - columns.first);
    const bool count_padding = node().integer("count_include_pad") != 0;
    const float share = 1 / static_cast<float>(count_padding ? window_.kernel * window_.kernel : left);
    std::fill_n(to, channels, 0.0F);
    for (std::int64_t row = rows.first; row < rows.last; ++row) {
      for (std::int64_t column = columns.first; column < columns.last; ++column)
        add_scaled_row(pixel(frame, row, column), --left == 0 ? share : 1, to, channels);
    }
  }
};

/// Every pixel `factor` times in both directions.
class UpsampleStep : public EngineStep {
 public:
  UpsampleStep(EngineOperation operation, std::int64_t factor) : EngineStep(std::move(operation)), factor_(factor) {}
  void run(const EngineFrame& frame) const override {
    const float* from = frame.at<float>(in());
    float* to = frame.at<float>(out());
    const std::int64_t width = out().size(3), channels = out().size(1);
    at::parallel_for(0, out().size(2), 1, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t y = first; y < last; ++y) {
        const float* line = from + (y / factor_) * in().size(3) * in().row_stride();
        float* written = to + y * width * out().row_stride();
        for (std::int64_t x = 0; x < width; ++x)
          copy_rows(line + x / factor_ * in().row_stride(), 0, written + x * out().row_stride(), 0, 1, channels);
      }
    });
  }

 private:
  std::int64_t factor_;
};

class CopyStep : public EngineStep {
 public:
  using EngineStep::EngineStep;
  void run(const EngineFrame& frame) const override {
    const float* from = frame.at<float>(in());
    float* to = frame.at<float>(out());
    constexpr std::int64_t kRowsAtLeast = 256;
    at::parallel_for(0, in().rows(), kRowsAtLeast, [&](std::int64_t first, std::int64_t last) {
      copy_rows(from + first * in().row_stride(), in().row_stride(), to + first * out().row_stride(),
                out().row_stride(), last - first, in().row_length());
    });
  }
};

EngineStepPtr make_pool(EngineOperation& operation) {
  const EngineNode& node = operation.node;
  const auto kernel = node.integers("kernel_shape"), strides = node.integers("strides"), pads = node.integers("pads"),
             dilations = node.integers("dilations");
  const Window window{kernel[0], strides[0], pads.empty() ? 0 : pads[0]};
  const bool square = kernel[0] == kernel[1] && strides[0] == strides[1] && dilations.empty() &&
                      std::ranges::all_of(pads, [&](std::int64_t pad) { return pad == window.padding; });
  if (!square) return nullptr;
  if (node.op == "MaxPool") return std::make_unique<MaxPoolStep>(std::move(operation), window);
  return std::make_unique<AveragePoolStep>(std::move(operation), window);
}

}  // namespace

EngineStepPtr make_map_step(EngineOperation& operation) {
  const std::string& op = operation.node.op;
  if (op != "MaxPool" && op != "AveragePool" && op != "Resize" && op != "Copy") return nullptr;
  const EngineView &in = operation.inputs.front(), &out = operation.outputs.front();
  if (!in.has_rows_like(out)) return nullptr;
  if (op == "Copy")
    return in.shape.size() == out.shape.size() && (in.rank() == 4) == (out.rank() == 4)
               ? std::make_unique<CopyStep>(std::move(operation))
               : nullptr;
  if (in.stride(1) != 1 || out.stride(1) != 1 || in.rank() != 4) return nullptr;
  if (op == "Resize") return std::make_unique<UpsampleStep>(std::move(operation), out.size(3) / in.size(3));
  return make_pool(operation);
}

}  // namespace rtdetr
