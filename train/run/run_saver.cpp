#include "train/run/run_saver.h"

#include <chrono>
#include <cmath>
#include <utility>
#include <vector>

#include <torch/types.h>

#include "core/base/error.h"
#include "core/base/log.h"
#include "models/layers/module_tree.h"

namespace rtdetr {

namespace {

/// The largest magnitudes of all that lies on one device, read at once: a wait for each would take longer than a step.
bool is_finite_there(const TensorMap& state) {
  std::vector<torch::Tensor> tensors;
  for (const auto& [name, tensor] : state) {
    if (!tensor.is_cpu() && tensor.is_floating_point() && tensor.numel() > 0) tensors.push_back(tensor);
  }
  if (tensors.empty()) return true;
  std::vector<torch::Tensor> largest;
  for (const torch::Tensor& norm : at::_foreach_norm(tensors, INFINITY)) largest.push_back(norm.to(torch::kFloat64));
  return torch::stack(largest).isfinite().all().item<bool>();
}

}  // namespace

void require_finite(const TensorMap& state) {
  const bool all_there = is_finite_there(state);
  for (const auto& [name, tensor] : state) {
    if ((all_there && !tensor.is_cpu()) || !tensor.is_floating_point() || tensor.numel() == 0 ||
        std::isfinite(tensor.abs().max().to(torch::kFloat64).item<double>()))
      continue;
    throw DivergedError(name + " is not finite any more; nothing was written; a lower lr0= may help");
  }
}

void RunSaver::begin_with(const std::filesystem::path& file, std::int64_t step) {
  durable_file_ = file;
  durable_step_ = step;
}

void RunSaver::save(const RunState& state, RunLog& log) {
  settle();
  if (state.arrive) state.arrive();
  require_finite(state.tensors);
  log.flush();
  write(state);
  book(state.step);
}

void RunSaver::write(const RunState& state) {
  if (unsaved_best_) save_tensors(folder_.best(), unsaved_best_->tensors, unsaved_best_->metadata);
  unsaved_best_.reset();
  write_unsaved_best_state();
  if (durable_file_ == folder_.previous()) set_damaged_aside(folder_);
  save_run(folder_, state.tensors, state.facts, state.model_metadata);
}

void RunSaver::book(std::int64_t step) {
  begin_with(folder_.last(), step);
  failed_saves_ = 0;
}

void RunSaver::try_to_save(RunState state, RunLog& log) {
  settle();
  if (!state.arrive) return attempt([&] { save(state, log); });
  attempt([&] {
    log.flush();
    under_way_ = std::async(std::launch::async, [this, state = std::move(state)] {
      state.arrive();
      require_finite(state.tensors);
      write(state);
      return state.step;
    });
  });
}

void RunSaver::settle() {
  if (under_way_.valid()) attempt([this] { book(under_way_.get()); });
}

bool RunSaver::has_settled() {
  using namespace std::chrono_literals;
  if (!under_way_.valid() || under_way_.wait_for(0s) != std::future_status::ready) return false;
  settle();
  return true;
}

void RunSaver::attempt(const std::function<void()>& work) {
  constexpr int kMostFailures = 3;
  try {
    work();
  } catch (const IoError& error) {
    if (++failed_saves_ >= kMostFailures) throw;
    log::end_progress();
    log::warning(std::string("not saved, training goes on: ") + error.what());
  }
}

void RunSaver::keep_best(const DetectionModel& model, const ModelInfo& info) {
  settle();
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

void RunSaver::keep_best_state(const TensorMap& trained, const RunIdentity& identity) {
  settle();
  unsaved_best_state_.reset();
  try {
    save_best_state(folder_, trained, identity);
  } catch (const IoError& error) {
    unsaved_best_state_ = BestState{{}, identity};
    for (const auto& [name, tensor] : trained) unsaved_best_state_->trained.emplace(name, tensor.clone());
    log::warning(std::string("the best weights' state waits in memory for the next save: ") + error.what());
  }
}

void RunSaver::settle_best_state() {
  settle();
  write_unsaved_best_state();
}

void RunSaver::write_unsaved_best_state() {
  if (unsaved_best_state_) save_best_state(folder_, unsaved_best_state_->trained, unsaved_best_state_->identity);
  unsaved_best_state_.reset();
}

std::string RunSaver::last_durable() const {
  if (durable_file_.empty()) return "no step is on disk";
  return "last durable step " + std::to_string(durable_step_) + ": " + durable_file_.string();
}

}  // namespace rtdetr
