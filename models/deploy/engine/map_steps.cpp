// What moves pixels: pools, nearest upsampling, copies of rows. A pixel's channels are a row.
#include <algorithm>
#include <iterator>
#include <limits>
#include <vector>

#include <ATen/Parallel.h>
#include <torch/types.h>

#include "core/ops/packed/pooled_run.h"
#include "models/deploy/engine/kernels.h"
#include "models/deploy/engine/step.h"

namespace rtdetr {
namespace {

/// Calls body with the type of a view's numbers.
template <typename Body>
void with_type(const EngineView& view, const Body& body) {
  if (view.format == NumberFormat::kFloat32)
    body.template operator()<float>();
  else
    body.template operator()<std::uint16_t>();
}

/// A square window on a map.
struct Window {
  std::int64_t kernel = 1, stride = 1, padding = 0;
};

class PoolStep : public EngineStep {
 public:
  PoolStep(EngineOperation operation, const Window& window) : EngineStep(std::move(operation)), window_(window) {}
  void run(const EngineFrame& frame) const override {
    at::parallel_for(0, out().size(2), 1, [&](std::int64_t first, std::int64_t last) {
      std::vector<ConstMapData> cells;
      for (std::int64_t y = first; y < last; ++y) pool_line(frame, y, cells);
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
  /// What becomes of the pixels of a window.
  struct Rule {
    bool largest;  ///< else their sum times `number`
    float number;  ///< which they are at least
  };
  virtual Rule rule(const Range& rows, const Range& columns) const = 0;

  Window window_;

 private:
  /// Pixels whose windows are cut off at a side one by one, the others in one run.
  void pool_line(const EngineFrame& frame, std::int64_t y, std::vector<ConstMapData>& cells) const {
    const MapData from = frame.map(in()), to = frame.map(out());
    const std::int64_t width = out().size(3), in_width = in().size(3);
    const Range rows = range(y, in().size(2));
    PooledRun run{};
    run.channels = out().size(1);
    run.from_step = window_.stride * in().row_stride();
    run.to_step = out().row_stride();
    for (std::int64_t x = 0; x < width; x += run.pixels) {
      const Range columns = range(x, in_width);
      run.pixels = 1;
      if (columns.last - columns.first == window_.kernel)
        run.pixels = std::min(width - x, (in_width - columns.last) / window_.stride + 1);
      cells.clear();
      for (std::int64_t row = rows.first; row < rows.last; ++row)
        for (std::int64_t column = columns.first; column < columns.last; ++column)
          cells.emplace_back(from + (row * in_width + column) * in().row_stride());
      const auto [largest, number] = rule(rows, columns);
      run.cells = cells.data();
      run.cell_count = std::ssize(cells);
      run.largest = largest;
      run.number = number;
      run.to = to + (y * width + x) * out().row_stride();
      pool(run);
    }
  }
};

/// Padding in front never wins; behind the map there may be zeros.
class MaxPoolStep : public PoolStep {
 public:
  using PoolStep::PoolStep;

 private:
  Rule rule(const Range& rows, const Range& columns) const override {
    const bool zeros = node().integer("extra_padding") > 0 && (rows.beyond || columns.beyond);
    return {true, zeros ? 0 : -std::numeric_limits<float>::infinity()};
  }
};

/// The mean of the cells that lie on the map, or of all with zeros around it.
class AveragePoolStep : public PoolStep {
 public:
  using PoolStep::PoolStep;

 private:
  Rule rule(const Range& rows, const Range& columns) const override {
    const bool count_padding = node().integer("count_include_pad") != 0;
    const std::int64_t cells =
        count_padding ? window_.kernel * window_.kernel : (rows.last - rows.first) * (columns.last - columns.first);
    return {false, 1 / static_cast<float>(cells)};
  }
};

/// Every pixel `factor` times in both directions.
class UpsampleStep : public EngineStep {
 public:
  UpsampleStep(EngineOperation operation, std::int64_t factor) : EngineStep(std::move(operation)), factor_(factor) {}
  void run(const EngineFrame& frame) const override {
    with_type(out(), [&]<typename Number>() { upsample<Number>(frame.at<Number>(in()), frame.at<Number>(out())); });
  }

 private:
  template <typename Number>
  void upsample(const Number* from, Number* to) const {
    const std::int64_t width = out().size(3), channels = out().size(1);
    at::parallel_for(0, out().size(2), 1, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t y = first; y < last; ++y) {
        const Number* line = from + (y / factor_) * in().size(3) * in().row_stride();
        Number* written = to + y * width * out().row_stride();
        for (std::int64_t x = 0; x < width; ++x)
          copy_rows(line + x / factor_ * in().row_stride(), 0, written + x * out().row_stride(), 0, 1, channels);
      }
    });
  }

  std::int64_t factor_;
};

class CopyStep : public EngineStep {
 public:
  using EngineStep::EngineStep;
  void run(const EngineFrame& frame) const override {
    constexpr std::int64_t kRowsAtLeast = 256;
    with_type(out(), [&]<typename Number>() {
      const auto* from = frame.at<Number>(in());
      auto* to = frame.at<Number>(out());
      at::parallel_for(0, in().rows(), kRowsAtLeast, [&](std::int64_t first, std::int64_t last) {
        copy_rows(from + first * in().row_stride(), in().row_stride(), to + first * out().row_stride(),
                  out().row_stride(), last - first, in().row_length());
      });
    });
  }
};

Window window_of(const EngineNode& pool) {
  const auto pads = pool.integers("pads");
  return {pool.integers("kernel_shape")[0], pool.integers("strides")[0], pads.empty() ? 0 : pads[0]};
}

bool is_square(const EngineNode& pool) {
  const auto kernel = pool.integers("kernel_shape"), strides = pool.integers("strides"), pads = pool.integers("pads");
  return kernel[0] == kernel[1] && strides[0] == strides[1] && pool.integers("dilations").empty() &&
         std::ranges::all_of(pads, [&](std::int64_t pad) { return pad == pads.front(); });
}

}  // namespace

bool is_map_step(const EngineOperation& operation) {
  const std::string& op = operation.node.op;
  const bool pools = op == "MaxPool" || op == "AveragePool";
  if (!pools && op != "Resize" && op != "Copy") return false;
  const EngineView &in = operation.inputs.front(), &out = operation.outputs.front();
  if (!in.has_rows_like(out)) return false;
  if (op == "Copy") return in.shape.size() == out.shape.size();
  return in.stride(1) == 1 && out.stride(1) == 1 && in.rank() == 4 && (!pools || is_square(operation.node));
}

EngineStepPtr make_map_step(EngineOperation& operation) {
  if (!is_map_step(operation)) return nullptr;
  const std::string& op = operation.node.op;
  if (op == "Copy") return std::make_unique<CopyStep>(std::move(operation));
  if (op == "Resize") {
    const std::int64_t factor = operation.outputs.front().size(3) / operation.inputs.front().size(3);
    return std::make_unique<UpsampleStep>(std::move(operation), factor);
  }
  const Window window = window_of(operation.node);
  if (op == "MaxPool") return std::make_unique<MaxPoolStep>(std::move(operation), window);
  return std::make_unique<AveragePoolStep>(std::move(operation), window);
}

}  // namespace rtdetr
