#include "models/graph/model.h"

#include <algorithm>

#include <ATen/record_function.h>
#include <torch/nn/module.h>
#include <torch/types.h>

#include "core/base/check.h"
#include "core/base/error.h"
#include "models/graph/fitted_pictures.h"
#include "models/graph/graph_plan.h"
#include "models/graph/model_mistakes.h"
#include "models/graph/resolve.h"
#include "models/layers/batch_norm.h"
#include "models/layers/block.h"
#include "models/layers/drop_path.h"
#include "models/layers/fuse.h"
#include "models/layers/init.h"
#include "models/layers/input_norm.h"
#include "models/layers/module_tree.h"

namespace rtdetr {

/// The rows in running order, with what is needed to let go of a map as soon as its last reader has run.
struct DetectionModelImpl::Graph {
  struct Step {
    std::vector<int> inputs;  ///< rows; PlannedRow::kImage = the picture
    BlockPtr block;
    std::string part;                 ///< PlannedRow's
    bool leaves_backbone = false;     ///< what the references call an output of the backbone
    std::vector<int> last_read_here;  ///< rows that nothing reads afterwards
  };

  ModelSpec spec;
  GraphPlan plan;
  std::vector<Step> steps;  ///< all rows but the last
  std::vector<int> head_inputs;
  HeadPtr head;
  std::unique_ptr<InputNorm> norm;
  bool fused = false;
  BatchCounter counter;
  PathDraws paths;

