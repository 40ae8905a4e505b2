// The encoder's best tokens, and the rows that belong to them.
#include <algorithm>
#include <cmath>
#include <numeric>

#include <ATen/Parallel.h>
#include <torch/types.h>

#include "models/deploy/engine/kernels.h"
#include "models/deploy/engine/step.h"
#include "models/heads/detr/query_selection.h"

namespace rtdetr {
namespace {

/// [1, S, C] → [1, Q]. Only the selected are sorted; equal scores keep the order of their tokens.
class SelectedTokensStep : public EngineStep {
 public:
  using EngineStep::EngineStep;
  std::int64_t workspace_floats(int /*threads*/) const override { return pairs() * 3; }  // scores and numbers
  void run(const EngineFrame& frame) const override {
    auto* numbers = frame.at<std::int64_t>(workspace_);
    float* scores = reinterpret_cast<float*>(numbers + pairs());
    const float* logits = frame.at<float>(in());
    const std::int64_t rows = in().rows(), stride = in().row_stride(), classes = in().row_length();
    constexpr std::int64_t kRowsAtLeast = 512;
    at::parallel_for(0, rows, kRowsAtLeast, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t row = first; row < last; ++row) {
        if (best_class())
          scores[row] = largest_of_row(logits + row * stride, classes);
        else
          copy_rows(logits + row * stride, 0, scores + row * classes, 0, 1, classes);
      }
    });
    select(numbers, scores, frame.at<std::int64_t>(out()));
  }

 private:
  bool best_class() const { return node().integer("method") == static_cast<std::int64_t>(QuerySelection::kBestClass); }
  std::int64_t pairs() const { return best_class() ? in().rows() : in().rows() * in().row_length(); }
  void select(std::int64_t* numbers, const float* scores, std::int64_t* chosen) const {
    // Not-a-numbers come first, so that the order is one.
    const auto better = [&](std::int64_t a, std::int64_t b) {
      const bool a_odd = std::isnan(scores[a]), b_odd = std::isnan(scores[b]);
      if (a_odd != b_odd) return a_odd;
      return scores[a] != scores[b] && !a_odd ? scores[a] > scores[b] : a < b;
    };
    const std::int64_t count = out().size(1);
    std::iota(numbers, numbers + pairs(), 0);
    std::nth_element(numbers, numbers + count - 1, numbers + pairs(), better);
    std::sort(numbers, numbers + count, better);
    const std::int64_t divisor = best_class() ? 1 : in().row_length();
    for (std::int64_t k = 0; k < count; ++k) chosen[k] = numbers[k] / divisor;
  }
};

/// Rows `indices` of a table: of [1, S, D] (GatherND of one picture) or of a constant [S, D] (Gather).
class RowsStep : public EngineStep {
 public:
  using EngineStep::EngineStep;
  void run(const EngineFrame& frame) const override {
    const float* table = frame.at<float>(in(0));
    const std::int64_t* indices = frame.at<std::int64_t>(in(1));
    float* to = frame.at<float>(out());
    for (std::int64_t k = 0; k < out().rows(); ++k)
      copy_rows(table + indices[k] * in(0).row_stride(), 0, to + k * out().row_stride(), 0, 1, out().row_length());
  }
};

bool gathers_rows(const EngineOperation& operation) {
  const EngineView &table = operation.inputs[0], &indices = operation.inputs[1], &out = operation.outputs[0];
  if (!table.is_rows() || !out.is_rows() || table.row_length() != out.row_length()) return false;
  if (indices.size(0) != 1 || indices.stride(1) != 1) return false;
  if (operation.node.op == "Gather") return table.rank() == 2 && operation.node.integer("axis") == 0;
  return table.rank() == 3 && operation.node.integer("batch_dims") == 1;
}

}  // namespace

EngineStepPtr make_selection_step(EngineOperation& operation, const std::vector<EngineBuffer>& buffers) {
  const std::string& op = operation.node.op;
  if (op == "SelectedTokens" && operation.inputs.front().is_rows())
    return std::make_unique<SelectedTokensStep>(std::move(operation));
  if ((op != "Gather" && op != "GatherND") || !gathers_rows(operation)) return nullptr;
  const EngineBuffer& table = buffers[static_cast<std::size_t>(operation.inputs[0].buffer)];
  return table.type == OnnxType::kFloat ? std::make_unique<RowsStep>(std::move(operation)) : nullptr;
}

}  // namespace rtdetr
