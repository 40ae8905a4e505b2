#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "core/tensor/tensor_file.h"
#include "models/graph/model.h"

namespace rtdetr {

/// What a backbone was given.
struct BackboneReport {
  std::string read_as;                 ///< "timm ResNet-D"
  std::string part;                    ///< of the file where they were, "state_dict"; empty = the whole
  std::int64_t taken = 0;              ///< entries of the model
  std::int64_t made = 0;               ///< entries that the source does without, made as what does nothing
  std::int64_t rescaled = 0;           ///< norms whose eps is another here
  double file_eps = 0;                 ///< of the file's norms
  std::vector<std::string> unused;     ///< entries of the file
  std::string remark;                  ///< what these weights cannot give this model, or who may use them
  std::vector<std::string> initial{};  ///< entries of the model that no such file has: they stay as they began
};

/// Gives the model's backbone the weights of an ImageNet classifier: as the official code stores them, torchvision's
/// ResNet (PResNet's variant b; rtdetr-resnet50 and 101), timm's ResNet-D and HGNetv2 (B4, B5, B6), or the backbone of
/// an official detector; or a plain vision transformer as MAE and timm store it, without relative positions and
/// pyramid. Which it is, is told by the names. All of the backbone that such files have is taken, or nothing.
/// @throws CheckpointError  naming what is missing or of another shape; for hgnetv2_b0 to b3, whose blocks have
///                          a scale, if the model's have none; a model file of ours (weights= takes that); IoError
BackboneReport take_backbone_weights(DetectionModelImpl& model, const std::string& file);
/// "resnet50d.pth: the backbone's 265 entries are taken over, read as timm ResNet-D; …".
std::string describe(const BackboneReport& report, const std::string& file);

}  // namespace rtdetr
