#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "core/tensor/tensor_file.h"
#include "train/run/run_folder.h"

namespace rtdetr {

/// Settings that a continued run must share with the one that was saved, as text by key.
using RunIdentity = std::map<std::string, std::string>;

/// What last.safetensors holds beside tensors.
struct RunFacts {
  RunIdentity identity;
  double train_seconds = 0;  ///< spent in training so far, validation and saving left out
  std::string loss_terms;    ///< names of the loss terms, comma-separated; what the sums in the state belong to
  std::string precision;     ///< "fp32", "bf16" or "fp16": what amp= came to when the run began

  // of versions from 0.2 on; the defaults stand for older files
  std::map<std::string, std::string> fitted;  ///< keys that were fitted to the run's length, see run_length.h
  double time = 0;                            ///< hours that bound the run; 0 = none
  std::int64_t epochs = 0;                    ///< that bound the run; 0 = only the time did
  double lifted_time = 0;                     ///< hours of time= that were used up and no longer count
  double lr_factor = -1;                      ///< of the next step, by the length that the run had; -1 = not known
  std::string settings;                       ///< what the run was told, as YAML (continued_run.h)
  std::int64_t validated_step = -1;           ///< steps that were done at the last validation; -1 = none, or not known
};

struct RunCheckpoint {
  std::filesystem::path file;
  TensorMap state;
  RunFacts facts;
  std::optional<double> best_confidence;  ///< see ModelInfo
};

/// Writes last.safetensors durably; the one before stays as last-1.safetensors.
/// @param model_metadata  the model's own entries (YAML text, classes), so that the file needs no second one
/// @throws IoError
void save_run(const RunFolder& folder, const TensorMap& state, const RunFacts& facts, FileMetadata model_metadata);
/// Before the first save of a run that began with last-1.safetensors: a damaged last.safetensors, which would take that
/// one's place, is renamed to last.safetensors.damaged. @throws IoError
void set_damaged_aside(const RunFolder& folder);

/// Reads last.safetensors, or with a warning last-1.safetensors when that is damaged or missing.
/// @return nullopt if there is neither
/// @throws CheckpointError  if both are damaged
std::optional<RunCheckpoint> load_run(const RunFolder& folder);
/// Reads this very file.
RunCheckpoint load_run_file(const std::filesystem::path& file);
/// The facts alone, from the file's header. @throws CheckpointError, IoError
RunFacts read_run_facts(const std::filesystem::path& file);

/// Writes best-state.safetensors, with the settings of the run whose it is. @throws IoError
void save_best_state(const RunFolder& folder, const TensorMap& trained, const RunIdentity& identity);
/// @throws CheckpointError  if it is damaged, or of a run with another identity; IoError
TensorMap load_best_state(const RunFolder& folder, const RunIdentity& identity);
/// Whether it can be, as far as its header says. @throws as above
void check_best_state(const RunFolder& folder, const RunIdentity& identity);

/// A run keeps its state as last and last-1 and writes a third beside them. Warns when the folder's disk has no room
/// for what is not there yet.
/// @param with_best  best-state.safetensors comes beside them; it is counted as a state
/// @throws IoError  when there is no room for two and the best, or for the next one of a run that is continued
void require_space(const RunFolder& folder, const TensorMap& state, bool with_best);

/// What a state takes as a file, without its header.
std::uintmax_t bytes_of(const TensorMap& state);

/// @throws ConfigError  naming the first setting in which the saved run and this one differ
void check_identity(const RunIdentity& saved, const RunIdentity& wanted, const std::filesystem::path& file);

}  // namespace rtdetr
