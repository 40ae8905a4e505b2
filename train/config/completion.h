#pragma once

#include <span>
#include <string>

/// Scripts that let a shell complete commands, keys and what a key accepts, made from the key table.
namespace rtdetr {

/// The word before a shell's name: `rtdetr completion bash`.
inline constexpr const char* kCompletion = "completion";

/// bash, zsh, fish.
std::span<const std::string> completed_shells();

/// The script for one of them, to be read by it: `source <(rtdetr completion bash)`.
std::string completion_script(const std::string& shell);

}  // namespace rtdetr
