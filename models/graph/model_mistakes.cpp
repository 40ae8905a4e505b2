#include "models/graph/model_mistakes.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/text.h"

namespace rtdetr {

void ModelMistakes::add(int line, const std::string& what) {
  messages_.emplace_back(line, origin_ + ":" + std::to_string(line) + ": " + what);
}

void ModelMistakes::throw_if_any() const {
  if (messages_.empty()) return;
  std::vector<std::pair<int, std::string>> sorted = messages_;
  std::ranges::stable_sort(sorted, {}, &std::pair<int, std::string>::first);
  constexpr std::size_t kShown = 20;
  std::vector<std::string> lines;
  for (const auto& [line, message] : sorted) {
    if (lines.size() < kShown) lines.push_back(message);
  }
  if (sorted.size() > kShown) lines.push_back("… and " + std::to_string(sorted.size() - kShown) + " more mistakes");
  throw ModelError(join(lines, "\n"));
}

}  // namespace rtdetr
