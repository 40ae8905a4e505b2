#include "models/deploy/engine/numbers.h"

#include <algorithm>
#include <set>

#include <torch/types.h>

namespace rtdetr {
namespace {

constexpr std::int64_t kFewChannels = 16;

/// What only passes numbers on, at most added to others.
bool passes_on(const std::string& op) {
  return op == "Add" || op == "Reshape" || op == "Transpose" || op == "Unsqueeze" || op == "Identity";
}

/// Values that become a score or a box by linear layers alone.
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

}  // namespace

void choose_numbers(EngineGraph& graph, const EngineNumbers& numbers) {
  if (numbers.format == NumberFormat::kFloat32) return;
  const std::set<int> precise = precise_values(graph);
  for (EngineNode& node : graph.nodes) {
    const bool conv = node.op == "Conv";
    if ((!conv && node.op != "Linear") || (!conv && precise.contains(node.outputs.front()))) continue;
    const std::vector<std::int64_t>& input = graph.value(node.inputs.front()).shape;
    if ((conv ? input[1] : input.back()) >= kFewChannels) node.format = numbers.format;
  }
}

}  // namespace rtdetr
