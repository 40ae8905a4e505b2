#include "train/optim/freeze.h"

#include <algorithm>
#include <regex>

#include <torch/nn/module.h>

#include "core/base/error.h"
#include "core/base/text.h"
#include "train/optim/name_pattern.h"

namespace rtdetr {

std::string freeze_pattern(const std::string& freeze, std::span<const std::string> rows) {
  const auto count = parse_integer(freeze);
  if (!count) return freeze;
  if (*count < 1 || *count >= std::ssize(rows))
    throw ConfigError("freeze=" + freeze +
                      ": a number freezes so many rows of the model's YAML from the first on, 1 to " +
                      std::to_string(rows.size() - 1));
  std::string pattern;
  for (std::size_t k = 0; k < static_cast<std::size_t>(*count); ++k)
    pattern += (k == 0 ? "^(" : "|") + std::regex_replace(rows[k], std::regex("\\."), "\\.");
  return pattern + ")\\.";
}

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
