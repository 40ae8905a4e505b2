#include "models/graph/model_spec.h"

#include "core/io/utf8.h"

namespace rtdetr {

std::string row_path(const RowSpec& row, std::size_t index) {
  return row.path.empty() ? "model." + std::to_string(index) : row.path;
}

std::string row_label(std::size_t index, const RowSpec& row) {
  constexpr std::size_t kLongest = 120;
  return "row " + std::to_string(index) + " `" + excerpt(row.text, kLongest) + "`: ";
}

}  // namespace rtdetr
