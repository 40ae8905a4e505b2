#include "models/graph/graph_plan.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/base/error.h"
#include "core/base/text.h"
#include "models/graph/model_mistakes.h"
#include "models/layers/block.h"
#include "models/layers/init.h"
#include "models/layers/module_tree.h"

namespace rtdetr {

namespace {

constexpr std::int64_t kMaxRepeats = 100, kMaxStride = 1024;
constexpr std::int64_t kMostWritten = 1'000'000;  ///< repeats before they are scaled by the depth

/// n > 1 scales with the depth: rounded half to even, at least 1.
std::int64_t scaled_repeats(std::int64_t repeats, double depth) {
  return repeats > 1 ? std::max<std::int64_t>(std::llrint(repeats * depth), 1) : repeats;
}

std::int64_t scaled_channels(std::int64_t channels, const ModelSpec& spec) {
  const double limited = spec.max_channels > 0 ? std::min<double>(channels, spec.max_channels) : channels;
  return static_cast<std::int64_t>(std::ceil(limited * spec.width / 8)) * 8;
}

/// Plans one row after the other; `plan_.rows` holds those before.
class Planner {
 public:
  Planner(const ModelSpec& spec, ModelMistakes& mistakes) : spec_(spec), mistakes_(mistakes) {}

  GraphPlan plan() {
    for (const RowSpec& row : spec_.rows) plan_row(row);
    check_last_row();
    check_paths();
    return std::move(plan_);
  }

 private:
  void plan_row(const RowSpec& spec) {
    PlannedRow row;
    row.index = static_cast<int>(plan_.rows.size());
    row.spec = &spec;
    row.path = row_path(spec, plan_.rows.size());
    row.part = spec.in_backbone ? "backbone" : "encoder";
    if (!spec.module.empty()) fill(row);
    if (row.output) take_stride(row);
    plan_.rows.push_back(std::move(row));
  }

  /// A picture's sides are multiples of every map's stride.
  void take_stride(const PlannedRow& row) {
    const std::int64_t all = std::lcm(plan_.stride, row.output->stride);
    if (all > kMaxStride)
      complain(row, "stride " + std::to_string(row.output->stride) +
                        " and those before it have no common multiple up to " + std::to_string(kMaxStride));
    else
      plan_.stride = all;
  }

  void fill(PlannedRow& row) {
    row.entry = registry().find(row.spec->module);
    if (!row.entry) {
      complain(row,
               "there is no module '" + row.spec->module + "'" + did_you_mean(row.spec->module, registry().names()));
      return;
    }
    if (row.entry->build_head) row.part = "decoder";
    const bool inputs_known = resolve_inputs(row);
    resolve_repeats(row);
    if (!resolve_arguments(row) || !inputs_known) return;
    try {
      resolve_output(row);
    } catch (const ModelError& error) {
      complain(row, error.what() + shift_hint(row));
    }
  }

  /// Once a file, where a row that is read by number does not fit: the likely reason.
  std::string shift_hint(const PlannedRow& row) {
    const auto& names = row.spec->from_names;
    bool numbered = false;
    for (std::size_t k = 0; k < names.size(); ++k) numbered |= names[k].empty() && row.spec->from[k] >= 0;
    if (!numbered || hinted_) return "";
    hinted_ = true;
    return "; a row put in or taken out shifts the numbers of all rows behind it by one: count `from` again, or name "
           "the row by its path";
  }

  /// @return whether every input is there and its map known
  bool resolve_inputs(PlannedRow& row) {
    const RowSpec& spec = *row.spec;
    if (spec.from.size() != 1 && !row.entry->many_inputs) {
      complain(row, spec.module + " reads one row, found " + std::to_string(spec.from.size()) + " in `from`");
      return false;
    }
    bool known = true;
    for (const int from : spec.from) known &= resolve_input(row, from);
    return known;
  }

  bool resolve_input(PlannedRow& row, int from) {
    const int source = from < 0 ? row.index + from : from;
    if (row.index == 0 && from == -1) {
      row.inputs.push_back(PlannedRow::kImage);
      row.context.inputs.push_back({spec_.channels, 1});
      return true;
    }
    if (source < 0 || source >= row.index) {
      complain(row, row.index == 0
                        ? "the first row reads the picture: `from` must be -1, found " + std::to_string(from)
                        : "`from` must name an earlier row, -1 … -" + std::to_string(row.index) + " or 0 … " +
                              std::to_string(row.index - 1) + ", found " + std::to_string(from) + shift_hint(row));
      return false;
    }
    const PlannedRow& input = plan_.rows[source];
    if (input.entry && input.entry->build_head) {
      complain(row, "nothing can read row " + std::to_string(source) + ", the decoder");
      return false;
    }
    row.inputs.push_back(source);
    if (input.output) row.context.inputs.push_back(*input.output);
    return input.output.has_value();
  }

  void resolve_repeats(PlannedRow& row) {
    const std::int64_t written = row.spec->repeats,
                       repeats = written <= kMostWritten ? scaled_repeats(written, spec_.depth) : written;
    if (repeats < 1 || repeats > kMaxRepeats || (row.entry->build_head && repeats != 1)) {
      complain(row, "repeats must be " + (row.entry->build_head ? "1" : "from 1 to " + std::to_string(kMaxRepeats)) +
                        ", found " + std::to_string(written) +
                        (repeats == written
                             ? ""
                             : ", times the depth " + format_short(spec_.depth) + " " + std::to_string(repeats)));
      return;
    }
    (row.entry->repeats == Repeats::kInner ? row.context.repeats : row.outer_repeats) = repeats;
  }

