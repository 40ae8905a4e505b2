#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/image/image_size.h"
#include "core/io/safetensors.h"
#include "models/weights/architecture.h"
#include "models/weights/checkpoint.h"

/// Models out of the files of other programs: official RT-DETR v1 and v2, Hugging Face, Ultralytics.
namespace rtdetr {

/// What is said beside a file, and wins over it.
struct ForeignModelOptions {
  std::optional<ModelSpec> spec;  ///< the model, which is not recognised then; nc is the file's
  std::optional<std::int64_t> num_queries;
  ImageSize size;                  ///< of the input
  std::vector<std::string> names;  ///< of the classes, with
  std::vector<std::int64_t> category_ids;
};

struct ForeignReport {
  Architecture architecture;
  std::int64_t loaded = 0;              ///< of the model's entries
  std::int64_t joined = 0;              ///< of them, made of three of the file's
  std::int64_t rescaled = 0;            ///< norms of the model whose eps is another than the file's
  double file_eps = 0;                  ///< of the file's norms
  std::vector<std::string> reshaped;    ///< of the model: folded here
  std::vector<std::string> computed;    ///< of the model: not in the file, and known without
  std::vector<std::string> counters;    ///< of the model: counters of batches that begin at 0
  std::vector<std::string> left_out;    ///< of the file: models of ours have no such thing
  std::vector<std::string> unexpected;  ///< of the file: unknown; only with a model that was given
  std::vector<std::string> others;      ///< what else is in the file: other_contents
};

struct ForeignModel {
  LoadedModel loaded;
  ForeignReport report;
};

/// A file's own metadata say that it is one of ours, whole or damaged.
bool is_own_model_file(const FileMetadata& metadata);
/// A file, folder or index of shards, of any other program's weights. @throws CheckpointError, IoError
bool holds_foreign_model(const std::filesystem::path& path);

/// Recognises the model, builds it, and gives it the file's weights; half precision becomes float32.
/// @param path  the file, or a folder or index of Hugging Face
/// @throws CheckpointError  for what is not recognised or not expressible, for weights that are missing, unknown or of
///                          another shape, by name; ModelError, IoError
ForeignModel read_foreign_model(const std::filesystem::path& path, const ForeignModelOptions& options = {});

/// The same for who only wants the model: says what was recognised, and warns of what had to be assumed.
LoadedModel load_foreign_model(const std::filesystem::path& path);

/// What a file says, checked against its model, before that takes memory.
struct ForeignState {
  ModelSpec spec;     ///< what is said beside the file is written into it
  TensorMap tensors;  ///< under the model's keys, not yet in its type: folded ones are float64
  ForeignReport report;
};
/// @throws as read_foreign_model
ForeignState read_foreign_state(const std::filesystem::path& path, const ForeignModelOptions& options = {});
/// Builds the state's model, without values (load_state), and adds what a model computes itself to the tensors.
DetectionModel build_foreign_model(ForeignState& state);

}  // namespace rtdetr
