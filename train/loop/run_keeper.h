#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "models/weights/checkpoint.h"
#include "train/loop/run_budget.h"
#include "train/loop/train_options.h"
#include "train/report/results.h"
#include "train/run/run_folder.h"
#include "train/run/run_log.h"
#include "train/run/run_saver.h"
#include "train/run/state_registry.h"

namespace rtdetr {

/// What a run leaves in its folder while it goes: log.jsonl and results.csv, its state, its weights. Of several
/// processes only the main one has a hand in the folder; with the others every call does nothing.
class RunKeeper {
 public:
  /// Outlived by `folder`.
  RunKeeper(const RunFolder& folder, const SaveOptions& options, bool is_main);

  /// What a continued run begins with.
  void begin_with(const std::filesystem::path& file, const RunPosition& at);
  /// A fresh record, for which an earlier run's states in the folder are removed: nothing goes on with those. With a
  /// position, the earlier record from there on. @throws IoError
  void open(const std::optional<LogPosition>& position);
  /// @param with_best  keep_best_state will be asked for, too
  /// @throws IoError  when there is no room for states like this one and options do not say that it is well
  void require_room(const TensorMap& state, bool with_best) const;
  /// One line of log.jsonl; none before it is opened.
  void log(const std::string& event, const nlohmann::ordered_json& members);
  /// A row of results.csv and a line of log.jsonl.
  void record(const EpochRecord& record);

  bool save_is_due(const RunPosition& at) const;
  /// Between two steps; a save that fails may be made up for by the next.
  void save_on_the_way(RunState state);
  /// Whether a save that went on beside training has ended. @throws IoError  when it was the third in a row that failed
  bool save_has_ended() { return saver_.has_settled(); }
  /// Waits for such a save. @throws as above
  void settle() { saver_.settle(); }
  /// @throws IoError
  void save(const RunState& state);
  void keep_best(const DetectionModel& model, const ModelInfo& info);
  /// What a last stage begins with, written now or with the next save.
  void keep_best_state(const StateRegistry& trained, const RunIdentity& identity);
  /// It is on the disk then. @throws IoError
  void settle_best_state();
  /// Reads it, on every process. nullopt with a warning, if it is missing, damaged or of another run.
  /// @param trained  what it is to be restored to
  std::optional<TensorMap> read_best_state(const StateRegistry& trained, const RunIdentity& identity) const;
  /// Warns if it is missing or of another run.
  void look_for_best_state(const RunIdentity& identity) const;
  std::filesystem::path best_state() const { return folder_.best_state(); }
  /// epoch-N.safetensors, where save_period wants it. What cannot be written is a warning.
  void keep_epoch(const DetectionModel& model, const ModelInfo& info);
  bool keeps_epoch(std::int64_t epoch) const;

  const RunSaver& saver() const { return saver_; }

 private:
  const RunFolder& folder_;
  SaveOptions options_;
  bool is_main_;
  RunSaver saver_;
  std::optional<RunLog> log_;
  double last_save_ = 0;  ///< seconds of training at the last attempt to save
  std::int64_t last_saved_step_ = 0;
};

}  // namespace rtdetr
