#include "data/formats/yolo_labels.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <utility>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/base/written_path.h"
#include "core/image/picture.h"
#include "core/image/picture_names.h"
#include "core/io/file.h"
#include "core/io/utf8.h"
#include "data/dataset/hidden_files.h"
#include "data/formats/columns.h"
#include "data/formats/shapes.h"

namespace rtdetr {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kScoredColumns = kYoloBoxColumns + 1;  // with a confidence behind
constexpr std::size_t kShortestPolygon = 7;                  // class and three points
constexpr double kPixels = 2;                                // a fraction is never as large

std::string quoted(std::string_view text) { return std::string("'").append(excerpt(text)).append("'"); }

/// One file's rows, with the file's name for messages.
class LabelReader {
 public:
  LabelReader(const std::string& place, std::int64_t classes, const KeyPointShape& key_points,
              ProblemCollector& problems)
      : place_(place), classes_(classes), key_points_(key_points), problems_(problems) {}

  std::optional<YoloBox> read_row(std::string_view line, int number) {
    line_ = number;
    const std::vector<std::string_view> columns = columns_of(line);
    const Form form = form_of(columns);
    if (form == Form::kNone) return refuse_columns(columns.size());
    YoloBox box;
    box.line = number;
    box.columns = form == Form::kScoredBox ? kYoloBoxColumns : columns.size();
    if (!read_class(columns[0], box.label)) return std::nullopt;
    const bool scored = form == Form::kScoredBox;
    if (scored && !is_confidence(columns.back())) return std::nullopt;
    if (!read_values(std::span(columns).subspan(1, columns.size() - 1 - scored))) return std::nullopt;
    if (form == Form::kPolygon) {
      box.xywh = box_around(values_);
      box.doubtful = !key_points_.known && may_be_key_points(values_);
    } else {
      box.xywh = {values_[0] - values_[2] / 2, values_[1] - values_[3] / 2, values_[2], values_[3]};
    }
    if (form == Form::kKeyPoints && !key_points_.known) {
      problems_.warn("key_points", "rows are a box with key points (x y visibility); the box is taken",
                     [&] { return place_ + ":" + std::to_string(line_); });
    }
    return box;
  }

 private:
  enum class Form { kNone, kBox, kScoredBox, kKeyPoints, kPolygon };

  Form form_of(std::span<const std::string_view> columns) const {
    const std::size_t count = columns.size();
    if (count == kYoloBoxColumns) return Form::kBox;
    if (count == kScoredColumns) return Form::kScoredBox;
    if (key_points_.count > 0) return count == key_points_.columns() ? Form::kKeyPoints : Form::kNone;
    const bool polygon = count >= kShortestPolygon && count % 2 == 1;
    if (!key_points_.known && has_visibilities(columns, polygon)) return Form::kKeyPoints;
    return polygon ? Form::kPolygon : Form::kNone;
  }

  std::nullopt_t refuse_columns(std::size_t count) {
    const std::string found = std::to_string(count) + (count == 1 ? " column" : " columns");
    if (key_points_.count == 0)
      return error("bad_row", "rows are neither 'class cx cy w h' nor 'class x1 y1 x2 y2 x3 y3 …'", found);
    return error("bad_row", "rows have neither 5 columns nor those of kpt_shape",
                 found + ", with kpt_shape [" + std::to_string(key_points_.count) + ", " +
                     std::to_string(key_points_.values) + "] " + std::to_string(key_points_.columns()));
  }

  std::nullopt_t error(const char* kind, const char* message, const std::string& detail) {
    problems_.error(kind, message, [&] { return place_ + ":" + std::to_string(line_) + ": " + detail; });
    return std::nullopt;
  }

  bool read_class(std::string_view text, std::int32_t& label) {
    const auto value = parse_double(text);
    if (!value || *value != std::floor(*value) || std::isinf(*value)) {
      error("bad_class", "class numbers are not whole numbers", quoted(text));
      return false;
    }
    if (*value < 0 || *value >= static_cast<double>(classes_)) {
      error("class_out_of_range", "class numbers are not in the list 'names'",
            "class " + excerpt(text) + ", names has 0 to " + std::to_string(classes_ - 1));
      return false;
    }
    label = static_cast<std::int32_t>(*value);
    return true;
  }

  /// Of a prediction used as a label; it says nothing about the box.
  bool is_confidence(std::string_view text) {
    const auto value = parse_double(text);
    if (!value || !(*value >= 0 && *value <= 1)) {
      error("bad_row", "sixth columns are no confidences from 0 to 1", quoted(text));
      return false;
    }
    problems_.warn("confidence_column", "rows have a sixth column, the confidence of a prediction; it is not used",
                   [&] { return place_ + ":" + std::to_string(line_); });
    return true;
  }

  bool read_values(std::span<const std::string_view> columns) {
    values_.clear();
    for (const std::string_view column : columns) {
      const auto value = parse_double(column);
      if (!value) {
        error("bad_row", "columns are not numbers", quoted(column));
        return false;
      }
      if (std::isfinite(*value) && std::abs(*value) > kPixels) {
        error("not_normalised", "values are pixels; they must be fractions of the picture's width and height",
              excerpt(column));
        return false;
      }
      values_.push_back(*value);
    }
    return true;
  }

