#include "models/deploy/engine/fusion.h"

#include <algorithm>
#include <optional>
#include <set>

#include <torch/types.h>

#include "models/deploy/engine/numbers.h"

namespace rtdetr {
namespace {

bool is_product(const EngineNode& node) { return node.op == "Conv" || node.op == "Linear"; }

std::optional<Activation> activation_of(const EngineNode& node) {
  static const std::map<std::string, Activation> names = {{"Relu", Activation::kRelu},
                                                          {"Silu", Activation::kSilu},
                                                          {"Gelu", Activation::kGelu},
                                                          {"LeakyRelu", Activation::kLeakyRelu},
                                                          {"HardSwish", Activation::kHardswish}};
  const auto found = names.find(node.op);
  return found == names.end() ? std::nullopt : std::optional(found->second);
}

/// Who reads whom, for a pass that removes nodes as it goes.
class Edges {
 public:
  explicit Edges(const EngineGraph& graph)
      : graph_(graph), producers_(graph.producers()), readers_(graph.readers()), reader_(graph.values.size(), -1) {
    for (std::size_t k = 0; k < graph.nodes.size(); ++k) {
      for (const int input : graph.nodes[k].inputs) {
        if (input >= 0) reader_[static_cast<std::size_t>(input)] = static_cast<int>(k);
      }
    }
  }
  /// The node that puts `value` out, if it is a product and nothing else reads what it puts out.
  int product_behind(int value) const {
    const auto v = static_cast<std::size_t>(value);
    if (value < 0 || producers_[v] < 0 || readers_[v] != 1) return -1;
    return is_product(graph_.nodes[static_cast<std::size_t>(producers_[v])]) ? producers_[v] : -1;
  }
  /// The one node that reads `value` as an input; -1 if there are several, or none.
  int only_reader(int value) const {
    const auto v = static_cast<std::size_t>(value);
    return readers_[v] == 1 ? reader_[v] : -1;
  }

