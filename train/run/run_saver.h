#pragma once

#include <cstdint>
#include <functional>
#include <future>
#include <optional>
#include <string>

#include "models/weights/checkpoint.h"
#include "train/run/run_checkpoint.h"
#include "train/run/run_folder.h"
#include "train/run/run_log.h"

namespace rtdetr {

/// All of a run at one step.
struct RunState {
  TensorMap tensors;
  std::function<void()> arrive;  ///< of tensors that are on their way to the host (HostState)
  RunFacts facts;
  FileMetadata model_metadata;
  std::int64_t step = 0;
};

/// Brings a run's state and weights to the disk, and knows what is there. A state that is on its way from a device is
/// waited for and written in a thread of its own while training goes on; whatever comes next waits for that one. What
/// cannot be written on the way, e.g. while the disk is full, costs nothing but a warning until it happens three times
/// in a row. The best weights are always on the disk before a state that calls them so: weights that could not be
/// written wait in memory for the next save. What a crash in the middle leaves:
/// docs/reference/checkpoints.md#how-a-file-appears.
class RunSaver {
 public:
  /// Outlived by `folder`.
  explicit RunSaver(const RunFolder& folder) : folder_(folder) {}

  /// What a continued run begins with.
  void begin_with(const std::filesystem::path& file, std::int64_t step);
  /// The log's lines are written before the state that they lead to.
  /// @throws IoError; DivergedError  for a state that is not finite: it is never written
  void save(const RunState& state, RunLog& log);
  /// The same, but a failure is a warning. Of a state that has not arrived it is told by settle() or by the next save.
  /// @throws IoError  the third time in a row
  void try_to_save(RunState state, RunLog& log);
  /// Waits for what is being written. @throws as try_to_save does
  void settle();
  /// Whether something was being written and now is, or has failed; does not wait. @throws as try_to_save does
  bool has_settled();
  /// Writes best.safetensors, now or with the next save.
  void keep_best(const DetectionModel& model, const ModelInfo& info);
  /// Writes best-state.safetensors, now or with the next save.
  /// @param trained   on the host, see StateRegistry::capture
  /// @param identity  whose it is
  void keep_best_state(const TensorMap& trained, const RunIdentity& identity);
  /// Writes it if it still waits. @throws IoError
  void settle_best_state();

  /// "last durable step 40: runs/train/exp/last.safetensors", or that there is none.
  std::string last_durable() const;
  bool has_saved() const { return !durable_file_.empty(); }

 private:
  void write(const RunState& state);
  void write_unsaved_best_state();
  void book(std::int64_t step);
  /// Makes a warning of a failure. @throws IoError  the third time in a row
  void attempt(const std::function<void()>& work);

  struct Weights {
    TensorMap tensors;
    FileMetadata metadata;
  };
  struct BestState {
    TensorMap trained;
    RunIdentity identity;
  };

  const RunFolder& folder_;
  std::optional<Weights> unsaved_best_;
  std::optional<BestState> unsaved_best_state_;
  int failed_saves_ = 0;  ///< in a row
  std::filesystem::path durable_file_;
  std::int64_t durable_step_ = 0;
  std::future<std::int64_t> under_way_;  ///< the step of the state that is being written; its end waits for it
};

/// @throws DivergedError  if a number in it is not finite
void require_finite(const TensorMap& state);

}  // namespace rtdetr
