#include "train/config/spelling.h"

#include <algorithm>
#include <array>
#include <utility>

#include "train/config/command_table.h"
#include "train/config/keys.h"

namespace rtdetr {
namespace {

std::string_view without_dashes(std::string_view word) {
  return word.substr(std::min(word.find_first_not_of('-'), word.size()));
}

/// Ultralytics' scale= is a mosaic's; ours is the letter of a model's size.
bool is_number(const std::string& value) {
  return !value.empty() && value.find_first_not_of("0123456789.") == std::string::npos;
}

/// Whether the words behind a command are settings alone, not runs or topics.
bool takes_settings(const std::string& command) {
  const CommandInfo* info = find_command(command);
  return info && info->command != Command::kCompare && info->command != Command::kHelp;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

std::vector<std::string> with_command_first(std::span<const std::string> words) {
  constexpr std::string_view kMode = "mode=", kTask = "detect";
  if (!words.empty() && words.front() == kTask) words = words.subspan(1);
  std::vector<std::string> own(words.begin(), words.end());
  if (own.size() > 1 && own[1] == kTask && takes_settings(own[0])) own.erase(own.begin() + 1);
  std::erase_if(own, [](const std::string& word) { return without_dashes(word) == "task=detect"; });
  const auto mode =
      std::ranges::find_if(own, [&](const auto& word) { return without_dashes(word).starts_with(kMode); });
  if (mode == own.end()) return own;
  const std::string command(without_dashes(*mode).substr(kMode.size()));
  if (find_command(own.front()) && own.front() != command) return own;
  own.erase(mode);
  if (own.empty() || own.front() != command) own.insert(own.begin(), command);
  return own;
}

void translate_key(KeyValue& pair) {
  constexpr auto kSame =
      std::to_array<std::pair<std::string_view, std::string_view>>({{"batch_size", "batch"},
                                                                    {"lr", "lr0"},
                                                                    {"learning_rate", "lr0"},
                                                                    {"img", "imgsz"},
                                                                    {"img_size", "imgsz"},
                                                                    {"imgsize", "imgsz"},
                                                                    {"image_size", "imgsz"},
                                                                    {"fliplr", "flip"},
                                                                    {"flipud", "flip_vertical"},
                                                                    {"translate", "mosaic_translate"},
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
  if (pair.key == "scale" && is_number(pair.value)) pair.key = "mosaic_scale";
  if (pair.key != "cos_lr") return;
  if (const auto truth = truth_of(pair.value)) {
    pair.key = "schedule";
    pair.value = *truth ? "cosine" : "linear";
  }
}

std::string translated_value(const std::string& key, std::string value) {
  if (key == "optimizer") std::ranges::transform(value, value.begin(), lower);
  if (key != "amp" && key != "resume") return value;
  const std::optional<bool> truth = truth_of(value);
  if (!truth) return value;
  if (key == "resume") return *truth ? "auto" : "false";
  return *truth ? "auto" : "off";
}

}  // namespace rtdetr
