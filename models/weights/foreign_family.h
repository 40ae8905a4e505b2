#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/weights/weights_file.h"
#include "models/weights/picture_form.h"
#include "models/weights/weight_reading.h"

/// Whose weights a file holds, where in it they are, and how they are called here.
namespace rtdetr {

enum class Family { kOfficial, kUltralytics, kHuggingFace, kDino };

struct ForeignPlace {
  Family family = Family::kOfficial;
  std::string prefix;  ///< of the model's tensors: "ema.module."; "" = the whole file
  std::string head;    ///< Ultralytics: number of the last row, "28"
  std::string scores;  ///< name in the file of the tensor with a row for each class
};

/// As the programs of that family bring pictures to the input.
PictureForm picture_form_of(const ForeignPlace& place);

/// Averaged weights (`ema`) come before the raw ones. nullopt for what is no model that is read.
std::optional<ForeignPlace> find_model(const WeightsFile& file);
/// The same.
/// @param origin  what messages call the file
/// @throws CheckpointError  for what is no model that is read, saying what it is and what to do
ForeignPlace locate_model(const WeightsFile& file, const std::string& origin);

/// The model's tensors there, with their names read as ours.
/// @throws CheckpointError  as plan_keys
WeightReading reading_at(const WeightsFile& file, const ForeignPlace& place, const std::string& origin);

/// The decoder of the file's model refines boxes in another way than RT-DETR's: D-FINE's or DEIM's, which is then the
/// answer. Empty if it is not so.
std::string words_for_other_decoder(const WeightsFile& file);

/// What else is in the file, with its number of tensors: "optimizer (1,066 tensors)", "epoch".
std::vector<std::string> other_contents(const WeightsFile& file, const ForeignPlace& place);

}  // namespace rtdetr
