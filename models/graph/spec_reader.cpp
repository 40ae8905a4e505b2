#include "models/graph/spec_reader.h"

#include <algorithm>
#include <array>
#include <map>
#include <regex>

#include "core/base/text.h"
#include "models/graph/arguments.h"
#include "models/graph/model_mistakes.h"

namespace rtdetr {

namespace {

const std::vector<std::string>& known_keys() {
  static const std::vector<std::string> keys = {
      "nc",      "scales",   "scale", "depth_multiple", "activation", "channels",      "ch",   "width_multiple",
      "inplace", "backbone", "head",  "max_channels",   "norm_eps",   "norm_momentum", "mean", "std"};
  return keys;
}

constexpr std::size_t kMaxRows = 1000;

/// Reads the top level and the form of the rows; what rows mean is graph_plan's.
class SpecReader {
 public:
  SpecReader(const YamlNode& root, ModelMistakes& mistakes) : root_(root), mistakes_(mistakes) {}

  ModelSpec read(const std::string& scale) {
    if (!root_.is_map()) {
      mistakes_.add(root_.line, "a model file is a map with the keys nc, backbone and head, found " + root_.describe());
      return spec_;
    }
    check_keys();
    spec_.num_classes = integer("nc", 0, 1, 65536);
    if (!root_.find("nc")) mistakes_.add(root_.line, "key 'nc' (number of classes) is missing");
    const YamlNode *ch = root_.find("ch"),
                   *channels = root_.find("channels");  // Ultralytics' checkpoints may have both
    if (ch && channels && ch->scalar != channels->scalar)
      mistakes_.add(channels->line, "keys 'ch' and 'channels' are the same, and have different values; keep one");
    spec_.channels = integer(root_.find("ch") ? "ch" : "channels", 3, 1, 1024);
    spec_.batch_norm_eps = number("norm_eps", 1e-3, 1e-12, 1);
    spec_.batch_norm_momentum = number("norm_momentum", 0.03, 0, 1);
    read_normalisation();
    read_activation();
    read_scale(scale);
    read_rows("backbone", true);
    read_rows("head", false);
    resolve_names();
    return std::move(spec_);
  }

 private:
  void check_keys() {
    for (std::size_t i = 0; i < root_.entries.size(); ++i) {
      const std::string& key = root_.entries[i].key;
      if (std::ranges::find(known_keys(), key) != known_keys().end()) continue;
      mistakes_.add(root_.key_lines[i], "unknown key '" + key + "'" + did_you_mean(key, known_keys()));
    }
  }

  std::int64_t integer(const std::string& key, std::int64_t fallback, std::int64_t low, std::int64_t high) {
    const YamlNode* node = root_.find(key);
    if (!node) return fallback;
    const auto value = node->as_integer();
    if (value && *value >= low && *value <= high) return *value;
    mistakes_.add(node->line, "key '" + key + "': expected an integer from " + std::to_string(low) + " to " +
                                  std::to_string(high) + ", found " + node->describe());
    return low;
  }

  double number(const std::string& key, double fallback, double low, double high) {
    const YamlNode* node = root_.find(key);
    return node ? checked_number(*node, "key '" + key + "'", low, high) : fallback;
  }

  double checked_number(const YamlNode& node, const std::string& what, double low, double high) {
    const auto value = node.as_double();
    if (value && *value >= low && *value <= high) return *value;
    mistakes_.add(node.line, what + ": expected a number from " + format_double(low) + " to " + format_double(high) +
                                 ", found " + node.describe());
    return low;
  }

  /// Either both or none: `mean` alone would leave the deviation to guesses.
  void read_normalisation() {
    const YamlNode *mean = root_.find("mean"), *deviation = root_.find("std");
    if (!mean && !deviation) return;
    if (!mean || !deviation) {
      mistakes_.add((mean ? mean : deviation)->line,
                    "keys 'mean' and 'std' go together: one number for each channel "
                    "of a picture in [0, 1]");
      return;
    }
    spec_.mean = channel_numbers(*mean, "key 'mean'", -1000, 1000);
    spec_.deviation = channel_numbers(*deviation, "key 'std'", 1e-6, 1000);
  }

