#pragma once

#include <cstdint>
#include <span>
#include <string>

#include <torch/nn/module.h>

namespace rtdetr {

/// freeze=: a regular expression as it is, a number N as one that matches the first N rows of the model's YAML.
/// @param rows          their paths
/// @throws ConfigError  if the model has no more
std::string freeze_pattern(const std::string& freeze, std::span<const std::string> rows);

/// Parameters whose name contains a match of `pattern` (an ECMAScript regular expression, searched) are not
/// trained any more; they belong to no parameter group and keep their bits.
/// @return  how many parameters were frozen, by number of elements
/// @throws ConfigError  if it is no regular expression, or no name matches
std::int64_t freeze_parameters(torch::nn::Module& module, const std::string& pattern);

/// Normalisation layers that are frozen as a whole use and keep their running statistics. To be called after every
/// train() of the module, which would wake them up.
void hold_frozen_statistics(torch::nn::Module& module, const std::string& pattern);

}  // namespace rtdetr
