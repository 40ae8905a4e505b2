#include "models/graph/row_arguments.h"

namespace rtdetr {

ArgumentSpec out_argument() { return integer_argument("out", "output channels").alias("c2").range(1, kMaxChannels); }

ArgumentSpec groups_argument() { return integer_argument("g", "groups").fallback(1).range(1, kMaxChannels); }

ArgumentSpec norm_argument() {
  return text_argument("norm", "frozen: fixed statistics and scale", {"batch", "frozen"})
      .fallback("batch")
      .named_only();
}

ArgumentSpec freeze_argument() {
  return flag_argument("freeze", "parameters are not trained").fallback(false).named_only();
}

BatchNormOptions norm_options(const RowContext& row) { return {row.norm_eps, row.norm_momentum, false}; }

BatchNormOptions chosen_norm_options(const RowContext& row) {
  return {row.norm_eps, row.norm_momentum, row.args.text("norm") == "frozen"};
}

void check_window(std::int64_t kernel, std::int64_t stride, std::int64_t padding, std::int64_t dilation) {
  const std::int64_t lost = (kernel - 1) * dilation + 1 - 2 * padding;  // cells, before the stride
  if (lost >= 1 && lost <= stride) return;
  refuse("kernel " + std::to_string(kernel) + ", stride " + std::to_string(stride) + ", padding " +
         std::to_string(padding) + " and dilation " + std::to_string(dilation) +
         " do not give a map of 1 / stride the size");
}

}  // namespace rtdetr