  /// Ones after a mistake. @return  as many as there are channels
  std::vector<double> channel_numbers(const YamlNode& node, const std::string& what, double low, double high) {
    const auto count = static_cast<std::size_t>(spec_.channels);
    std::vector<double> numbers;
    if (node.is_sequence())
      for (const YamlNode& item : node.items) numbers.push_back(checked_number(item, what, low, high));
    if (node.is_sequence() && numbers.size() == count) return numbers;
    mistakes_.add(node.line, what + ": expected a list of " + std::to_string(count) +
                                 " numbers, one for each channel, found " + node.describe());
    return std::vector<double>(count, 1);
  }

  void read_activation() {
    spec_.activation = "silu";
    const YamlNode* node = root_.find("activation");
    if (!node) return;
    if (const auto name = node->is_scalar() ? parse_activation_name(node->scalar) : std::nullopt) {
      spec_.activation = *name;
    } else {
      mistakes_.add(node->line,
                    "key 'activation': expected nn.ReLU(), nn.SiLU(), nn.GELU(), nn.LeakyReLU() or "
                    "nn.Hardswish(), found " +
                        node->describe());
    }
  }

  void read_scale(const std::string& wanted) {
    spec_.depth = number("depth_multiple", 1, 0.01, 100);
    spec_.width = number("width_multiple", 1, 0.01, 100);
    spec_.max_channels = number("max_channels", 0, 0, 65536);
    const YamlNode* scales = root_.find("scales");
    const YamlNode* in_file = root_.find("scale");
    if (in_file && !in_file->is_scalar() && !in_file->is_null())
      mistakes_.add(in_file->line, "key 'scale': expected one of the letters of scales, found " + in_file->describe());
    const std::string letter = !wanted.empty() ? wanted : in_file && in_file->is_scalar() ? in_file->scalar : "";
    if (!scales) {
      if (!letter.empty())
        mistakes_.add(in_file ? in_file->line : root_.line, "scale '" + letter + "': the file has no scales");
      return;
    }
    if (!scales->is_map() || scales->entries.empty()) {
      mistakes_.add(scales->line,
                    "key 'scales': expected a map {letter: [depth, width, max_channels]}, found " + scales->describe());
      return;
    }
    spec_.scale = letter.empty() ? scales->entries.front().key : letter;
    read_scale_entry(*scales);
  }

  void read_scale_entry(const YamlNode& scales) {
    const YamlNode* entry = scales.find(spec_.scale);
    if (!entry) {
      std::vector<std::string> letters;
      for (const auto& [letter, values] : scales.entries) letters.push_back(letter);
      mistakes_.add(scales.line, "there is no scale '" + spec_.scale + "', only " + join(letters, ", "));
      return;
    }
    if (!entry->is_sequence() || entry->items.size() != 3) {
      mistakes_.add(entry->line,
                    "scale '" + spec_.scale + "': expected [depth, width, max_channels], found " + entry->describe());
      return;
    }
    spec_.depth = checked_number(entry->items[0], "depth", 0.01, 100);
    spec_.width = checked_number(entry->items[1], "width", 0.01, 100);
    spec_.max_channels = checked_number(entry->items[2], "max_channels", 1, 65536);
  }

  void read_rows(const std::string& key, bool in_backbone) {
    const YamlNode* list = root_.find(key);
    if (!list) {
      mistakes_.add(root_.line, "key '" + key + "' (a list of rows) is missing");
      return;
    }
    if (!list->is_sequence() || list->items.empty()) {
      mistakes_.add(list->line, "key '" + key + "': expected a list of rows, found " + list->describe());
      return;
    }
    for (const YamlNode& node : list->items) {
      if (spec_.rows.size() == kMaxRows) {
        mistakes_.add(node.line, "a model has at most " + std::to_string(kMaxRows) + " rows");
        return;
      }
      spec_.rows.push_back(read_row(node, in_backbone));
    }
  }

