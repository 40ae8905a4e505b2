#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

/// What other programs taught people to type, as this program's own words.
namespace rtdetr {

/// Ultralytics' command lines name a task, and may write the command as a setting: "detect" before or behind the
/// command and, wherever it stands, "task=detect" are left out, for there is no other task; "mode=train", wherever it
/// stands, becomes "train" in front, and is left out where that is there already.
std::vector<std::string> with_command_first(std::span<const std::string> words);

struct KeyValue {
  std::string key;
  std::string value;
  std::string argument;  ///< as typed
};

/// A key of another program that means the same becomes ours: lr=0.1 is lr0=0.1, cos_lr=true is schedule=cosine,
/// scale=0.5, which is no letter, is mosaic_scale=0.5.
void translate_key(KeyValue& pair);

/// What a value means under a key of ours: amp=True is amp=auto, amp=False amp=off, resume=true resume=auto, and the
/// name of an optimizer may be in capitals.
std::string translated_value(const std::string& key, std::string value);

}  // namespace rtdetr
