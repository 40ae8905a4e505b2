#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/graph/build_options.h"
#include "models/graph/model_spec.h"
#include "models/graph/registry.h"

/// Rows resolved: which rows they read, with which arguments, and what comes out. Everything that can be known about a
/// model before its weights have memory is checked here.
namespace rtdetr {

struct PlannedRow {
  int index = 0;
  const RowSpec* spec = nullptr;
  const BlockEntry* entry = nullptr;  ///< nullptr: unknown module
  std::vector<int> inputs;            ///< row indices; kImage = the picture itself
  RowContext context;
  std::int64_t outer_repeats = 1;    ///< blocks in sequence (Repeats::kSequence)
  std::optional<FeatureMap> output;  ///< empty for a head, or after a mistake
  std::string path;                  ///< registered name
  std::string part;                  ///< "backbone", "encoder" or "decoder"

  static constexpr int kImage = -1;
};

struct GraphPlan {
  std::vector<PlannedRow> rows;
  std::int64_t stride = 1;  ///< the least common multiple of the graph's
};

class ModelMistakes;

/// `spec` must outlive the plan. Rows without a module (mistakes of form) are skipped, as are the consequences of a
/// mistake in the rows that read it.
GraphPlan plan_graph(const ModelSpec& spec, ModelMistakes& mistakes);

/// One row's module: a head for the last, a block (or `outer_repeats` of them in sequence) for the others.
std::shared_ptr<torch::nn::Module> build_row(const PlannedRow& row);

/// Builds every row without memory and adds up the parameters. @return parameters by row
std::vector<std::int64_t> count_row_parameters(const GraphPlan& plan, ModelMistakes& mistakes);

}  // namespace rtdetr