  RowSpec read_row(const YamlNode& node, bool in_backbone) {
    RowSpec row;
    row.in_backbone = in_backbone;
    row.line = node.line;
    row.text = node.to_flow();
    const std::size_t index = spec_.rows.size();
    const auto complain = [&](const std::string& what) { mistakes_.add(row.line, row_label(index, row) + what); };
    if (!node.is_sequence() || (node.items.size() != 4 && node.items.size() != 5)) {
      complain("expected [from, repeats, module, args] or [from, repeats, module, args, path], found " +
               node.describe());
      return row;
    }
    const YamlNode &from = node.items[0], &repeats = node.items[1], &module = node.items[2], &args = node.items[3];
    bool good = read_from(from, row);
    if (!good) complain("`from` must be a row's number or path, or a list of them, found " + from.describe());
    if (const auto value = repeats.as_integer()) {
      row.repeats = *value;
    } else {
      complain("repeats must be an integer, found " + repeats.describe());
      good = false;
    }
    if (!args.is_sequence()) complain("args must be a list, found " + args.describe());
    const bool named = module.is_scalar() && !module.scalar.empty();
    if (!named) complain("the module must be a name, found " + module.describe());
    if (node.items.size() == 5 && !read_path(node.items[4], row)) {
      complain("the path must be names joined by dots, found " + node.items[4].describe());
    }
    if (!good || !args.is_sequence() || !named) return row;
    row.args = args.items;
    row.module = module.scalar;
    return row;
  }

  static bool read_from(const YamlNode& node, RowSpec& row) {
    const auto read_one = [&](const YamlNode& item) {
      const auto number = item.as_integer();
      constexpr auto kFarthest = static_cast<std::int64_t>(kMaxRows);
      const bool is_number = number && *number >= -kFarthest && *number <= kFarthest;
      if (!is_number && (number || !is_path(item))) return false;
      row.from.push_back(is_number ? static_cast<int>(*number) : 0);
      row.from_names.push_back(is_number ? "" : item.scalar);
      return true;
    };
    row.from_is_list = node.is_sequence();
    if (!row.from_is_list) return read_one(node);
    return !node.items.empty() && std::all_of(node.items.begin(), node.items.end(), read_one);
  }

  static bool is_path(const YamlNode& node) {
    static const std::regex kPath("[A-Za-z0-9_]+(\\.[A-Za-z0-9_]+)*");
    return node.is_scalar() && node.scalar.size() <= 200 && std::regex_match(node.scalar, kPath);
  }

  /// One that ends in a dot is open: what the row's module consists of lies there beside other rows' (model.cpp).
  static bool read_path(const YamlNode& node, RowSpec& row) {
    YamlNode place = node;
    if (node.scalar.size() > 1 && node.scalar.ends_with('.')) place.scalar.pop_back();
    if (!is_path(place) && place.scalar != ".") return false;
    row.path = node.scalar;
    return true;
  }

  /// Puts numbers in the place of names. A row that reads what is not there loses its module, and is skipped.
  void resolve_names() {
    std::map<std::string, std::size_t> numbers;
    for (std::size_t index = 0; index < spec_.rows.size(); ++index)
      numbers.emplace(row_path(spec_.rows[index], index), index);
    for (std::size_t index = 0; index < spec_.rows.size(); ++index) {
      RowSpec& row = spec_.rows[index];
      for (std::size_t k = 0; k < row.from_names.size(); ++k) {
        if (row.from_names[k].empty()) continue;
        const auto named = numbers.find(row.from_names[k]);
        if (named != numbers.end() && named->second < index) {
          row.from[k] = static_cast<int>(named->second);
          continue;
        }
        const std::string why = named == numbers.end() ? "which is no row's path" + nearest_path(row.from_names[k])
                                                       : later_row(named->second, index);
        mistakes_.add(row.line, row_label(index, row) + "`from` names '" + row.from_names[k] + "', " + why);
        row.module.clear();
      }
    }
  }

  static std::string later_row(std::size_t named, std::size_t index) {
    const std::string which =
        named == index ? "the row itself" : "row " + std::to_string(named) + ", which comes later";
    return which + ": a row reads rows before it";
  }

  /// For the first mistakes only, which are those that are shown: long names take time.
  std::string nearest_path(const std::string& name) {
    constexpr int kMostSuggestions = 20;
    if (++unknown_names_ > kMostSuggestions) return "";
    std::vector<std::string> paths;
    for (const RowSpec& row : spec_.rows) {
      if (!row.path.empty()) paths.push_back(row.path);
    }
    return did_you_mean(name, paths);
  }

  const YamlNode& root_;
  ModelMistakes& mistakes_;
  ModelSpec spec_;
  int unknown_names_ = 0;
};

}  // namespace

ModelSpec read_model_spec(const YamlNode& root, const std::string& scale, ModelMistakes& mistakes) {
  return SpecReader(root, mistakes).read(scale);
}

}  // namespace rtdetr
