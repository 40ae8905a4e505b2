#pragma once

#include <span>
#include <string>

/// Scripts that let a shell complete commands, keys and what a key accepts, made from the key table. Names of files
/// that come along are not in a script: it asks the program for them, `rtdetr completion models`.
namespace rtdetr {

/// The word before a shell's name: `rtdetr completion bash`.
inline constexpr const char* kCompletion = "completion";

/// bash, zsh, fish.
std::span<const std::string> completed_shells();

/// models, recipes, datasets: what `rtdetr completion` lists beside the shells' scripts.
std::span<const std::string> completed_names();
/// The names of what comes along, one a line, without the files' ending.
std::string names_to_complete(const std::string& kind);

/// The script for one of them, to be read by it: `source <(rtdetr completion bash)`.
std::string completion_script(const std::string& shell);

}  // namespace rtdetr