  bool resolve_arguments(PlannedRow& row) {
    std::vector<std::string> wrong;
    const ArgumentScope scope{spec_.num_classes, spec_.activation};
    row.context.args = parse_arguments(row.spec->args, row.entry->arguments, scope, wrong);
    for (const std::string& what : wrong) complain(row, what);
    if (!wrong.empty()) return false;
    if (const std::string& name = row.entry->width_scaled; !name.empty()) {
      row.context.args.set(name, scaled_channels(row.context.args.integer(name), spec_));
    }
    row.context.num_classes = spec_.num_classes;
    row.context.norm_eps = spec_.batch_norm_eps;
    row.context.norm_momentum = spec_.batch_norm_momentum;
    row.context.activation = spec_.activation;
    return true;
  }

  static void resolve_output(PlannedRow& row) {
    if (row.entry->build_head) {
      if (row.entry->check_head) row.entry->check_head(row.context);
      return;
    }
    FeatureMap out = row.entry->output(row.context);
    RowContext next = row.context;
    for (std::int64_t k = 1; k < row.outer_repeats; ++k) {
      if (out.channels != row.context.input().channels) {
        refuse("repeating it needs as many output as input channels, found " + std::to_string(out.channels) + " and " +
               std::to_string(row.context.input().channels));
      }
      next.inputs = {out};
      out = row.entry->output(next);
    }
    constexpr std::int64_t kMaxChannels = 65536;
    if (out.channels > kMaxChannels) refuse("more than " + std::to_string(kMaxChannels) + " output channels");
    if (out.stride > kMaxStride)
      refuse("stride " + std::to_string(out.stride) + " is more than " + std::to_string(kMaxStride));
    row.output = out;
  }

  void check_last_row() {
    if (plan_.rows.empty()) return;
    for (const PlannedRow& row : plan_.rows) {
      const bool last = row.index + 1 == static_cast<int>(plan_.rows.size());
      if (!row.entry) continue;
      if (row.entry->build_head && !last) complain(row, row.spec->module + " must be the last row");
      if (last && !row.entry->build_head)
        complain(row, "the last row must be " + join(registry().head_names(), " or "));
    }
  }

  /// A path may neither be another row's nor lie inside another row's module.
  void check_paths() {
    std::vector<std::pair<std::string, const PlannedRow*>> paths;
    for (const PlannedRow& row : plan_.rows) {
      if (!row.path.ends_with('.')) paths.emplace_back(row.path + ".", &row);  // an open one is for several
    }
    std::ranges::sort(paths);
    for (std::size_t i = 1; i < paths.size(); ++i) {
      if (!paths[i].first.starts_with(paths[i - 1].first)) continue;
      const PlannedRow &one = *paths[i - 1].second, &two = *paths[i].second;
      complain(two, "path '" + two.path + "' belongs to row " + std::to_string(one.index));
    }
  }

  void complain(const PlannedRow& row, const std::string& what) {
    mistakes_.add(row.spec->line, row_label(row.index, *row.spec) + what);
  }

  const ModelSpec& spec_;
  ModelMistakes& mistakes_;
  GraphPlan plan_;
  bool hinted_ = false;
};

/// Equal blocks one after the other, keys `<k>.…`.
class Sequence : public Block {
 public:
  void append(BlockPtr block) {
    register_module(std::to_string(blocks_.size()), block);
    blocks_.push_back(std::move(block));
  }
  Tensor forward(const Tensor& x) override {
    Tensor y = x;
    for (const BlockPtr& block : blocks_) y = block->forward(y);
    return y;
  }
  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& x) const override {
    OnnxValue y = x;
    for (std::size_t k = 0; k < blocks_.size(); ++k) y = graph.emit(std::to_string(k), blocks_[k], y);
    return y;
  }

 private:
  std::vector<BlockPtr> blocks_;
};

}  // namespace

GraphPlan plan_graph(const ModelSpec& spec, ModelMistakes& mistakes) { return Planner(spec, mistakes).plan(); }

std::shared_ptr<torch::nn::Module> build_row(const PlannedRow& row) {
  if (row.entry->build_head) return row.entry->build_head(row.context);
  if (row.outer_repeats == 1) return row.entry->build(row.context);
  auto sequence = std::make_shared<Sequence>();
  for (std::int64_t k = 0; k < row.outer_repeats; ++k) sequence->append(row.entry->build(row.context));
  return sequence;
}

std::vector<std::int64_t> count_row_parameters(const GraphPlan& plan, ModelMistakes& mistakes) {
  std::vector<std::int64_t> counts;
  const ParameterBudget budget(/*counting_only=*/true);
  for (const PlannedRow& row : plan.rows) {
    try {
      counts.push_back(count_parameters(*build_row(row)));
    } catch (const ModelError& error) {
      mistakes.add(row.spec->line, row_label(row.index, *row.spec) + error.what());
      break;
    }
  }
  return counts;
}

}  // namespace rtdetr
