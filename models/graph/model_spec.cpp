#include "models/graph/model_spec.h"

namespace rtdetr {

std::string row_path(const RowSpec& row, std::size_t index) {
  return row.path.empty() ? "model." + std::to_string(index) : row.path;
}

std::string row_label(std::size_t index, const RowSpec& row) {
  constexpr std::size_t kLongest = 120;
  const std::string text = row.text.size() > kLongest ? row.text.substr(0, kLongest) + "…" : row.text;
  return "row " + std::to_string(index) + " `" + text + "`: ";
}

}  // namespace rtdetr
