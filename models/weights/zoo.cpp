#include "models/weights/zoo.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/io/file.h"
#include "core/io/shipped_files.h"
#include "core/io/yaml.h"
#include "models/graph/graph_plan.h"
#include "models/graph/model_files.h"
#include "models/graph/model_mistakes.h"
#include "models/graph/spec_reader.h"

namespace rtdetr {
namespace {

/// Form alone: no module is built, as a look at every model would take too long.
ModelSpec read_form(const YamlNode& yaml, const std::string& origin, const std::string& scale) {
  ModelMistakes mistakes(origin);
  ModelSpec spec = read_model_spec(yaml, scale, mistakes);
  mistakes.throw_if_any();
  spec.origin = origin;
  return spec;
}

/// The scales of a model file that may be the one asked for.
std::vector<std::string> scales_to_try(const YamlNode& yaml, const std::string& asked) {
  const YamlNode* scales = yaml.find("scales");
  if (!asked.empty() || scales == nullptr) return {asked};
  std::vector<std::string> letters;
  for (const auto& [letter, values] : scales->entries) letters.push_back(letter);
  return letters;
}

/// plan_text of a model that comes along, by scale; kept for the next question: to read dozens of YAML files again and
/// again is what recognition would take its time with.
const std::map<std::string, std::string>& plans_of_shipped(const std::string& name, const std::string& text,
                                                           const std::string& scale,
                                                           const std::vector<std::string>& ignored) {
  using Question = std::tuple<std::string, std::string, std::vector<std::string>>;
  thread_local std::map<Question, std::map<std::string, std::string>> known;
  const auto [found, is_new] = known.try_emplace({text, scale, ignored});
  if (!is_new) return found->second;
  const YamlNode yaml = parse_yaml(text, name).root;
  for (const std::string& letter : scales_to_try(yaml, scale)) {
    try {
      found->second.emplace(letter, plan_text(read_form(yaml, name, letter), ignored));
    } catch (const ModelError&) {  // no such scale
    }
  }
  return found->second;
}

void neutralise(PlannedRow& row, const std::vector<std::string>& ignored) {
  for (const ArgumentSpec& argument : row.entry->arguments) {
    if (std::ranges::find(ignored, argument.name) != ignored.end())
      row.context.args.set(argument.name, ArgumentValue{});
  }
}

}  // namespace

std::string plan_text(const ModelSpec& spec, const std::vector<std::string>& ignored) {
  ModelMistakes mistakes(spec.origin);
  GraphPlan plan = plan_graph(spec, mistakes);
  mistakes.throw_if_any();
  std::string text = std::to_string(spec.channels) + " " + format_double(spec.batch_norm_eps);
  for (const double number : spec.mean) text += " mean " + format_double(number);
  for (const double number : spec.deviation) text += " std " + format_double(number);
  text += "\n";
  for (PlannedRow& row : plan.rows) {
    neutralise(row, ignored);
    for (const int input : row.inputs) text += std::to_string(input) + " ";
    text += std::to_string(row.outer_repeats) + "," + std::to_string(row.context.repeats) + " " + row.entry->name +
            row.context.args.to_text() + " " + row.path + "\n";
  }
  return text;
}

ModelSpec zoo_model(const std::string& name) {
  if (const std::filesystem::path file = shipped_file("models", name); !file.empty()) return load_model_spec(file);
  const LetteredName lettered = split_scale_letter(name);
  const std::filesystem::path file = shipped_file("models", lettered.stem);
  ModelSpec spec = load_model_spec(file.empty() ? std::filesystem::path(name) : file, lettered.letter);
  spec.name = name;
  return spec;
}

std::optional<ModelSpec> zoo_model_like(const ZooQuestion& question) {
  std::vector<std::string> ignored = question.ignored;
  ignored.emplace_back("nc");
  const ModelSpec asked = read_form(parse_yaml(question.yaml, question.origin).root, question.origin, "");
  const std::string wanted = plan_text(asked, ignored);
  for (const std::string& name : shipped_names("models")) {
    try {
      const std::filesystem::path file = shipped_file("models", name);
      for (const auto& [scale, plan] : plans_of_shipped(name, read_text_file(file), asked.scale, ignored)) {
        if (plan != wanted) continue;
        ModelSpec spec = load_model_spec(file, scale);
        spec.name = with_scale_letter({scale, spec.name});
        return spec;
      }
    } catch (const ModelError&) {
      continue;  // a file that says more than its form can be
    }
  }
  return std::nullopt;
}

}  // namespace rtdetr
