#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "core/io/yaml.h"
#include "train/config/settings.h"

/// A run that is continued need not be told again what it is: its checkpoint knows.
namespace rtdetr {

/// The two maps of told_settings: what is typed is never fitted to a run's length (run_length.h), a recipe's values
/// are.
inline constexpr const char* kToldOnCommandLine = "command_line";
inline constexpr const char* kToldByRecipe = "recipe";

/// The keys that a run was given, as YAML for its checkpoint; without those that belong to one call of the program
/// alone (resume, check, json, …). Files are named by their absolute paths, so that they are found from anywhere.
std::string told_settings(const Settings& settings);

struct ToldRun {
  std::filesystem::path file;  ///< the checkpoint
  YamlDocument settings;       ///< what told_settings gave
};
/// The run that resume= names, from its checkpoint's header. nullopt if resume=auto finds no run.
/// @throws ConfigError  if there is no such file; CheckpointError, IoError
std::optional<ToldRun> run_to_continue(const Settings& settings);

}  // namespace rtdetr
