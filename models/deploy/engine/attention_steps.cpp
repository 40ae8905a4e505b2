// The attentions of encoder and decoder, and the boxes that a decoder layer moves.
#include <algorithm>
#include <cmath>

#include <torch/types.h>

#include "core/ops/ms_deform_attn_kernels.h"
#include "core/ops/packed/attention.h"
#include "core/ops/packed/narrow_attention.h"
#include "core/tensor/box_ops.h"
#include "models/deploy/engine/step.h"

namespace rtdetr {
namespace {

/// Inputs: queries and keys beside each other [1, N, 2·D], values [1, N, D].
class AttentionStep : public EngineStep {
 public:
  explicit AttentionStep(EngineOperation operation) : EngineStep(std::move(operation)) {
    rows_ = in(1).rows();
    heads_ = node().integer("heads");
    width_ = in(1).row_length() / heads_;
    is_narrow_ = node().format == NumberFormat::kBFloat16 && can_attend_narrow(width_);
  }
  std::string kind() const override { return is_narrow_ ? "Attention bf16" : "Attention"; }
  void run(const EngineFrame& frame) const override {
    AttentionRows attention{rows_, heads_, width_};
    attention.queries = frame.at<float>(in(0));
    attention.keys = attention.queries + heads_ * width_;
    attention.values = frame.at<float>(in(1));
    attention.query_stride = attention.key_stride = in(0).row_stride();
    attention.value_stride = in(1).row_stride();
    attention.out = frame.at<float>(out());
    attention.out_stride = out().row_stride();
    const PackedWorkspace workspace{frame.at<float>(workspace_), frame.threads};
    is_narrow_ ? run_narrow_attention(attention, workspace) : run_attention(attention, workspace);
  }
  std::int64_t workspace_floats(int threads) const override {
    return is_narrow_ ? narrow_attention_workspace_floats(rows_, heads_, width_, threads)
                      : attention_workspace_floats(rows_, heads_, width_, threads);
  }
  double operations() const override { return 4.0 * static_cast<double>(rows_ * rows_ * heads_ * width_); }

 private:
  std::int64_t rows_, heads_, width_;
  bool is_narrow_;
};

/// Inputs: values [1, S, D], offsets [1, Q, M·P·2] in units of a box, scores [1, Q, M·P], boxes [1, Q, 4].
class DeformableStep : public EngineStep {
 public:
  explicit DeformableStep(EngineOperation operation) : EngineStep(std::move(operation)) {
    const auto heights = node().integers("heights"), widths = node().integers("widths"),
               points = node().integers("points");
    shape_.batch = 1;
    shape_.tokens = in(0).rows();
    shape_.heads = node().integer("heads");
    shape_.channels = in(0).row_length() / shape_.heads;
    shape_.queries = out().rows();
    shape_.points = in(2).row_length() / shape_.heads;
    shape_.levels = static_cast<int>(heights.size());
    shape_.method = static_cast<SamplingMethod>(node().integer("method"));
    std::int64_t token = 0, point = 0;
    for (std::size_t l = 0; l < heights.size(); ++l) {
      shape_.height[l] = static_cast<std::int32_t>(heights[l]);
      shape_.width[l] = static_cast<std::int32_t>(widths[l]);
      shape_.first_token[l] = static_cast<std::int32_t>(token);
      shape_.first_point[l] = static_cast<std::int32_t>(point);
      token += heights[l] * widths[l];
      point += points[l];
    }
    shape_.first_point[heights.size()] = static_cast<std::int32_t>(point);
  }
  std::int64_t workspace_floats(int /*threads*/) const override { return 3 * samples(); }
  void run(const EngineFrame& frame) const override {
    const MsDeformAttnShape& s = shape_;
    SampledRows rows{s.queries, s.heads, s.points};
    rows.offsets = frame.at<float>(in(1));
    rows.scores = frame.at<float>(in(2));
    rows.boxes = frame.at<float>(in(3));
    rows.offset_stride = in(1).row_stride();
    rows.score_stride = in(2).row_stride();
    rows.box_stride = in(3).row_stride();
    rows.places = frame.at<float>(workspace_);
    rows.shares = rows.places + 2 * samples();
    place_samples(rows);
    const Tensor locations = at::from_blob(rows.places, {1, s.queries, s.heads, s.points, 2}),
                 weights = at::from_blob(rows.shares, {1, s.queries, s.heads, s.points});
    Tensor mixed = frame.tensor(out());
    ms_deform_attn_cpu_kernels().forward(s, frame.tensor(in(0)), locations, weights, mixed);
  }

 private:
  std::int64_t samples() const { return shape_.queries * shape_.heads * shape_.points; }

  MsDeformAttnShape shape_;
};

/// sigmoid(step + inverse sigmoid of the box)
class MovedBoxesStep : public EngineStep {
 public:
  using EngineStep::EngineStep;
  void run(const EngineFrame& frame) const override {
    constexpr auto kLeast = static_cast<float>(kLeastShare);
    for (std::int64_t row = 0; row < out().rows(); ++row) {
      const float *step = frame.at<float>(in(0)) + row * in(0).row_stride(),
                  *box = frame.at<float>(in(1)) + row * in(1).row_stride();
      float* to = frame.at<float>(out()) + row * out().row_stride();
      for (std::int64_t i = 0; i < out().row_length(); ++i) {
        const float start = std::log(std::max(box[i], kLeast) / std::max(1 - box[i], kLeast));
        to[i] = 1 / (1 + std::exp(-(step[i] + start)));
      }
    }
  }
};

/// Rows without gaps, as the kernel of deformable attention reads and writes them.
bool is_dense(const EngineView& view) { return view.is_rows() && view.row_stride() == view.row_length(); }

bool all_rows(const EngineOperation& operation) {
  return operation.outputs.front().is_rows() &&
         std::ranges::all_of(operation.inputs, [](const EngineView& view) { return view.is_rows(); });
}

}  // namespace

EngineStepPtr make_attention_step(EngineOperation& operation) {
  const std::string& op = operation.node.op;
  if (!all_rows(operation)) return nullptr;
  if (op == "Attention") return std::make_unique<AttentionStep>(std::move(operation));
  if (op == "DeformableAttention" && is_dense(operation.inputs.front()) && is_dense(operation.outputs.front()))
    return std::make_unique<DeformableStep>(std::move(operation));
  if (op == "MovedBoxes") return std::make_unique<MovedBoxesStep>(std::move(operation));
  return nullptr;
}

}  // namespace rtdetr