 private:
  const EngineGraph& graph_;
  std::vector<int> producers_, readers_, reader_;
};

void remove_marked(EngineGraph& graph) {
  std::erase_if(graph.nodes, [](const EngineNode& node) { return node.outputs.empty(); });
}

/// What two products have to share to be one.
bool siblings(const EngineGraph& graph, const EngineNode& a, const EngineNode& b) {
  if (a.op != b.op || a.inputs.front() != b.inputs.front() || a.inputs.size() != 3 || b.inputs.size() != 3)
    return false;
  if (a.activation != b.activation || a.residual >= 0 || b.residual >= 0 || b.outputs.empty()) return false;
  if (a.op == "Linear") return true;
  const auto point = [&](const EngineNode& n) {
    const auto& shape = graph.value(n.inputs[1]).shape;
    return shape[2] == 1 && shape[3] == 1 && n.integer("group", 1) == 1 &&
           n.integers("strides") == std::vector<std::int64_t>{1, 1} && n.integer("extra_padding") == 0 &&
           n.integers("pads") == std::vector<std::int64_t>{0, 0, 0, 0};
  };
  return point(a) && point(b);
}

int add_value(EngineGraph& graph, const std::string& name, const std::vector<std::int64_t>& shape,
              const Tensor& constant = {}) {
  graph.values.push_back({name, shape, OnnxType::kFloat, constant});
  return static_cast<int>(graph.values.size()) - 1;
}

/// One product of all `members`, and the Split of what it puts out.
std::pair<EngineNode, EngineNode> joined(EngineGraph& graph, const std::vector<const EngineNode*>& members) {
  EngineNode whole = *members.front();
  EngineNode split{"Split", whole.name + "/Split", {}, {}, {}};
  std::vector<Tensor> weights, biases;
  for (const EngineNode* member : members) {
    weights.push_back(graph.value(member->inputs[1]).constant);
    biases.push_back(graph.value(member->inputs[2]).constant);
    split.outputs.push_back(member->outputs.front());
  }
  const bool conv = whole.op == "Conv";
  std::vector<std::int64_t> shape = graph.value(whole.outputs.front()).shape;
  const Tensor weight = torch::cat(weights), bias = torch::cat(biases);
  shape[conv ? 1 : shape.size() - 1] = weight.size(0);
  whole.inputs[1] = add_value(graph, whole.name + "/weights", weight.sizes().vec(), weight);
  whole.inputs[2] = add_value(graph, whole.name + "/biases", bias.sizes().vec(), bias);
  whole.outputs = {add_value(graph, whole.name + "/joined", shape)};
  split.inputs = whole.outputs;
  split.attributes["axis"] = conv ? std::int64_t{1} : std::int64_t{-1};
  return {std::move(whole), std::move(split)};
}

/// What deformable attentions sample: their kernel reads rows without gaps. Joined, the values of all layers would be
/// kept for long, and products of so many rows gain nothing from each other. And precise values, which would become
/// narrow behind a Split.
std::set<int> values_apart(const EngineGraph& graph) {
  std::set<int> values = precise_values(graph);
  for (const EngineNode& node : graph.nodes) {
    if (node.op == "DeformableAttention") values.insert(node.inputs.front());
  }
  return values;
}

}  // namespace

void fold_padding(EngineGraph& graph) {
  const std::vector<int> producers = graph.producers();
  for (EngineNode& node : graph.nodes) {
    if (node.op != "Conv" && node.op != "MaxPool") continue;
    const int producer = producers[static_cast<std::size_t>(node.inputs.front())];
    if (producer < 0 || graph.nodes[static_cast<std::size_t>(producer)].op != "Pad") continue;
    if (node.op == "Conv" && node.integer("group", 1) != 1) continue;
    node.inputs.front() = graph.nodes[static_cast<std::size_t>(producer)].inputs.front();
    node.attributes["extra_padding"] = std::int64_t{1};
  }
  graph.drop_idle_nodes();
}

void fold_masks(EngineGraph& graph) {
  const std::vector<int> producers = graph.producers();
  for (EngineNode& node : graph.nodes) {
    if (node.op != "Linear" || producers[static_cast<std::size_t>(node.inputs.front())] < 0) continue;
    const EngineNode& mul =
        graph.nodes[static_cast<std::size_t>(producers[static_cast<std::size_t>(node.inputs.front())])];
    if (mul.op != "Mul" || !graph.is_constant(mul.inputs[1])) continue;
    const auto &tokens = graph.value(mul.inputs[0]).shape, &mask = graph.value(mul.inputs[1]).shape;
    if (tokens.size() != 3 || mask != std::vector<std::int64_t>{1, tokens[1], 1}) continue;
    const torch::Tensor& factors = graph.value(mul.inputs[1]).constant;
    if (!(factors == 0).logical_or(factors == 1).all().item<bool>()) continue;
    node.inputs.front() = mul.inputs[0];
    node.inputs.push_back(mul.inputs[1]);
  }
  graph.drop_idle_nodes();
}

void join_activations(EngineGraph& graph) {
  const Edges edges(graph);
  for (EngineNode& node : graph.nodes) {
    const auto activation = activation_of(node);
    if (!activation) continue;
    const int behind = edges.product_behind(node.inputs.front());
    if (behind < 0) continue;
    EngineNode& product = graph.nodes[static_cast<std::size_t>(behind)];
    if (product.inputs.size() > 3) continue;
    product.activation = *activation;
    product.outputs = std::move(node.outputs);
    node.outputs.clear();
  }
  remove_marked(graph);
}

void join_siblings(EngineGraph& graph) {
  const std::set<int> apart = values_apart(graph);
  std::vector<EngineNode> nodes;
  for (std::size_t k = 0; k < graph.nodes.size(); ++k) {
    EngineNode& node = graph.nodes[k];
    if (node.outputs.empty()) continue;  // joined to one before it
    std::vector<const EngineNode*> members = {&node};
    if (is_product(node) && !apart.contains(node.outputs.front())) {
      for (std::size_t other = k + 1; other < graph.nodes.size(); ++other) {
        const EngineNode& sibling = graph.nodes[other];
        if (siblings(graph, node, sibling) && !apart.contains(sibling.outputs.front())) members.push_back(&sibling);
      }
    }
    if (members.size() == 1) {
      nodes.push_back(node);
      continue;
    }
    auto [whole, split] = joined(graph, members);
    for (std::size_t other = k + 1; other < graph.nodes.size(); ++other) {
      if (std::ranges::count(members, &graph.nodes[other]) > 0) graph.nodes[other].outputs.clear();
    }
    nodes.push_back(std::move(whole));
    nodes.push_back(std::move(split));
  }
  graph.nodes = std::move(nodes);
}

void join_residuals(EngineGraph& graph) {
  const Edges edges(graph);
  for (EngineNode& sum : graph.nodes) {
    if (sum.op != "Add") continue;
    const int a = sum.inputs[0], b = sum.inputs[1];
    if (graph.value(a).shape != graph.value(b).shape || graph.is_constant(a) || graph.is_constant(b)) continue;
    const int first = edges.product_behind(a), second = edges.product_behind(b);
    const int later = std::max(first, second);  // the other is there by then
    if (later < 0 || a == b) continue;
    EngineNode product = graph.nodes[static_cast<std::size_t>(later)];
    if (product.residual >= 0 || product.inputs.size() > 3) continue;
    graph.nodes[static_cast<std::size_t>(later)].outputs.clear();
    product.residual = later == first ? b : a;
    product.outputs = sum.outputs;
    const int reader = edges.only_reader(sum.outputs.front());
    const auto after = reader < 0 ? std::nullopt : activation_of(graph.nodes[static_cast<std::size_t>(reader)]);
    if (after && product.activation == Activation::kNone) {
      EngineNode& activation = graph.nodes[static_cast<std::size_t>(reader)];
      product.activation = *after;
      product.residual_first = true;
      product.outputs = std::move(activation.outputs);
      activation.outputs.clear();
    }
    sum = std::move(product);
  }
  remove_marked(graph);
}

void fuse_operations(EngineGraph& graph) {
  fold_padding(graph);
  fold_masks(graph);
  join_activations(graph);
  join_siblings(graph);
  join_residuals(graph);
}

}  // namespace rtdetr
