#pragma once

#include <array>
#include <string>

#include "core/base/choices.h"
#include "models/graph/model.h"

namespace rtdetr {

/// The parts of a model that people speak of, in the order in which a picture passes them.
enum class ModelPart {
  kBackbone,
  kEncoder,
  kDecoderInput,  ///< projections of the encoder's maps
  kDecoderLayers,
  kQueries,  ///< what makes queries of the encoder's tokens
  kScoreHeads,
  kBoxHeads,
  kDenoising,  ///< embedding of the classes of noisy queries: training alone
  kElsewhere,  ///< no entry of the model, but of a file
};
inline constexpr std::array<Choice<ModelPart>, 9> kModelPartWords{{{"backbone", ModelPart::kBackbone},
                                                                   {"encoder", ModelPart::kEncoder},
                                                                   {"decoder input", ModelPart::kDecoderInput},
                                                                   {"decoder layers", ModelPart::kDecoderLayers},
                                                                   {"queries", ModelPart::kQueries},
                                                                   {"score heads", ModelPart::kScoreHeads},
                                                                   {"box heads", ModelPart::kBoxHeads},
                                                                   {"denoising embedding", ModelPart::kDenoising},
                                                                   {"elsewhere", ModelPart::kElsewhere}}};

/// Tells the parts of entries by the row that they belong to, and those of the last row by their names. What belongs to
/// no row, as in a file of a deeper backbone or with another path of the head, is told by how official names begin.
class ModelParts {
 public:
  explicit ModelParts(const DetectionModelImpl& model) : rows_(model.rows()) {}
  ModelPart of(const std::string& key) const;

 private:
  std::vector<DetectionModelImpl::Row> rows_;
};

}  // namespace rtdetr
