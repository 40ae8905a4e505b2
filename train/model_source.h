#pragma once

#include <filesystem>
#include <optional>

#include "models/checkpoint.h"
#include "train/settings.h"

namespace rtdetr {

/// What model= names, opened: a YAML with its seeded initial weights, or a checkpoint.
struct OpenedModel {
  DetectionModel model{nullptr};  ///< in evaluation mode, without gradients
  ModelInfo info;                 ///< of a YAML: classes are called by their numbers
  bool is_checkpoint = false;

  /// Input size of a checkpoint; a YAML has none.
  std::optional<ImageSize> size() const;
};

/// What a YAML's model is filled with.
enum class InitialWeights {
  kDrawn,  ///< as the references draw them, from seed=
  kZero,   ///< for who looks at the structure alone: drawing takes seconds
};

/// Opens model= under scale=, nc=, num_queries=, decoder_layers= and seed=. A run's last.safetensors gives its averaged
/// weights.
/// @throws ConfigError, ModelError, CheckpointError, IoError
OpenedModel open_model(const Settings& settings, InitialWeights initial = InitialWeights::kDrawn);

/// True for a run's last.safetensors, which holds averaged weights (`ema.…`) among much else.
bool holds_whole_run(const std::filesystem::path& checkpoint);

/// For commands that need trained weights in a file of their own.
/// @throws ConfigError  for a YAML or a run's last.safetensors, saying what to use instead
void require_model_file(const Settings& settings);

}  // namespace rtdetr
