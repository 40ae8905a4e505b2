#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/image/image_size.h"
#include "core/weights/weights_file.h"
#include "models/graph/model_spec.h"
#include "models/weights/picture_form.h"

/// Which model a file of another program's weights belongs to.
namespace rtdetr {

/// What is recognised, what stands beside the weights, and what had to be assumed.
struct Architecture {
  ModelSpec spec;        ///< one of the zoo's, or one of its family's with the numbers found; nc is the file's
  std::string sentence;  ///< "official RT-DETRv2 with ResNet-50-vd, 6 decoder layers, 80 classes: rtdetrv2_r50vd.yaml"
  std::vector<std::string> assumed;  ///< what no file can say or this one does not, each with the key that says it
  std::vector<std::string> names;    ///< of the classes; empty if the file has none
  std::optional<ImageSize> size;     ///< of the input, if the file says it
  PictureForm pictures;
  bool fused = false;  ///< norms are folded into convolutions
};

/// Looks at names and shapes alone, at the numbers and texts of a pickled model, and at config.json beside a file of
/// Hugging Face.
/// @param path   of the file, for messages and for its neighbours
/// @param given  the model, which is taken as it is but for its number of classes
/// @throws CheckpointError  for what is none of our models (DETR, a later YOLO, a backbone, …) or cannot be expressed,
///                          saying what it is and what to do; ModelError
Architecture recognise_architecture(const WeightsFile& file, const std::filesystem::path& path,
                                    const std::optional<ModelSpec>& given = {});

/// "80 classes".
std::string words_for_classes(std::int64_t classes);

}  // namespace rtdetr
