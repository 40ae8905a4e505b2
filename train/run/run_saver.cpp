#include "train/run/run_saver.h"

#include <cmath>

#include <torch/torch.h>

#include "core/base/error.h"
#include "core/base/log.h"
#include "models/layers/module_tree.h"

namespace rtdetr {

void require_finite(const TensorMap& state) {
  for (const auto& [name, tensor] : state) {
    if (!tensor.is_floating_point() || std::isfinite(tensor.abs().max().to(torch::kFloat64).item<double>())) continue;
    throw DivergedError(name + " is not finite any more; nothing was written; a lower lr0= may help");
  }
}

void RunSaver::begin_with(const std::filesystem::path& file, std::int64_t step) {
  durable_file_ = file;
  durable_step_ = step;
}

void RunSaver::save(const RunState& state, RunLog& log) {
  require_finite(state.tensors);
  log.flush();
  if (unsaved_best_) save_tensors(folder_.best(), unsaved_best_->tensors, unsaved_best_->metadata);
  unsaved_best_.reset();
  save_run(folder_, state.tensors, state.facts, state.model_metadata);
  begin_with(folder_.last(), state.step);
  failed_saves_ = 0;
}

void RunSaver::try_to_save(const RunState& state, RunLog& log) {
  constexpr int kMostFailures = 3;
  try {
    save(state, log);
  } catch (const IoError& error) {
    if (++failed_saves_ >= kMostFailures) throw;
    log::end_progress();
    log::warning(std::string("not saved, training goes on: ") + error.what());
  }
}

void RunSaver::keep_best(const DetectionModel& model, const ModelInfo& info) {
  unsaved_best_.reset();
  try {
    save_model(folder_.best(), model, info);
  } catch (const IoError& error) {
    Weights weights{{}, to_metadata(describe_model(model, info))};
    for (const auto& [name, tensor] : named_state(*model)) {
      weights.tensors.emplace(name, tensor.detach().to(torch::kCPU, tensor.scalar_type(), false, /*copy=*/true));
    }
    unsaved_best_ = std::move(weights);
    log::warning(std::string("the best weights wait in memory for the next save: ") + error.what());
  }
}

std::string RunSaver::last_durable() const {
  if (durable_file_.empty()) return "no step is on disk";
  return "last durable step " + std::to_string(durable_step_) + ": " + durable_file_.string();
}

}  // namespace rtdetr
