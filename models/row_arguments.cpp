#include "models/row_arguments.h"

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

}  // namespace rtdetr
