#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/io/utf8.h"
#include "data/formats/csv_reader.h"
#include "data/formats/tool_readers.h"
#include "data/formats/yolo_labels.h"

namespace rtdetr {
namespace {

namespace fs = std::filesystem;

/// "/m/011k07,Tortoise": with a header in newer versions, without one in older ones, which is then a row as well.
std::map<std::string, std::string, std::less<>> read_descriptions(const fs::path& file) {
  std::map<std::string, std::string, std::less<>> names;
  CsvReader csv(file);
  const auto add = [&](std::string_view label, std::string_view name) {
    if (label.starts_with('/') && !name.empty() && is_utf8(name)) names.emplace(label, name);
  };
  if (csv.header().size() == 2) add(csv.header()[0], csv.header()[1]);
  while (csv.next()) {
    if (csv.fields().size() == 2) add(csv.field(0), csv.field(1));
  }
  return names;
}

/// The table of class descriptions beside the boxes'; empty if there is none.
fs::path find_descriptions(const fs::path& annotations) {
  std::vector<fs::path> found;
  std::error_code fault;
  for (fs::directory_iterator at(annotations.parent_path(), fault), end; !fault && at != end; at.increment(fault)) {
    const std::string name = at->path().filename().string();
    if (name.ends_with(".csv") && name.find("class-descriptions") != std::string::npos) found.push_back(at->path());
  }
  return found.empty() ? fs::path{} : *std::min_element(found.begin(), found.end());
}

class OpenImagesReader {
 public:
  OpenImagesReader(const DatasetConfig::Split& split, ProblemCollector& problems)
      : csv_(split.annotations), problems_(problems) {
    annotations_.object = ":";
    annotations_.fractions = true;
    annotations_.says_sizes = false;
    const fs::path descriptions = find_descriptions(split.annotations);
    if (!descriptions.empty()) name_of_ = read_descriptions(descriptions);
    for (const fs::path& file : list_pictures(std::span(&split.images, 1), problems)) {
      const auto [known, is_new] = index_of_.emplace(file.stem().string(), annotations_.pictures.size());
      if (!is_new) {
        problems.error("shared_id", "pictures differ in folder or extension alone, so rows cannot tell them apart",
                       [&, at = known->second] {
                         return file.string() + " and " + annotations_.pictures[at].file.string() + "; rename one";
                       });
        continue;
      }
      annotations_.pictures.emplace_back().file = file;
    }
  }

  NamedAnnotations read() {
    const std::size_t image = column("imageid"), label = column("labelname");
    const std::array<std::size_t, 4> corners{column("xmin"), column("ymin"), column("xmax"), column("ymax")};
    const auto group = csv_.column("isgroupof");
    while (csv_.next()) {
      const auto known = index_of_.find(std::string(csv_.field(image)));
      if (known == index_of_.end()) {
        problems_.warn("unknown_image", "rows are of pictures that are not in the folder; left out",
                       [&] { return place() + ": " + excerpt(csv_.field(image)); });
        continue;
      }
      NamedPicture& picture = annotations_.pictures[known->second];
      picture.place = csv_.name();
      const auto box = box_of(corners);
      if (!box) continue;
      const std::string_view name = name_of(csv_.field(label));
      if (name.empty()) {
        complain("LabelName must be a text");
        continue;
      }
      const bool crowd = group && csv_.field(*group) == "1";
      picture.boxes.push_back({*box, annotations_.index_of(name), static_cast<std::uint32_t>(csv_.line()), crowd});
    }
    return std::move(annotations_);
  }

 private:
  std::size_t column(const char* name) const {
    if (const auto found = csv_.column(name)) return *found;
    throw DataError(csv_.name() + ":1: the table has no column '" + std::string(name) +
                    "'; Open Images' boxes have ImageID, LabelName, XMin, XMax, YMin and YMax");
  }

  std::string place() const { return csv_.name() + ":" + std::to_string(csv_.line()); }

  void complain(const std::string& detail) {
    problems_.error("bad_row", "rows are not a box", [&] { return place() + ": " + detail; });
  }

  /// What people call a class; its code where no table says it.
  std::string_view name_of(std::string_view label) const {
    const auto found = name_of_.find(label);
    if (found != name_of_.end()) return found->second;
    return is_utf8(label) ? label : std::string_view{};
  }

  std::optional<std::array<double, 4>> box_of(const std::array<std::size_t, 4>& columns) {
    std::array<double, 4> v{};
    for (std::size_t i = 0; i < v.size(); ++i) {
      const auto value = parse_double(csv_.field(columns[i]));
      if (!value || *value > 2) {
        complain(csv_.header()[columns[i]] + " must be a fraction of the picture, not '" +
                 excerpt(csv_.field(columns[i])) + "'");
        return std::nullopt;
      }
      v[i] = *value;
    }
    return std::array<double, 4>{v[0], v[1], v[2] - v[0], v[3] - v[1]};
  }

  CsvReader csv_;
  ProblemCollector& problems_;
  NamedAnnotations annotations_;
  std::unordered_map<std::string, std::size_t> index_of_;
  std::map<std::string, std::string, std::less<>> name_of_;
};

}  // namespace

NamedAnnotations read_open_images(const DatasetConfig::Split& split, ProblemCollector& problems) {
  return OpenImagesReader(split, problems).read();
}

}  // namespace rtdetr
