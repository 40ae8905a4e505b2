#include "train/report/model_rows.h"

#include <nlohmann/json.hpp>

#include "core/base/text.h"
#include "train/report/output.h"

namespace rtdetr {

std::string rows_table(std::span<const DetectionModelImpl::Row> rows) {
  TextTable table({{"row"},
                   {"from"},
                   {"n"},
                   {"params"},
                   {"module", TextTable::Align::kLeft},
                   {"arguments", TextTable::Align::kLeft}});
  for (const auto& row : rows)
    table.add({std::to_string(row.index), row.from, std::to_string(row.repeats), with_thousands(row.parameters),
               row.module, row.arguments});
  return table.text();
}

nlohmann::ordered_json rows_json(std::span<const DetectionModelImpl::Row> rows) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const auto& row : rows)
    list.push_back({{"index", row.index},
                    {"from", row.from},
                    {"repeats", row.repeats},
                    {"params", row.parameters},
                    {"module", row.module},
                    {"arguments", row.arguments},
                    {"path", row.path},
                    {"part", row.part}});
  return list;
}

}  // namespace rtdetr