  const std::string& place_;
  std::int64_t classes_;
  const KeyPointShape& key_points_;
  ProblemCollector& problems_;
  int line_ = 0;
  std::vector<double> values_;
};

void add_folder(const fs::path& folder, std::vector<fs::path>& pictures, ProblemCollector& problems) {
  walk_folder(folder, problems, [&](const fs::directory_entry& entry) {
    const fs::path& file = entry.path();
    std::error_code ignored;
    if (!entry.exists(ignored) && entry.is_symlink(ignored) && has_picture_extension(file)) {
      problems.error("missing_picture", "links to pictures lead nowhere", [&] { return file.string(); });
      pictures.push_back(file);
    }
    if (!entry.is_regular_file(ignored)) return;
    if (has_picture_extension(file)) {
      pictures.push_back(file);
    } else if (const std::string format = other_picture_format(file); !format.empty()) {
      problems.warn("unsupported_format", format + " pictures are not read; left out", [&] { return file.string(); });
    }
  });
}

/// A line's picture: beside the list, or else below the data set's root, as lists in a folder of their own mean it.
fs::path listed_picture(const fs::path& folder, const fs::path& root, const std::string& line) {
  const std::string entry = expand_home(line);
  const fs::path beside = find_written_path(folder, entry);
  std::error_code ignored;
  if (root.empty() || fs::exists(beside, ignored)) return beside;
  const fs::path below = find_written_path(root, entry);
  return fs::exists(below, ignored) ? below : beside;
}

void add_list(const fs::path& list, const fs::path& root, std::vector<fs::path>& pictures, ProblemCollector& problems) {
  int number = 0;
  for (const std::string& line : read_text_lines(list)) {
    ++number;
    if (line.empty() || (line.starts_with('#') && !has_picture_extension(line))) continue;
    if (is_leftover(fs::path(line))) {
      report_hidden(fs::path(line), problems);
      continue;
    }
    const fs::path file = listed_picture(list.parent_path(), root, line);
    pictures.push_back(file);
    std::error_code fault;
    if (fs::is_regular_file(file, fault)) continue;
    problems.error("missing_picture", "listed pictures are not on disk", [&] {
      const bool hidden = fault && fault != std::errc::no_such_file_or_directory;
      return list.string() + ":" + std::to_string(number) + ": " + file.string() +
             (hidden ? ": " + fault.message() : "");
    });
  }
}

/// With `labels` for its last folder `images`; empty if it has none.
fs::path in_labels_folder(const fs::path& picture) {
  std::vector<fs::path> parts(picture.begin(), picture.end());
  if (parts.empty()) return {};
  const auto images = std::find(parts.rbegin() + 1, parts.rend(), "images");
  if (images == parts.rend()) return {};
  *images = "labels";
  fs::path labels;
  for (const fs::path& part : parts) labels /= part;
  return labels.replace_extension(".txt");
}

}  // namespace

std::vector<YoloBox> parse_yolo_labels(std::string_view text, const std::string& place, std::int64_t classes,
                                       ProblemCollector& problems, const KeyPointShape& key_points) {
  if (const std::string_view encoding = wide_encoding(text); !encoding.empty()) {
    problems.error("bad_encoding", "label files are not in UTF-8",
                   [&] { return place + ": " + wide_encoding_hint(encoding); });
    return {};
  }
  text = without_byte_order_mark(text);
  std::vector<YoloBox> boxes;
  std::set<std::pair<std::int32_t, std::array<double, 4>>> seen;
  LabelReader reader(place, classes, key_points, problems);
  for (int number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (trim(line).empty()) continue;
    const auto box = reader.read_row(line, number);
    if (!box) continue;
    const bool comparable = std::ranges::none_of(box->xywh, [](double side) { return std::isnan(side); });
    if (comparable && !seen.emplace(box->label, box->xywh).second) {
      problems.warn("duplicate_box", "rows stand twice; taken once",
                    [&] { return place + ":" + std::to_string(number); });
      continue;
    }
    boxes.push_back(*box);
  }
  return boxes;
}

std::vector<fs::path> list_pictures(std::span<const fs::path> sources, ProblemCollector& problems,
                                    const fs::path& root) {
  std::vector<fs::path> pictures;
  for (const fs::path& source : sources) {
    std::error_code ignored;
    if (fs::is_directory(source, ignored)) {
      add_folder(source, pictures, problems);
    } else if (fs::is_regular_file(source, ignored) && source.extension() == ".txt") {
      add_list(source, root, pictures, problems);
    } else if (fs::exists(source, ignored)) {
      throw DataError(source.string() + ": neither a folder of pictures nor a .txt list of them");
    } else {
      throw DataError(source.string() + ": does not exist; a split is a folder of pictures or a .txt list of them");
    }
  }
  std::sort(pictures.begin(), pictures.end(),
            [](const fs::path& a, const fs::path& b) { return a.native() < b.native(); });
  for (std::size_t i = 1; i < pictures.size(); ++i) {
    if (pictures[i] != pictures[i - 1]) continue;
    problems.warn("repeated_picture", "pictures are listed more than once; taken once",
                  [&] { return pictures[i].string(); });
  }
  pictures.erase(std::unique(pictures.begin(), pictures.end()), pictures.end());
  return pictures;
}

fs::path yolo_label_path(const fs::path& picture) {
  const fs::path beside = fs::path(picture).replace_extension(".txt");
  std::error_code ignored;
  fs::path labels = in_labels_folder(picture);
  if (labels.empty()) labels = in_labels_folder(fs::absolute(picture, ignored).lexically_normal());
  if (labels.empty()) return beside;
  const bool no_folder = fs::status(labels.parent_path(), ignored).type() == fs::file_type::not_found;
  return no_folder && fs::exists(beside, ignored) ? beside : labels;
}

}  // namespace rtdetr
