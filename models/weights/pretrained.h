#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/tensor/tensor_file.h"
#include "models/graph/model_parts.h"
#include "models/graph/weights_parts.h"
#include "models/weights/picture_form.h"

namespace rtdetr {

/// What became of one entry.
struct TransferredEntry {
  enum class Fate {
    kWhole,      ///< taken over as it is
    kByClass,    ///< taken over row by row, the rows of classes that both sides have
    kFirstRows,  ///< learnt queries of another number, or classes without names beside padding: as many as both have
    kNoClass,    ///< keeps its initial values: it has a row per class, and no class is on both sides
    kMissing,    ///< keeps them: the file has none of this name
    kMisfit,     ///< keeps them: the file's has another shape, or is another constant
    kLeftOut,    ///< keeps them: its part was not wanted
    kUnused,     ///< of the file, and the model has none of this name
  } fate = Fate::kWhole;
  std::string key;
  std::string shapes;  ///< of a misfit: "[80, 256] in the file, [3, 256] here", or "8 instead of 4"
  ModelPart part = ModelPart::kElsewhere;
};

/// What a transfer found.
struct TransferReport {
  std::vector<TransferredEntry> entries;  ///< the model's in its order, then what is unused of the file
  std::int64_t classes = 0;               ///< classes that both sides have
  std::int64_t file_layers = 0;           ///< decoder layers that the file has weights of; 0 = none
  std::optional<PictureForm> pictures;    ///< that the weights were trained on; absent where nothing says it

  std::int64_t count(TransferredEntry::Fate fate) const;
  std::int64_t taken() const;
  std::int64_t of_model() const;  ///< entries that the model has
};

/// Starts a model from a checkpoint's weights (fine-tuning): entries with the same name and shape are copied, rows of
/// score heads and of the denoising embedding by the class's name (letter case and outer blanks do not count), of
/// learnt queries as many as there are. That embedding may have a row for padding on either side. The rest stays as it
/// is.
///
/// @param from_classes  of the weights, in their order; none: they are the model's where their number is
/// @param to_classes    of the model
TransferReport transfer_weights(DetectionModelImpl& model, const std::vector<std::string>& to_classes,
                                const TensorMap& weights, const std::vector<std::string>& from_classes,
                                WeightsParts parts = WeightsParts::kAll);

/// Starts the model from a file: a model file, the averaged weights of a run's last.safetensors, or what another
/// program wrote under our keys (find_weights), whose classes are taken by name if it names them, or has COCO's 80 (of
/// DINO the 91 ids) and the model some of them, else in their order. Says what was taken, and warns when that is less
/// than nine tenths of what was wanted, and when the model file's pictures were normalised in another way.
/// @throws CheckpointError  when nothing fits, and for an exported or fused file: fusion is not undone
TransferReport take_weights(DetectionModelImpl& model, const std::vector<std::string>& to_classes,
                            const std::string& file, WeightsParts parts = WeightsParts::kAll);

/// "weights.safetensors: 312 of the model's 316 entries taken over, 4 of them class by class (2 classes match by
/// name)".
std::string describe(const TransferReport& report, const std::string& file);
/// Less than nine tenths were taken over: "only 161 of 410 …" with the parts that were not and how many of each.
/// Empty when it was enough.
std::string shortfall(const TransferReport& report, const std::string& file);

}  // namespace rtdetr
