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
ModelSpec read_form(const std::string& yaml, const std::string& origin, const std::string& scale) {
  ModelMistakes mistakes(origin);
  ModelSpec spec = read_model_spec(parse_yaml(yaml, origin).root, scale, mistakes);
  mistakes.throw_if_any();
  spec.origin = origin;
  return spec;
}

/// plan_text of a model that comes along, kept for the next question: to read dozens of YAML files again and again is
/// what recognition would take its time with.
/// @return nullopt if the model has no such scale
std::optional<std::string> plan_of_shipped(const std::string& name, const std::string& yaml, const std::string& scale,
                                           const std::vector<std::string>& ignored) {
  using Question = std::tuple<std::string, std::string, std::vector<std::string>>;
  thread_local std::map<Question, std::optional<std::string>> known;
  const Question question{yaml, scale, ignored};
  if (const auto found = known.find(question); found != known.end()) return found->second;
  std::optional<std::string> plan;
  try {
    plan = plan_text(read_form(yaml, name, scale), ignored);
  } catch (const ModelError&) {  // no such scale
  }
  return known.emplace(question, std::move(plan)).first->second;
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
  GraphPlan plan = plan_graph(spec, {}, mistakes);
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
  const std::filesystem::path file = shipped_file("models", name);
  return load_model_spec(file.empty() ? std::filesystem::path(name) : file);
}

std::optional<ModelSpec> zoo_model_like(const ZooQuestion& question) {
  std::vector<std::string> ignored = question.ignored;
  ignored.emplace_back("nc");
  const ModelSpec asked = read_form(question.yaml, question.origin, "");
  const std::string wanted = plan_text(asked, ignored);
  for (const std::string& name : shipped_names("models")) {
    try {
      const std::filesystem::path file = shipped_file("models", name);
      if (plan_of_shipped(name, read_text_file(file), asked.scale, ignored) == wanted)
        return load_model_spec(file, asked.scale);
    } catch (const ModelError&) {
      continue;  // a file that says more than its form can be
    }
  }
  return std::nullopt;
}

}  // namespace rtdetr
