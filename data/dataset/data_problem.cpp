#include "data/dataset/data_problem.h"

#include <algorithm>
#include <utility>

#include "core/base/error.h"
#include "core/base/text.h"

namespace rtdetr {

std::string describe(const DataProblem& problem) {
  std::string text = problem.kind + ": " + problem.message;
  if (problem.count > 1) text = with_thousands(problem.count) + " × " + text;
  if (problem.places.empty()) return problem.where.empty() ? text : text + " (" + problem.where + ")";
  text += " (" + join(problem.places, "; ");
  const auto more = problem.count - static_cast<std::int64_t>(problem.places.size());
  return text + (more > 0 ? "; and " + with_thousands(more) + " more)" : ")");
}

bool has_errors(std::span<const DataProblem> problems) {
  return std::any_of(problems.begin(), problems.end(),
                     [](const DataProblem& p) { return p.severity == DataProblem::Severity::kError; });
}

void throw_if_errors(std::span<const DataProblem> problems, const std::string& what) {
  if (!has_errors(problems)) return;
  std::string text = what + " cannot be used:";
  for (const DataProblem& problem : problems) {
    if (problem.severity == DataProblem::Severity::kError) text += "\n  " + describe(problem);
  }
  throw DataError(text);
}

std::vector<DataProblem> ProblemCollector::take() {
  for (DataProblem& problem : problems_) problem.where = problem.places.front();
  std::stable_sort(problems_.begin(), problems_.end(), [](const DataProblem& a, const DataProblem& b) {
    return a.severity == DataProblem::Severity::kError && b.severity != DataProblem::Severity::kError;
  });
  return std::exchange(problems_, {});
}

DataProblem& ProblemCollector::entry(DataProblem::Severity severity, std::string_view kind, std::string_view message) {
  for (DataProblem& problem : problems_) {
    if (problem.kind == kind && problem.severity == severity && problem.message == message) return problem;
  }
  DataProblem& problem = problems_.emplace_back();
  problem.severity = severity;
  problem.kind = kind;
  problem.message = message;
  problem.count = 0;
  return problem;
}

}  // namespace rtdetr
