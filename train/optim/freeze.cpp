#include "train/optim/freeze.h"

#include <algorithm>
#include <regex>

#include <torch/torch.h>

#include "core/base/error.h"
#include "train/optim/name_pattern.h"

namespace rtdetr {

std::int64_t freeze_parameters(torch::nn::Module& module, const std::string& pattern) {
  const std::regex names = name_pattern("freeze", pattern);
  std::int64_t count = 0;
  for (auto& item : module.named_parameters()) {
    if (!std::regex_search(item.key(), names)) continue;
    item.value().set_requires_grad(false);
    count += item.value().numel();
  }
  if (count > 0) return count;
  throw ConfigError("freeze: no parameter's name contains '" + pattern + "'; they begin like '" +
                    module.named_parameters().front().key() +
                    "', and `rtdetr info model=…` lists the rows and their paths");
}

void hold_frozen_statistics(torch::nn::Module& module, const std::string& pattern) {
  const std::regex names = name_pattern("freeze", pattern);
  for (const auto& item : module.named_modules()) {
    if (!item.value()->named_buffers(/*recurse=*/false).contains("running_mean")) continue;
    const auto own = item.value()->named_parameters(/*recurse=*/false);
    const bool frozen = std::all_of(own.begin(), own.end(), [&](const auto& parameter) {
      return std::regex_search(item.key() + "." + parameter.key(), names);
    });
    if (frozen && !own.is_empty()) item.value()->eval();
  }
}

}  // namespace rtdetr
