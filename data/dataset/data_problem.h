#pragma once

#include "core/base/cpp20.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rtdetr {

/// A kind of fault found in a data set, with how often and where: what `rtdetr check` lists and loading reports.
struct DataProblem {
  enum class Severity { kWarning, kError } severity = Severity::kWarning;
  std::string kind;                 ///< stable word, e.g. "box_outside", "missing_picture"
  std::string where;                ///< the first place: file:line, or file and record
  std::string message;              ///< what is wrong, what was done about it or what to do
  std::int64_t count = 1;           ///< how many places have it
  std::vector<std::string> places;  ///< the first five of them, `where` first
};

/// "3 × box_outside: boxes lie outside their picture; left out (a.json: annotations[7] (id 12), …)".
std::string describe(const DataProblem& problem);

bool has_errors(std::span<const DataProblem> problems);

/// @throws DataError  one message listing every error, if there is one: "`what` cannot be used: …"
void throw_if_errors(std::span<const DataProblem> problems, const std::string& what);

/// Gathers faults by kind while a file is read: counts all, keeps the first five places of each kind.
class ProblemCollector {
 public:
  /// @param place  callable giving the place's text; called for the first five only
  template <class Place>
  void add(DataProblem::Severity severity, std::string_view kind, std::string_view message, Place&& place) {
    DataProblem& problem = entry(severity, kind, message);
    if (++problem.count <= kPlaces) problem.places.push_back(place());
  }
  template <class Place>
  void warn(std::string_view kind, std::string_view message, Place&& place) {
    add(DataProblem::Severity::kWarning, kind, message, place);
  }
  template <class Place>
  void error(std::string_view kind, std::string_view message, Place&& place) {
    add(DataProblem::Severity::kError, kind, message, place);
  }
  /// Everything so far, errors first, then in the order of first appearance. The collector is empty afterwards.
  std::vector<DataProblem> take();

 private:
  static constexpr std::int64_t kPlaces = 5;
  DataProblem& entry(DataProblem::Severity severity, std::string_view kind, std::string_view message);

  std::vector<DataProblem> problems_;
};

}  // namespace rtdetr
