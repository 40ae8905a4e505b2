#include "train/config/continued_run.h"

#include <vector>

#include "core/base/error.h"
#include "core/io/utf8.h"
#include "core/io/yaml_writer.h"
#include "train/config/input_files.h"
#include "train/config/keys.h"
#include "train/config/run_length.h"
#include "train/run/run_checkpoint.h"

namespace rtdetr {
namespace {

namespace fs = std::filesystem;

ToldRun told_in(const fs::path& file) {
  const RunFacts facts = read_run_facts(file);
  return {file, parse_yaml(facts.settings.empty() ? "{}" : facts.settings, file.string())};
}

}  // namespace

std::string told_settings(const Settings& settings) {
  YamlNode typed, others;
  typed.kind = others.kind = YamlNode::Kind::kMap;
  const YamlDocument all = parse_yaml(settings_to_yaml(settings), "settings");
  for (const auto& [key, value] : all.root.entries) {
    if (!settings.is_given(key) || find_key(key)->on_resume == Key::OnResume::kOfOneCall) continue;
    const bool is_file = (key == "model" || key == "data") && fs::is_regular_file(value.scalar);
    const std::string whole = is_file ? fs::absolute(value.scalar).string() : "";
    YamlNode& told = is_typed(settings, key) ? typed : others;
    // A folder above it may have a name that no YAML holds; then the run goes on from here alone.
    told.entries.push_back({key, is_file && is_utf8(whole) ? yaml_scalar(whole, true) : value});
  }
  YamlNode both;
  both.kind = YamlNode::Kind::kMap;
  both.entries = {{kToldOnCommandLine, typed}, {kToldByRecipe, others}};
  return write_yaml(both);
}

std::optional<ToldRun> run_to_continue(const Settings& settings) {
  const bool automatic = settings.resume == "auto";
  if (!automatic) require_input_file(settings, "resume", settings.resume);
  if (!automatic && fs::is_regular_file(settings.resume)) return told_in(settings.resume);
  const fs::path folder = automatic ? fs::path(settings.project) / settings.name : fs::path(settings.resume);
  std::vector<fs::path> files;
  for (const char* name : {"last.safetensors", "last-1.safetensors"})
    if (fs::exists(folder / name)) files.push_back(folder / name);
  for (const fs::path& file : files) {
    try {
      return told_in(file);
    } catch (const CheckpointError&) {
      if (file == files.back()) throw;
    }
  }
  return std::nullopt;
}

}  // namespace rtdetr
