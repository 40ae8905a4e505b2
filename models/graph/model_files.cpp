#include "models/graph/model_files.h"

#include <regex>

#include "core/base/error.h"
#include "core/base/installation.h"
#include "core/base/text.h"
#include "core/io/file.h"
#include "core/io/file_kind.h"
#include "core/io/shipped_files.h"
#include "models/graph/graph_plan.h"
#include "models/graph/model_mistakes.h"
#include "models/graph/spec_reader.h"

namespace rtdetr {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLargestModelFile = std::size_t{1} << 20;
constexpr std::size_t kLongestStem = 255;  ///< of a file; std::regex goes deeper with every character

fs::path with_extension(fs::path name) {
  if (!name.has_extension()) name += ".yaml";
  return name;
}

YamlDocument parse_as_model(const std::string& text, const std::string& origin) {
  try {
    return parse_yaml(text, origin);
  } catch (const ConfigError& error) {
    throw ModelError(error.what());
  }
}

/// Whether the letter in a file's own name says its scale: it has that one, and does not say which itself.
bool offers_scale(const std::string& text, const std::string& origin, const std::string& letter) {
  const YamlNode root = parse_as_model(text, origin).root;
  const YamlNode* scales = root.is_map() && !root.find("scale") ? root.find("scales") : nullptr;
  return scales && scales->is_map() && scales->find(letter);
}

}  // namespace

LetteredName split_scale_letter(const std::string& stem) {
  if (stem.size() > kLongestStem) return {"", stem};
  static const std::regex kPattern("(yolo(?:e-)?v?\\d+)([nslmx])(.*)");
  std::smatch match;
  if (!std::regex_match(stem, match, kPattern)) return {"", stem};
  return {match[2].str(), match[1].str() + match[3].str()};
}

std::string with_scale_letter(const LetteredName& name) {
  static const std::regex kPattern("(yolo(?:e-)?v?\\d+)(.*)");
  std::smatch match;
  if (!std::regex_match(name.stem, match, kPattern)) return name.stem;
  return match[1].str() + name.letter + match[2].str();
}

ModelSpec parse_model_spec(const std::string& text, const std::string& origin, const std::string& scale) {
  const YamlDocument document = parse_as_model(text, origin);
  ModelMistakes mistakes(origin);
  ModelSpec spec = read_model_spec(document.root, scale, mistakes);
  spec.name = fs::path(origin).stem().string();
  spec.origin = origin;
  spec.text = text;
  const GraphPlan plan = plan_graph(spec, mistakes);
  mistakes.throw_if_any();
  count_row_parameters(plan, mistakes);
  mistakes.throw_if_any();
  return spec;
}

fs::path find_model_file(const fs::path& name) {
  const fs::path wanted = with_extension(name);
  const fs::path found = find_shipped_file("models", wanted);
  if (!found.empty()) return found;
  const LetteredName lettered = split_scale_letter(wanted.stem().string());
  return find_shipped_file("models", wanted.parent_path() / (lettered.stem + wanted.extension().string()));
}

ModelSpec load_model_spec(const fs::path& file, const std::string& scale) {
  const fs::path wanted = with_extension(file);
  const LetteredName name = split_scale_letter(wanted.stem().string());
  const fs::path found = find_model_file(file);
  if (found.empty()) {
    throw ConfigError("model '" + file.string() + "': no such file, and no such name among the models that come along" +
                      did_you_mean(wanted.filename().string(), shipped_names("models")));
  }
  if (const std::string kind = describe_foreign_model(found); !kind.empty())
    throw ModelError("'" + found.string() + "' is " + kind + ". A model is built from a YAML file (" +
                     readable_page("docs/reference/model_files.md") + ")");
  const std::string text = read_text_file(found, kLargestModelFile);
  const bool is_own_name = !name.letter.empty() && found.stem() == wanted.stem();
  const std::string letter = is_own_name && !offers_scale(text, found.string(), name.letter) ? "" : name.letter;
  ModelSpec spec = parse_model_spec(text, found.string(), scale.empty() ? letter : scale);
  spec.name = wanted.stem().string();
  return spec;
}

}  // namespace rtdetr
