#include "train/report/metric_report.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "core/base/text.h"
#include "train/report/output.h"

namespace rtdetr {

std::string class_table(const MetricResult& result, const ClassList& classes) {
  TextTable table({{"class", TextTable::Align::kLeft}, {"boxes"}, {"AP"}, {"AP50"}, {"AP75"}, {"AR100"}});
  for (const MetricResult::Class& row : result.classes)
    table.add({classes.name_of(row.category_id), with_thousands(row.truths), fixed_or_dash(row.ap, 3),
               fixed_or_dash(row.ap50, 3), fixed_or_dash(row.ap75, 3), fixed_or_dash(row.ar100, 3)});
  return table.text();
}

nlohmann::ordered_json classes_json(const MetricResult& result, const ClassList& classes) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const MetricResult::Class& row : result.classes)
    list.push_back({{"name", classes.name_of(row.category_id)},
                    {"category_id", row.category_id},
                    {"boxes", row.truths},
                    {"ap", row.ap},
                    {"ap50", row.ap50},
                    {"ap75", row.ap75},
                    {"ar100", row.ar100}});
  return list;
}

nlohmann::ordered_json problems_json(std::span<const DataProblem> problems) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const DataProblem& problem : problems)
    list.push_back({{"severity", problem.severity == DataProblem::Severity::kError ? "error" : "warning"},
                    {"kind", problem.kind},
                    {"count", problem.count},
                    {"message", problem.message},
                    {"places", problem.places}});
  return list;
}

}  // namespace rtdetr
