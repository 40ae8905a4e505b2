#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/weights/weights_file.h"

namespace rtdetr {

/// Tensors of a file that may be a model's: under `ema`, `model`, `state_dict` or the like, or all of them, without
/// what wrappers put before each name (`module.`, `_orig_mod.`).
struct WeightPart {
  std::string prefix;                                    ///< "ema.module."; empty = the whole
  std::map<std::string, const WeightTensor*> tensors{};  ///< by the names that they have in it

  std::string name() const;  ///< "ema.module"
  std::vector<std::string> names() const;
};

WeightPart part_below(const WeightsFile& file, const std::string& prefix);

/// The parts that have tensors, the best first: averaged weights come before raw ones.
std::vector<WeightPart> parts_of(const WeightsFile& file);

}  // namespace rtdetr
