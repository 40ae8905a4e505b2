#pragma once

#include <cstdint>
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
  RunFacts facts;
  FileMetadata model_metadata;
  std::int64_t step = 0;
};

/// Brings a run's state and weights to the disk, and knows what is there. What cannot be written on the way, e.g. while
/// the disk is full, costs nothing but a warning until it happens three times in a row. The best weights are always on
/// the disk before a state that calls them so: weights that could not be written wait in memory for the next save.
/// What a crash in the middle leaves: docs/reference/checkpoints.md#how-a-file-appears.
class RunSaver {
 public:
  /// Outlived by `folder`.
  explicit RunSaver(const RunFolder& folder) : folder_(folder) {}

  /// What a continued run begins with.
  void begin_with(const std::filesystem::path& file, std::int64_t step);
  /// The log's lines are written before the state that they lead to.
  /// @throws IoError; DivergedError  for a state that is not finite: it is never written
  void save(const RunState& state, RunLog& log);
  /// The same, but a failure is a warning. @throws IoError  the third time in a row
  void try_to_save(const RunState& state, RunLog& log);
  /// Writes best.safetensors, now or with the next save.
  void keep_best(const DetectionModel& model, const ModelInfo& info);

  /// "last durable step 40: runs/train/exp/last.safetensors", or that there is none.
  std::string last_durable() const;
  bool has_saved() const { return !durable_file_.empty(); }

 private:
  struct Weights {
    TensorMap tensors;
    FileMetadata metadata;
  };

  const RunFolder& folder_;
  std::optional<Weights> unsaved_best_;
  int failed_saves_ = 0;  ///< in a row
  std::filesystem::path durable_file_;
  std::int64_t durable_step_ = 0;
};

/// @throws DivergedError  if a number in it is not finite
void require_finite(const TensorMap& state);

}  // namespace rtdetr
