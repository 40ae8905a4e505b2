#include "train/report/evaluation_report.h"

#include <nlohmann/json.hpp>

#include "core/base/text.h"
#include "train/report/metric_report.h"
#include "train/report/output.h"

namespace rtdetr {

std::string layer_table(const Evaluation& evaluation) {
  TextTable table({{"layer", TextTable::Align::kLeft},
                   {"AP"},
                   {"AP50"},
                   {"AP75"},
                   {"APs"},
                   {"APm"},
                   {"APl"},
                   {"AR1"},
                   {"AR10"},
                   {"AR100"},
                   {"ms"}});
  for (const Evaluation::Layer& layer : evaluation.layers) {
    std::vector<std::string> cells{layer.layer.name};
    for (std::size_t i = 0; i < 9; ++i) cells.push_back(fixed_or_dash(layer.metric.stats[i], 3));
    cells.push_back(fixed_or_dash(layer.ms, 1));
    table.add(std::move(cells));
  }
  return table.text();
}

nlohmann::ordered_json evaluation_json(const Evaluation& evaluation, const ClassList& classes) {
  nlohmann::ordered_json document{{"stats", evaluation.detecting().metric.stats},
                                  {"classes", classes_json(evaluation.detecting().metric, classes)},
                                  {"layers", nlohmann::ordered_json::array()},
                                  {"detects_with", evaluation.detecting().layer.number},
                                  {"images", evaluation.pictures}};
  for (const Evaluation::Layer& layer : evaluation.layers) {
    nlohmann::ordered_json row{{"layer", layer.layer.number}, {"stats", layer.metric.stats}, {"ms", nullptr}};
    if (layer.ms >= 0) row["ms"] = layer.ms;
    document["layers"].push_back(std::move(row));
  }
  return document;
}

}  // namespace rtdetr
