#pragma once

#include <string>
#include <vector>

#include "train/optim/param_groups.h"

namespace rtdetr {

/// Layer-wise learning rates of plain vision transformers (ViTDet, arXiv 2203.16527 §A; BEiT): the nearer to the
/// picture, the slower. Of L blocks, block i learns at decay^(L − i) times its group's rate, the patches and the table
/// of absolute positions at decay^(L + 1); all else, and convolutional blocks behind a block, at the group's own.
///
/// @param groups  each is split by layer, the slowest first, and keeps its weight decay
/// @param names   of all parameters, frozen ones too: they tell where the transformers are and how deep
/// @param decay   in (0, 1]; 1 leaves the groups as they are
/// @throws ConfigError  if there is no transformer
std::vector<ParameterGroup> decay_by_layer(std::vector<ParameterGroup> groups, const std::vector<std::string>& names,
                                           double decay);

}  // namespace rtdetr
