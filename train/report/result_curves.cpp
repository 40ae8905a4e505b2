#include "train/report/result_curves.h"

#include <cmath>

namespace rtdetr {

std::string place_title(const ResultsTable& table) { return table.find(kStepTitle) != nullptr ? kStepTitle : "epoch"; }

ChartSeries column_curve(const ResultsTable& table, const std::string& column, const std::string& name,
                         const std::string& place) {
  const std::vector<double>* places = table.find(place);
  const std::vector<double>* values = table.find(column);
  if (places == nullptr || values == nullptr) return {name, {}, {}};
  ChartSeries curve{name, {}, {}};
  for (std::size_t i = 0; i < values->size(); ++i) {
    if (!std::isfinite((*values)[i]) || !std::isfinite((*places)[i])) continue;
    curve.x.push_back((*places)[i]);
    curve.y.push_back((*values)[i]);
  }
  return curve;
}

ChartSeries column_curve(const ResultsTable& table, const std::string& column, const std::string& name) {
  return column_curve(table, column, name, place_title(table));
}

}  // namespace rtdetr
