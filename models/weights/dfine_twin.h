#pragma once

#include <filesystem>
#include <string>

#include "core/weights/weights_file.h"
#include "models/graph/model_spec.h"
#include "models/weights/official_rows.h"

/// Weights of D-FINE and of DEIM on D-FINE have the same names and shapes, and other activations behind them: ReLU and
/// SiLU. Which of the two a file holds is told by what else it says, and by its name.
namespace rtdetr {

/// What the official programs leave beside the weights. Of DEIM's, the learning rate's schedule has no state.
struct TwinClues {
  enum class Program { kUnknown, kDfine, kDeim };

  std::string file, folder;             ///< names, which may say whose they are
  Program program = Program::kUnknown;  ///< that wrote a training state; unknown without one
};
TwinClues twin_clues(const WeightsFile& file, const std::filesystem::path& path);

struct TwinVerdict {
  bool deim = false;
  std::string why;  ///< "as the file's name says"; empty: nothing tells, and D-FINE is a guess
};
/// The surest clue decides: D-FINE's program, which has ReLU alone; the file's name; norms of a backbone that D-FINE
/// freezes; DEIM's program, which trains D-FINE, too; the folder's name.
/// @param norms  of the backbone; kUnknown for sizes whose norms both train
TwinVerdict tell_twin(const TwinClues& clues, FrozenNorms norms);

/// For a model that is given: "they look like DEIM's, …, and the model's decoder has act: relu". Empty if the verdict
/// is the model's, or a guess, or the model has no such decoder.
/// @throws ModelError  for a model that cannot be built
std::string twin_remark(const TwinVerdict& verdict, const ModelSpec& model);

}  // namespace rtdetr
