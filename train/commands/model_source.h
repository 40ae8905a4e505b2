#pragma once

#include <filesystem>
#include <optional>

#include "core/base/precision.h"
#include "core/distributed/process_group.h"
#include "core/image/fit.h"
#include "models/weights/checkpoint.h"
#include "train/config/settings.h"

namespace rtdetr {

/// Whether model= is a YAML and not weights: a name without extension that is no file and no Hugging Face model's
/// folder, such as rtdetr-n, is looked up among the model YAMLs.
bool is_model_yaml(const std::filesystem::path& file);

/// What model= names, opened on the device of device=: a YAML with its seeded initial weights, or a checkpoint, one of
/// another program too (models/weights/foreign_model.h).
struct OpenedModel {
  DetectionModel model{nullptr};  ///< in evaluation mode, without gradients
  ModelInfo info;                 ///< of a YAML: classes are called by their numbers
  bool is_checkpoint = false;

  /// Input size of a checkpoint; a YAML has none.
  std::optional<ImageSize> size() const;
};

/// How pictures fill the input: as fit= says where it is given, else as those of the model's training did.
Fit fit_of(const Settings& settings, const ModelInfo& info);

/// What a YAML's model is filled with.
enum class InitialWeights {
  kDrawn,  ///< as the references draw them, from seed=
  kNone,   ///< tensors without memory, on no device, for who looks at the structure alone
};

/// Opens model= under scale=, nc=, num_queries=, decoder_layers= and seed=.
/// @throws ConfigError, ModelError, CheckpointError, IoError
OpenedModel open_model(const Settings& settings, InitialWeights initial = InitialWeights::kDrawn);

/// The number type that amp= asks for on this device; says which unless that is float32. Several processes go by the
/// main one's choice.
/// @param ranges      of the model's file
/// @throws ConfigError  if the device cannot compute in it
Precision model_precision(const Settings& settings, torch::Device device, const InputRanges& ranges,
                          ProcessGroup& group = world_of_one());

/// For commands that write weights: a YAML's are as they were drawn, which a warning says.
void warn_if_untrained(const Settings& settings, const OpenedModel& opened);

/// For commands that need trained weights. @throws ConfigError  for a YAML, saying what to use instead
void require_trained(const Settings& settings);

}  // namespace rtdetr
