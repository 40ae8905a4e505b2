#include "train/loop/run_keeper.h"

#include <utility>

#include <nlohmann/json.hpp>

#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "train/run/run_checkpoint.h"

namespace rtdetr {

RunKeeper::RunKeeper(const RunFolder& folder, const SaveOptions& options, bool is_main)
    : folder_(folder), options_(options), is_main_(is_main), saver_(folder) {}

void RunKeeper::begin_with(const std::filesystem::path& file, const RunPosition& at) {
  saver_.begin_with(file, at.steps);
  last_save_ = at.seconds;
  last_saved_step_ = at.steps;
}

void RunKeeper::open(const std::optional<LogPosition>& position) {
  if (!is_main_) return;
  if (position) {
    log_.emplace(folder_, *position);
    return;
  }
  for (const std::filesystem::path& state : {folder_.previous(), folder_.last(), folder_.best_state()})
    std::filesystem::remove(state);
  log_.emplace(folder_);
}

void RunKeeper::require_room(const TensorMap& state, bool with_best) const {
  if (is_main_ && options_.check_space) require_space(folder_, state, with_best);
}

void RunKeeper::log(const std::string& event, const nlohmann::ordered_json& members) {
  if (log_) log_->write(event, members);
}

void RunKeeper::record(const EpochRecord& record) {
  if (is_main_) record_results(record, *log_);
}

bool RunKeeper::save_is_due(const RunPosition& at) const {
  return (options_.save_every > 0 && at.seconds - last_save_ >= options_.save_every) ||
         (options_.save_steps > 0 && at.steps - last_saved_step_ >= options_.save_steps);
}

void RunKeeper::save_on_the_way(RunState state) {
  const double begin = seconds_now();
  last_save_ = state.facts.train_seconds;
  last_saved_step_ = state.step;
  if (is_main_) saver_.try_to_save(std::move(state), *log_);
  log::debug("step " + std::to_string(last_saved_step_) + ": saving kept training waiting for " +
             format_double(seconds_now() - begin) + " s");
}

void RunKeeper::save(const RunState& state) {
  if (is_main_) saver_.save(state, *log_);
}

void RunKeeper::keep_best(const DetectionModel& model, const ModelInfo& info) {
  if (is_main_) saver_.keep_best(model, info);
}

void RunKeeper::keep_best_state(const StateRegistry& trained, const RunIdentity& identity) {
  if (is_main_) saver_.keep_best_state(trained.capture(), identity);
}

void RunKeeper::settle_best_state() {
  if (is_main_) saver_.settle_best_state();
}

std::optional<TensorMap> RunKeeper::read_best_state(const StateRegistry& trained, const RunIdentity& identity) const {
  try {
    TensorMap best = load_best_state(folder_, identity);
    trained.check(best, best_state().string());
    return best;
  } catch (const CheckpointError& error) {
    log::warning(error.what());
  } catch (const IoError& error) {
    log::warning(error.what());
  }
  return std::nullopt;
}

void RunKeeper::look_for_best_state(const RunIdentity& identity) const {
  if (!is_main_) return;
  std::string problem = best_state().string() + ": not there";
  std::error_code ignored;
  if (std::filesystem::exists(best_state(), ignored)) {
    try {
      return check_best_state(folder_, identity);
    } catch (const CheckpointError& error) {
      problem = error.what();
    } catch (const IoError& error) {
      problem = error.what();
    }
  }
  log::warning(problem + "; last_stage cannot go back to those weights unless better ones come before it; put the " +
               "file of the run that is continued there");
}

bool RunKeeper::keeps_epoch(std::int64_t epoch) const {
  return options_.save_period > 0 && (epoch + 1) % options_.save_period == 0;
}

void RunKeeper::keep_epoch(const DetectionModel& model, const ModelInfo& info) {
  if (!is_main_) return;
  try {
    save_model(folder_.path() / ("epoch-" + std::to_string(info.epoch + 1) + ".safetensors"), model, info);
  } catch (const IoError& error) {
    log::warning(error.what());
  }
}

}  // namespace rtdetr