  /// @throws ConfigError  if the model does not take images of that shape
  void check_images(at::IntArrayRef shape) const;
  /// Runs the rows. @return what the head reads
  void check_padding(const Tensor& images, const ForwardOptions& options) const;
  std::vector<Tensor> run(const Tensor& images, const ForwardOptions& options) const;
  OnnxPrediction emit(OnnxBuilder& builder, const OnnxValue& images, const OnnxHeadOptions& options) const;
  void plan_releases();
};

namespace {

GraphPlan checked_plan(const ModelSpec& spec) {
  ModelMistakes mistakes(spec.origin);
  GraphPlan plan = plan_graph(spec, mistakes);
  mistakes.throw_if_any();
  count_row_parameters(plan, mistakes);
  mistakes.throw_if_any();
  return plan;
}

/// Backbone maps that the rest of the model reads: what the references call the backbone's outputs.
std::vector<int> backbone_outputs(const GraphPlan& plan) {
  std::vector<int> rows;
  for (const PlannedRow& row : plan.rows) {
    if (row.part == "backbone") continue;
    for (const int input : row.inputs) {
      if (input >= 0 && plan.rows[input].part == "backbone") rows.push_back(input);
    }
  }
  std::ranges::sort(rows);
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  return rows;
}

/// What a row reads. @param maps  [0] is the picture, [r + 1] what row r put out
template <typename Map>
std::vector<Map> gather(const std::vector<int>& rows, const std::vector<Map>& maps) {
  std::vector<Map> inputs;
  for (const int row : rows) inputs.push_back(maps[row + 1]);
  return inputs;
}

/// Runs `emit` for a row: its nodes are named after it, and it is named where it cannot be written.
template <typename Emit>
auto emit_row(OnnxBuilder& builder, const PlannedRow& row, const std::string& origin, const Emit& emit) {
  const OnnxBuilder::Scope scope = builder.within(std::to_string(row.index) + "." + row.spec->module);
  try {
    return emit();
  } catch (const ModelError& error) {
    throw ModelError(origin + ":" + std::to_string(row.spec->line) + ": " + row_label(row.index, *row.spec) +
                     error.what());
  }
}

/// Of an open path only the whole model tells whether its names are free.
void register_row(torch::nn::Module& model, const PlannedRow& row, const std::string& origin,
                  const std::shared_ptr<torch::nn::Module>& module) {
  try {
    register_at(model, row.path, module);
  } catch (const ModelError& error) {
    throw ModelError(origin + ":" + std::to_string(row.spec->line) + ": " + row_label(row.index, *row.spec) + "path '" +
                     row.path + "' " + error.what());
  }
}

}  // namespace

void DetectionModelImpl::Graph::plan_releases() {
  std::vector<int> last_reader(plan.rows.size(), -1);
  for (const PlannedRow& row : plan.rows) {
    for (const int input : row.inputs) {
      if (input >= 0) last_reader[input] = row.index;
    }
  }
  for (std::size_t row = 0; row < last_reader.size(); ++row) {
    const int reader = last_reader[row] < 0 ? static_cast<int>(row) : last_reader[row];
    if (reader < static_cast<int>(steps.size())) steps[reader].last_read_here.push_back(static_cast<int>(row));
  }
  for (const int row : backbone_outputs(plan)) steps[row].leaves_backbone = true;
}

void DetectionModelImpl::Graph::check_images(at::IntArrayRef shape) const {
  const auto fits = [&](std::int64_t side) { return side > 0 && side % plan.stride == 0; };
  if (shape.size() == 4 && shape[1] == spec.channels && fits(shape[2]) && fits(shape[3])) return;
  throw ConfigError("model " + spec.name + " takes images [B, " + std::to_string(spec.channels) +
                    ", H, W] with H and W multiples of " + std::to_string(plan.stride) + ", found " + c10::str(shape));
}

void DetectionModelImpl::Graph::check_padding(const Tensor& images, const ForwardOptions& options) const {
  if (options.valid_sizes.empty()) return;
  if (!head->leaves_out_padding())
    throw ConfigError("model " + spec.name +
                      ": its head has no mask for padding, only one with encoder_layers has; give it whole pictures");
  RTDETR_CHECK(
      static_cast<std::int64_t>(options.valid_sizes.size()) == images.size(0),
      std::to_string(options.valid_sizes.size()) + " picture sizes for a batch of " + std::to_string(images.size(0)));
}

std::vector<Tensor> DetectionModelImpl::Graph::run(const Tensor& images, const ForwardOptions& options) const {
  MapProbe* probe = options.probe;
  std::vector<Tensor> maps(steps.size() + 1);  // [0] is the picture, [r + 1] what row r put out
  maps[0] = norm->forward(images);
  if (!options.valid_sizes.empty()) maps[0] = without_padding(maps[0], options.valid_sizes);
  if (probe) *probe = {.every_row = probe->every_row};
  for (std::size_t r = 0; r < steps.size(); ++r) {
    const Step& step = steps[r];
    RECORD_USER_SCOPE(step.part);
    std::vector<Tensor> inputs = gather(step.inputs, maps);
    maps[r + 1] = step.block->forward_all(inputs);
    if (probe && step.leaves_backbone) probe->backbone.push_back(maps[r + 1]);
    if (probe && probe->every_row) probe->rows.push_back(maps[r + 1]);
    for (const int row : step.last_read_here) maps[row + 1] = Tensor();
  }
  std::vector<Tensor> read_by_head = gather(head_inputs, maps);
  if (probe) probe->encoder = read_by_head;
  return read_by_head;
}

OnnxPrediction DetectionModelImpl::Graph::emit(OnnxBuilder& builder, const OnnxValue& images,
                                               const OnnxHeadOptions& options) const {
  if (images.size(2) != OnnxValue::kFree) check_images(images.shape);
  std::vector<OnnxValue> maps = {norm->emit(builder, images)};
  for (std::size_t r = 0; r < steps.size(); ++r) {
    const Step& step = steps[r];
    maps.push_back(emit_row(builder, plan.rows[r], spec.origin,
                            [&] { return step.block->emit_all(builder, gather(step.inputs, maps)); }));
  }
  return emit_row(builder, plan.rows.back(), spec.origin,
                  [&] { return head->emit(builder, gather(head_inputs, maps), options); });
}

DetectionModelImpl::DetectionModelImpl(ModelSpec spec, const BuildOptions& options)
    : graph_(std::make_unique<Graph>()) {
  Graph& graph = *graph_;
  graph.spec = resolve_spec(spec, options);
  graph.plan = checked_plan(graph.spec);
  graph.norm = std::make_unique<InputNorm>(graph.spec.mean, graph.spec.deviation);
  const ParameterBudget budget(/*counting_only=*/options.shapes_only);
  for (const PlannedRow& row : graph.plan.rows) {
    const std::shared_ptr<torch::nn::Module> module = build_row(row);
    register_row(*this, row, graph.spec.origin, module);
    if (row.entry->build_head) {
      graph.head = std::dynamic_pointer_cast<Head>(module);
      graph.head_inputs = row.inputs;
    } else {
      graph.steps.push_back({row.inputs, std::dynamic_pointer_cast<Block>(module), row.part});
    }
  }
  graph.plan_releases();
  graph.counter = BatchCounter(*this);
  graph.paths = PathDraws(*this);
}

DetectionModelImpl::~DetectionModelImpl() = default;

ModelOutput DetectionModelImpl::forward(const torch::Tensor& images, const ForwardOptions& options) {
  Graph& graph = *graph_;
  graph.check_images(images.sizes());
  graph.counter.count();
  if (is_training() && !graph.paths.empty()) {
    RTDETR_CHECK(options.generator.has_value(), "training a model that leaves out branches needs a generator");
    graph.paths.draw(images.size(0), options.share.rank, options.share.world, *options.generator, images.device());
  }
  graph.check_padding(images, options);
  const std::vector<Tensor> maps = graph.run(images, options);
  RECORD_USER_SCOPE("decoder");
  if (options.valid_sizes.empty()) return graph.head->forward(maps, options);
  ForwardOptions padded = options;
  padded.batch_size = {static_cast<int>(images.size(3)), static_cast<int>(images.size(2))};
  return graph.head->forward(maps, padded);
}

OnnxPrediction DetectionModelImpl::emit(OnnxBuilder& graph, const OnnxValue& images,
                                        const OnnxHeadOptions& options) const {
  RTDETR_CHECK(graph_->fused, "an ONNX graph is written of a fused model");
  return graph_->emit(graph, images, options);
}

const ModelSpec& DetectionModelImpl::spec() const { return graph_->spec; }
std::int64_t DetectionModelImpl::num_classes() const { return graph_->spec.num_classes; }
std::int64_t DetectionModelImpl::num_decoder_layers() const { return graph_->head->num_layers(); }
std::int64_t DetectionModelImpl::stride() const { return graph_->plan.stride; }
const Head& DetectionModelImpl::head() const { return *graph_->head; }
bool DetectionModelImpl::fused() const { return graph_->fused; }

void DetectionModelImpl::fuse() {
  if (graph_->fused) return;
  eval();
  fuse_modules(*this);
  graph_->counter = {};
  graph_->fused = true;
}

namespace {

/// @param path  one that ends in a dot is open: the module's children lie there
std::vector<std::string> places_of(const std::string& path, const torch::nn::Module& module) {
  if (!path.ends_with('.')) return {path};
  std::vector<std::string> places;
  for (const auto& child : module.named_children()) places.push_back((path == "." ? "" : path) + child.key());
  return places;
}

}  // namespace

std::vector<DetectionModelImpl::Row> DetectionModelImpl::rows() const {
  std::vector<Row> rows;
  for (const PlannedRow& planned : graph_->plan.rows) {
    const bool is_head = planned.entry->build_head != nullptr;
    const torch::nn::Module& module =
        is_head ? static_cast<const torch::nn::Module&>(*graph_->head) : *graph_->steps[planned.index].block;
    Row row;
    row.index = planned.index;
    for (const int from : planned.spec->from) row.from += (row.from.empty() ? "" : ", ") + std::to_string(from);
    if (planned.spec->from_is_list) row.from = "[" + row.from + "]";
    row.repeats = planned.outer_repeats * planned.context.repeats;
    row.parameters = count_parameters(module);
    row.module = planned.spec->module;
    row.arguments = planned.context.args.to_text();
    row.path = planned.path;
    row.places = places_of(planned.path, module);
    row.part = planned.part;
    rows.push_back(std::move(row));
  }
  return rows;
}

DetectionModel build_model(const ModelSpec& spec, const BuildOptions& options) {
  DetectionModel model(spec, options);
  if (options.initial_weights && !options.shapes_only) initialize_weights(*model, options.seed);
  return model;
}

}  // namespace rtdetr
