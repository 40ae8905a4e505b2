#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/io/yaml.h"

namespace rtdetr {

/// One row `[from, repeats, module, args, path?]` of a model YAML (docs/reference/model_files.md), checked for form.
struct RowSpec {
  std::vector<int> from;                ///< row indices as written, -1 = the previous row; a named row's number
  std::vector<std::string> from_names;  ///< beside each: the path it was named by, or "" for a number
  bool from_is_list = false;
  std::int64_t repeats = 1;
  std::string module;
  std::vector<YamlNode> args;
  std::string path;  ///< registered name; empty = model.<index>
  bool in_backbone = false;
  int line = 0;
  std::string text;  ///< the row as written, one line: for messages
};

/// The path that the row at `index` is registered under.
std::string row_path(const RowSpec& row, std::size_t index);
/// "row 3 `[-1, 1, Conv, [64]]`: ", in front of what is wrong with it.
std::string row_label(std::size_t index, const RowSpec& row);

/// A model YAML, checked for form and kept with its text, which goes into every checkpoint.
struct ModelSpec {
  std::string name;    ///< file stem, e.g. "rtdetr-l"
  std::string origin;  ///< what messages call the file
  std::string text;    ///< the YAML itself
  std::int64_t num_classes = 0;
  std::int64_t channels = 3;
  std::string activation;                         ///< default activation of Conv; "" = SiLU
  std::string scale;                              ///< letter in use, or ""
  double depth = 1, width = 1, max_channels = 0;  ///< of the scale; max_channels 0 = unlimited
  double batch_norm_eps = 1e-3, batch_norm_momentum = 0.03;
  std::vector<RowSpec> rows;
  std::vector<double> mean, deviation;  ///< by channel, which the model normalises pictures by; empty: it does not
};

}  // namespace rtdetr
