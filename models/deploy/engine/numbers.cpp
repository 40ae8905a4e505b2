#include "models/deploy/engine/numbers.h"

#include <algorithm>

#include <torch/types.h>

#include "core/base/check.h"

namespace rtdetr {
namespace {

constexpr std::int64_t kFewChannels = 16;
constexpr std::int64_t kMostByteTerms = (std::int64_t{1} << 31) / (255 * 127);  ///< that an int32 can sum up

/// What only passes numbers on, at most added to others.
bool passes_on(const std::string& op) {
  return op == "Add" || op == "Reshape" || op == "Transpose" || op == "Unsqueeze" || op == "Identity";
}

}  // namespace

std::set<int> precise_values(const EngineGraph& graph) {
  std::set<int> precise;
  for (const EngineGraph::Layer& layer : graph.layers) precise.insert({layer.logits, layer.boxes});
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
    const bool decides = node->op == "MovedBoxes" || node->op == "Sigmoid" || node->op == "SelectedTokens";
    const bool is_one = std::ranges::any_of(node->outputs, [&](int value) { return precise.contains(value); });
    if (node->op == "Linear" && is_one) precise.insert(node->inputs.front());
    if (decides || (is_one && passes_on(node->op))) precise.insert(node->inputs.begin(), node->inputs.end());
  }
  return precise;
}

NumberFormat number_format(Precision precision) {
  RTDETR_CHECK(precision != Precision::kFloat16, "the engine does not compute in fp16");
  if (precision == Precision::kInt8) return NumberFormat::kInt8;
  return precision == Precision::kBFloat16 ? NumberFormat::kBFloat16 : NumberFormat::kFloat32;
}

std::string why_not(Precision precision, const InputRanges& ranges) {
  const NumberFormat format = number_format(precision);
  if (!can_multiply(format))
    return std::string("this processor cannot multiply such numbers (it has no ") +
           (format == NumberFormat::kInt8 ? "AVX512_VNNI); float32 is for every processor"
                                          : "AVX512_BF16), and imitating them takes longer than float32 does");
  if (format == NumberFormat::kInt8 && ranges.empty())
    return "the model's file has no calibration; rtdetr export format=safetensors calibrate=photos/ writes one with it";
  return "";
}

void choose_numbers(EngineGraph& graph, const EngineNumbers& numbers) {
  if (numbers.format == NumberFormat::kFloat32) return;
  const std::set<int> precise = precise_values(graph);
  for (EngineNode& node : graph.nodes) {
    if (node.op == "Attention" && numbers.format == NumberFormat::kBFloat16) node.format = numbers.format;
    const bool conv = node.op == "Conv";
    if ((!conv && node.op != "Linear") || (!conv && precise.contains(node.outputs.front()))) continue;
    const std::vector<std::int64_t>& input = graph.value(node.inputs.front()).shape;
    if ((conv ? input[1] : input.back()) < kFewChannels) continue;
    if (numbers.format == NumberFormat::kInt8) {
      const torch::Tensor& weight = graph.value(node.inputs[1]).constant;
      if (weight.numel() / weight.size(0) >= kMostByteTerms) continue;
      const auto range = numbers.ranges.find(node.name);
      if (range == numbers.ranges.end()) continue;
      node.bytes = byte_scale(range->second.low, range->second.high);
    }
    node.format = numbers.format;
  }
}

}  // namespace rtdetr
