#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/input_ranges.h"
#include "core/base/precision.h"
#include "core/image/fit.h"
#include "core/image/resize.h"
#include "core/io/file.h"
#include "core/io/safetensors.h"
#include "core/tensor/tensor_file.h"
#include "models/graph/model.h"
#include "models/graph/model_spec.h"

/// Model files: safetensors whose tensors are a model's state under its own keys, and whose metadata builds that model
/// again. A model file needs no second one.
namespace rtdetr {

/// What a model file says beside its weights; every entry is one string in `__metadata__`, under the field's name. A
/// run's names and ids are those of its training split (Dataset::classes).
struct ModelInfo {
  std::string model_name;  ///< of the YAML, e.g. "rtdetr-n"
  std::string model_yaml;  ///< its text, with every override written into it
  std::int64_t num_classes = 0;
  std::int64_t decoder_layers = 0;         ///< layers in the file
  bool fused = false;                      ///< DetectionModel::fuse has run
  std::vector<std::string> names;          ///< of the classes; JSON array
  std::vector<std::int64_t> category_ids;  ///< of the classes, as annotation files call them; JSON array
  std::int64_t height = 640, width = 640;  ///< input size, "imgsz": "[height, width]"
  std::int64_t step = 0, epoch = 0;        ///< of training, when these weights were
  /// How the pictures that it was trained on were brought to that size, "resample": its word.
  Resampling resampling = Resampling::kPillowBilinear;
  /// And how they filled it, "fit": its word. With kKeepRatio the size is the two limits of a picture's sides.
  Fit fit = Fit::kStretch;
  /// Score at which these weights' mean F1 was best on the validation split; absent in files that were not validated.
  std::optional<double> best_confidence;
  /// Number type that its weights are stored in, "dtype"; they are computed with in float32 all the same.
  Precision number_type = Precision::kFloat32;
  std::string license;  ///< of the weights, in the words of who exported them; "" = none was said
  /// The calibration, "input_ranges": what its products are given, which computing in int8 must know. A JSON object of
  /// [low, high]; absent in files that were exported without.
  InputRanges input_ranges;
};

/// `info` with what the model itself knows (name, YAML, classes, layers, fused) taken from it.
ModelInfo describe_model(const DetectionModel& model, ModelInfo info);
/// As written into a file, with `format` = "rtdetr", `format_version` and `program_version`.
FileMetadata to_metadata(const ModelInfo& info);
/// The file says that it is one of ours. Others hold tensors alone, for what takes tensors by name (weights=).
bool has_model_info(const FileMetadata& metadata);
/// @throws CheckpointError  naming `file` and the entry that is missing or not what it should be
ModelInfo to_model_info(const FileMetadata& metadata, const std::filesystem::path& file);

/// The YAML that a file holds, parsed. @param origin  what messages call the file
/// @throws ModelError; CheckpointError  if it has another number of classes than the metadata
ModelSpec model_spec_of(const ModelInfo& info, const std::string& origin);

struct LoadedModel {
  DetectionModel model{nullptr};  ///< in evaluation mode
  ModelInfo info;
  FileMetadata metadata;  ///< everything, for entries of the trainer's own
};

/// The weights among a file's tensors: all of them; of a run's last.safetensors the averaged ones, `ema.…`, called as
/// in a model file.
TensorMap weights_among(TensorMap tensors);

/// One of our own files: builds the model that it describes, and gives it the file's weights (weights_among).
LoadedModel load_own_model(const SafetensorsReader& file);
LoadedModel load_own_model(const std::filesystem::path& file);

/// How much of a file's model is built: the one way in which a model is cut for good
/// (docs/reference/model_files.md#depth).
struct ModelCut {
  std::int64_t decoder_layers = 0;  ///< the first k, without the others' weights; 0 = all in the file
  std::int64_t num_queries = 0;     ///< the best k of the encoder's tokens; 0 = as many as the file says
};

/// The same, and another program's file or folder (foreign_model.h), of which it says what was recognised and assumed.
/// @throws CheckpointError  for a missing, unexpected or mis-shaped tensor, by name; ModelError for its YAML;
///                          ConfigError if there are fewer layers than asked for, or no queries to choose; IoError
LoadedModel load_model(const std::filesystem::path& file, const ModelCut& cut = {});
/// One of our own files, whose bytes are in memory: they are copied. @throws as above, also for another program's file
LoadedModel load_model(std::span<const std::byte> bytes, const ModelCut& cut = {});

/// Writes the model's state in `info.number_type` and `describe_model(model, info)`, atomically and durably.
/// @param extra    further metadata entries
/// @param options  e.g. to look at the file before it gets its name
void save_model(const std::filesystem::path& file, const DetectionModel& model, const ModelInfo& info,
                const FileMetadata& extra = {}, const AtomicWriteOptions& options = {});

/// Copies `tensors` into the module's parameters and buffers. Floating types may differ, and are converted. Constants
/// (models/layers/state_constants.h) may be of any type and are compared.
/// @param origin  what messages call the source
/// @throws CheckpointError  listing missing, unexpected and mis-shaped keys, and other constants; the module is
/// unchanged then
void load_state(torch::nn::Module& module, const TensorMap& tensors, const std::string& origin);

}  // namespace rtdetr
