#include "train/config/spelling.h"

#include <array>
#include <utility>

#include "train/config/keys.h"

namespace rtdetr {

std::vector<std::string> with_command_first(std::span<const std::string> words) {
  constexpr std::string_view kMode = "mode=";
  if (!words.empty() && (words.front() == "detect" || words.front() == "task=detect")) words = words.subspan(1);
  std::vector<std::string> own(words.begin(), words.end());
  if (!own.empty() && own.front().starts_with(kMode)) own.front().erase(0, kMode.size());
  return own;
}

void translate_key(KeyValue& pair) {
  constexpr auto kSame = std::to_array<std::pair<std::string_view, std::string_view>>({{"batch_size", "batch"},
                                                                                       {"lr", "lr0"},
                                                                                       {"learning_rate", "lr0"},
                                                                                       {"img", "imgsz"},
                                                                                       {"img_size", "imgsz"},
                                                                                       {"imgsize", "imgsz"},
                                                                                       {"image_size", "imgsz"},
                                                                                       {"fliplr", "flip"},
                                                                                       {"flipud", "flip_vertical"},
                                                                                       {"max_norm", "clip_norm"},
                                                                                       {"clip_max_norm", "clip_norm"},
                                                                                       {"config", "cfg"},
                                                                                       {"confidence", "conf"},
                                                                                       {"dataset", "data"},
                                                                                       {"num_classes", "nc"},
                                                                                       {"num_workers", "workers"}});
  for (const auto& [foreign, ours] : kSame) {
    if (pair.key == foreign) pair.key = ours;
  }
  if (pair.key != "cos_lr") return;
  if (const auto truth = truth_of(pair.value)) {
    pair.key = "schedule";
    pair.value = *truth ? "cosine" : "linear";
  }
}

}  // namespace rtdetr
